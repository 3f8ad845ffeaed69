"""A run in turns: any cut, any order, any engine, any death; the same bytes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_world
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset, load_model
from kapbench.running.distributed.cluster import Dask, Slurm
from kapbench.running.distributed.job import Job, take_all
from kapbench.running.distributed.shard import Turn, take
from kapbench.running.local_executors import InProcess, Processes, threads
from kapbench.running.run import run
from kapbench.scoring.rules import load_rule

WORLD = Path(tiny_world.__file__)
RULES = ("kap-cvpr24", "pck-sd-dino")
OPTIONS = {"n_images": 16}  # 480 pairs, four parts


def job(root, model="TinyEncoder", of=4, **options):
    return Job(
        f"{WORLD}:{model}", f"{WORLD}:TinyDataset", RULES, root / "runs", root / "cache", of,
        dataset_options=OPTIONS, device="cpu", threads=threads(), **options,
    )  # fmt: skip


def joined(root, model="TinyEncoder"):
    """Records of the run, once all of its parts are there; nothing is scored for it."""
    done = run(
        load_model(f"{WORLD}:{model}", device="cpu"),
        load_dataset(f"{WORLD}:TinyDataset", **OPTIONS),
        [load_rule(name) for name in RULES], runs_root=root / "runs", cache_root=root / "cache",
        intervals=False,
    )  # fmt: skip
    return (done.folder / "records.parquet").read_bytes()


def parts(root):
    return sorted(p.name for p in (root / "runs").rglob("part-*.parquet"))


@pytest.fixture(scope="module", params=["TinyEncoder", "TinyPairModel"])
def model(request):
    return request.param


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    return joined(tmp_path_factory.mktemp("whole"), model)


def turn(root, number, of, model="TinyEncoder"):
    return take(
        Turn(number, of), load_model(f"{WORLD}:{model}", device="cpu"),
        load_dataset(f"{WORLD}:TinyDataset", **OPTIONS), [load_rule(name) for name in RULES],
        runs_root=root / "runs", cache_root=root / "cache",
    )  # fmt: skip


@pytest.mark.parametrize(("of", "order"), [(1, [1]), (2, [2, 1]), (5, [3, 5, 1, 2, 4])])
def test_any_cut_in_any_order_is_the_same_run(tmp_path, model, expected, of, order):
    done = [turn(tmp_path, number, of, model) for number in order]
    assert done[-1].complete
    assert sum(d.n_pairs for d in done) == 480
    assert turn(tmp_path, order[0], of, model).n_pairs == 0  # what is done is not done again
    assert joined(tmp_path, model) == expected


def test_each_turn_scores_its_own_shards_alone(tmp_path):
    first = turn(tmp_path, 1, 4)
    assert (first.n_parts, first.n_shards, first.complete) == (1, 4, False)
    assert len(parts(tmp_path)) == 1


def test_a_finished_run_has_no_turns_left(tmp_path, expected, model):
    assert joined(tmp_path, model) == expected
    assert turn(tmp_path, 1, 2, model).complete
    assert not parts(tmp_path)


@pytest.mark.parametrize(
    "executor",
    [
        lambda root: InProcess(),
        lambda root: Processes(2),
        lambda root: Dask(workers=2),
        lambda root: Slurm(root / "logs", {"timeout_min": 2}, "local"),
    ],
    ids=["here", "processes", "dask", "slurm"],
)
def test_every_engine_is_the_same_run(tmp_path, executor, model, expected):
    pytest.importorskip("distributed", reason="needs the extra dask")
    pytest.importorskip("submitit", reason="needs the extra slurm")
    take_all(job(tmp_path, model), executor(tmp_path))
    assert len(parts(tmp_path)) == 4
    assert joined(tmp_path, model) == expected


def test_two_processes_may_take_one_turn(tmp_path, model, expected):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(tiny_world.__file__).parent)!r})\n"
        "from test_turns import turn, Path\n"
        f"for i in (1, 2): turn(Path({str(tmp_path)!r}), i, 2, {model!r})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert len(parts(tmp_path)) == 4
    assert joined(tmp_path, model) == expected


FAILING = """
import os, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from tiny_world import TinyEncoder

class Failing(TinyEncoder):
    def encode(self, pictures):
        marker = Path({marker!r})
        if len(list(marker.glob("died*"))) < {times}:
            (marker / f"died{{len(list(marker.glob('died*')))}}").touch()
            {how}
        return super().encode(pictures)
"""


def failing(tmp_path, how, times):
    path = tmp_path / "failing.py"
    path.write_text(
        FAILING.format(here=str(WORLD.parent), marker=str(tmp_path), times=times, how=how)
    )
    return replace(job(tmp_path), model=f"{path}:Failing")


def test_a_shard_that_fails_once_is_taken_again(tmp_path):
    take_all(failing(tmp_path, "raise OSError('disk gone')", 1))
    assert len(parts(tmp_path)) == 4


def test_a_shard_that_fails_twice_is_named_and_others_are_kept(tmp_path):
    broken = failing(tmp_path, "raise OSError('disk gone')", 5)  # all four, and the first again
    with pytest.raises(KapbenchError, match="shards 1/4 failed twice") as error:
        take_all(broken)
    assert "disk gone" in error.value.thing
    assert "incomplete" in str(error.value.fix)
    assert len(parts(tmp_path)) == 3
    take_all(broken)  # what was wrong is mended
    assert len(parts(tmp_path)) == 4


def test_dask_goes_on_when_a_worker_dies(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra dask")
    take_all(failing(tmp_path, "os._exit(1)", 1), Dask(workers=2))
    assert len(parts(tmp_path)) == 4


def test_slurm_takes_a_job_again_that_died(tmp_path):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    slurm = Slurm(tmp_path / "logs", {"timeout_min": 2}, "local")
    take_all(failing(tmp_path, "os._exit(1)", 1), slurm)
    assert len(parts(tmp_path)) == 4


class TestCommand:
    def kapbench(self, tmp_path, *words):
        return CliRunner().invoke(
            main,
            ["run", "--model", f"{WORLD}:TinyEncoder", "--dataset", f"{WORLD}:TinyDataset",
             "--dataset-option", "n_images=16", "--rule", "kap-cvpr24", "--no-control", "-q",
             "--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache"), *words],
        )  # fmt: skip

    def test_by_hand_then_joined(self, tmp_path):
        first = self.kapbench(tmp_path, "--shard", "1/2")
        assert first.exit_code == 0, first.output
        assert "2 of 4 parts" in first.output
        assert "all parts are there" in self.kapbench(tmp_path, "--shard", "2/2").output
        assert "run folder" in self.kapbench(tmp_path).output
        assert not parts(tmp_path)

    def test_an_engine_joins_by_itself(self, tmp_path):
        done = self.kapbench(tmp_path, "--shards", "4")
        assert done.exit_code == 0, done.output
        assert "run folder" in done.output

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--shard", "3/2"], "no turn"), (["--shard", "0/2"], "no turn"),
            (["--shard", "half"], "no turn"), (["--shard", "1/2", "--no-cache"], "shared folder"),
            (["--executor", "slurm", "--slurm", "gpu"], "key=value"),
            (["--executor", "slurm"], "sbatch"),
            (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:9"], "dask scheduler"),
        ],
    )  # fmt: skip
    def test_wrong_words(self, tmp_path, words, said):
        done = self.kapbench(tmp_path, *words)
        assert done.exit_code == 1
        assert said in done.output
        assert not parts(tmp_path)
