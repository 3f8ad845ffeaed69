"""Two processes as torchrun starts them: they end in one set of weights, written once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kapbench_baselines.training.files import read_tensors

TOY = Path(__file__).parents[1] / "sphere" / "conftest.py"


def train(out: Path, n_processes: int) -> str:
    launcher = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={n_processes}",
        "-m",
    ]
    words = [
        "--backbone", f"{TOY}:ToyEncoder", "--dataset", f"{TOY}:ToyData", "--steps", "4",
        "--batch", "4", "--validate-every", "2", "--crops", "1", "--precision", "fp32",
        "--cache", str(out.parent / "cache"), "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, *launcher, "kapbench", "train", "sphere", *words],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch has no torch.distributed")
def test_two_processes_train_one_mapper(tmp_path):
    said = train(tmp_path / "two", 2)
    assert said.count("step 2:") == said.count("weights:") == 1  # one process talks
    alone = train(tmp_path / "one", 1)
    assert alone.count("step 2:") == 1
    two, one = (
        read_tensors(tmp_path / name / "weights.safetensors", "")[0] for name in ("two", "one")
    )
    assert two.keys() == one.keys()
    assert any(not torch.equal(two[key], one[key]) for key in two)  # twice the batch
