"""Processes as torchrun starts them: what is learnt does not hang on how many there are."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import ranked
import torch
import toy_backbone
from torch import nn

from kapbench_baselines.training import ranks
from kapbench_baselines.training.data_parallel import map_in_parallel
from kapbench_baselines.training.tensor_files import read_tensors

LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
needs_distributed = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="torch has no torch.distributed"
)


def launch(n_processes: int, *words: str) -> str:
    done = subprocess.run(
        [*LAUNCHER, f"--nproc-per-node={n_processes}", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of every training, by two processes."""
    out = tmp_path_factory.mktemp("ranks")
    launch(2, ranked.__file__, str(out))
    return out


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert sum(bool(t.any()) for t in expected.values()) > len(expected) / 2
    for key, tensor in expected.items():
        near = float(tensor.abs().max()) * 1e-4 + 1e-7
        torch.testing.assert_close(
            found[key], tensor, rtol=1e-4, atol=near, msg=lambda m, key=key: f"{key}: {m}"
        )


@pytest.mark.slow
@needs_distributed
@pytest.mark.parametrize("method", ranked.METHODS)
def test_two_processes_have_the_losses_and_gradients_of_one(
    method: str, halves: Path, tmp_path: Path
) -> None:
    found, _ = read_tensors(halves / f"{method}.safetensors", "")
    assert_close(found, ranked.first_gradients(method, tmp_path))


@pytest.mark.parametrize("method", ranked.METHODS)
def test_parts_of_a_batch_have_the_losses_and_gradients_of_the_whole(
    method: str, tmp_path: Path
) -> None:
    whole, cut = (ranked.first_gradients(method, tmp_path / str(n), parts=n) for n in (1, 3))
    assert_close(cut, whole)


@pytest.mark.slow
@needs_distributed
@pytest.mark.parametrize("method", ranked.METHODS)
def test_one_process_goes_on_where_two_were_stopped(
    method: str, halves: Path, tmp_path: Path
) -> None:
    mixed, alone = ranked.trained(method, halves), ranked.trained(method, tmp_path)
    assert mixed.step == alone.step == ranked.STEPS
    # Adam makes steps of one size from gradients of any size: rounding grows in the first few.
    assert mixed.history[-1] == pytest.approx(alone.history[-1], rel=0.05)


@pytest.mark.parametrize("parts", [1, 2, 3, 9])
def test_shares_are_whole_and_in_order(parts: int) -> None:
    layer, seen = nn.Linear(3, 2), []
    x = torch.rand(5, 3, requires_grad=True)

    def network(rows: torch.Tensor) -> torch.Tensor:
        seen.append(len(rows))
        return layer(rows)

    found = map_in_parallel(network, x, parts=parts)
    torch.testing.assert_close(found, layer(x))
    assert sum(seen) == 5
    assert max(seen) == -(-5 // parts)
    found.square().sum().backward()
    gradients = x.grad.clone(), layer.weight.grad.clone()
    layer.zero_grad()
    x.grad = None
    layer(x).square().sum().backward()
    torch.testing.assert_close(gradients, (x.grad, layer.weight.grad))


@pytest.mark.slow
@needs_distributed
def test_what_lies_before_a_spread_has_the_gradient_of_one_process(halves: Path) -> None:
    """A parameter whose rows go to other ranks' shares than their own."""
    found, _ = read_tensors(halves / "before.safetensors", "")
    assert_close(found, ranked.gradients_before())


@needs_distributed
@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda", "nccl")])
def test_the_others_wait_for_as_long_as_the_first_validates(
    device: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[object, ...]] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: done.append(("device", number)))
    monkeypatch.setattr(
        torch.distributed,
        "init_process_group",
        lambda name, timeout=None: done.append((name, timeout)),
    )
    assert ranks.start(device) == ("cuda:1" if device == "cuda" else "cpu")
    *before, joined = done
    assert before == ([("device", 1)] if device == "cuda" else [])
    assert joined == (backend, timedelta(hours=12))


@pytest.mark.slow
@needs_distributed
def test_one_process_talks_and_writes(tmp_path: Path) -> None:
    words = toy_backbone.words(tmp_path, "--crops", "1")
    said = launch(2, "-m", "kapbench", "train", "sphere", *words)
    assert said.count("step 2:") == said.count("weights:") == 1
    assert read_tensors(tmp_path / "out" / "weights.safetensors", "")[0]
