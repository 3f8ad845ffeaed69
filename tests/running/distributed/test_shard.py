"""A run in shards: any cut, any order, any executor, any death; the same bytes."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_world
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench.running.distributed.cluster import Dask, Slurm
from kapbench.running.distributed.job import score_all_shards
from kapbench.running.distributed.shard import Shard, score_shard
from kapbench.running.local_executors import InProcess, Processes
from kapbench.running.request import RunRequest
from kapbench.running.run import run
from kapbench.scoring.rules import load_rule

WORLD = Path(tiny_world.__file__)
RULES = (load_rule("kap-cvpr24"), load_rule("pck-sd-dino"))
OPTIONS = {"n_images": 16}  # 480 pairs, four chunks


def request_for(root, model="TinyEncoder", rules=RULES):
    return RunRequest(
        model if ":" in model else f"{WORLD}:{model}",
        f"{WORLD}:TinyDataset",
        rules,
        runs_root=root / "runs",
        cache_root=root / "cache",
        dataset_options=OPTIONS,
        device="cpu",
        intervals=False,
    )


def joined(root, model="TinyEncoder"):
    """Records of the run; where all of its chunks are scored, they are only joined."""
    done = run(request_for(root, model))
    return (done.folder / "records.parquet").read_bytes()


def chunk_files(root):
    return sorted(p.name for p in (root / "runs").rglob("part-*.parquet"))


@pytest.fixture(scope="module", params=["TinyEncoder", "TinyPairModel"])
def model(request):
    return request.param


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    return joined(tmp_path_factory.mktemp("whole"), model)


def scored(root, number, of, model="TinyEncoder"):
    return score_shard(request_for(root, model), Shard(number, of))


@pytest.mark.parametrize(("of", "order"), [(1, [1]), (2, [2, 1]), (5, [3, 5, 1, 2, 4])])
def test_any_cut_in_any_order_is_the_same_run(tmp_path, model, expected, of, order):
    done = [scored(tmp_path, number, of, model) for number in order]
    assert done[-1].complete
    assert sum(d.n_pairs for d in done) == 480
    assert scored(tmp_path, order[0], of, model).n_pairs == 0  # what is done is not done again
    assert joined(tmp_path, model) == expected


def test_each_shard_scores_its_own_chunks_only(tmp_path):
    first = scored(tmp_path, 1, 4)
    assert (first.n_scored, first.n_chunks, first.complete) == (1, 4, False)
    assert len(chunk_files(tmp_path)) == 1


def test_a_finished_run_has_no_shards_left(tmp_path, expected, model):
    assert joined(tmp_path, model) == expected
    assert scored(tmp_path, 1, 2, model).complete
    assert not chunk_files(tmp_path)


@pytest.mark.parametrize(
    "executor",
    [
        lambda root: InProcess(),
        pytest.param(lambda root: Processes(2), marks=pytest.mark.slow),
        pytest.param(lambda root: Dask(workers=2), marks=pytest.mark.slow),
        pytest.param(
            lambda root: Slurm(root / "logs", {"timeout_min": 2}, "local"), marks=pytest.mark.slow
        ),
    ],
    ids=["here", "processes", "dask", "slurm"],
)
def test_every_executor_is_the_same_run(tmp_path, executor, model, expected):
    pytest.importorskip("distributed", reason="needs the extra dask")
    pytest.importorskip("submitit", reason="needs the extra slurm")
    score_all_shards(request_for(tmp_path, model), 4, executor(tmp_path))
    assert len(chunk_files(tmp_path)) == 4
    assert joined(tmp_path, model) == expected


def test_a_request_travels_with_the_content_of_its_rules(tmp_path):
    request = request_for(tmp_path, rules=(RULES[0].model_copy(update={"name": "mine"}),))
    copied = pickle.loads(pickle.dumps(request))
    assert copied == request
    assert copied.rules[0].hash == request.rules[0].hash
    assert copied.open().folder == request.open().folder


def test_a_request_without_a_cache_has_no_shards(tmp_path):
    with pytest.raises(KapbenchError, match="share one feature cache"):
        score_shard(replace(request_for(tmp_path), cache_root=None), Shard(1, 2))


@pytest.mark.slow
def test_two_processes_may_score_one_shard(tmp_path, model, expected):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(tiny_world.__file__).parent)!r})\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_shard import scored, Path\n"
        f"for i in (1, 2): scored(Path({str(tmp_path)!r}), i, 2, {model!r})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert len(chunk_files(tmp_path)) == 4
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
    return request_for(tmp_path, f"{path}:Failing")


def test_a_shard_that_fails_once_is_repeated(tmp_path):
    score_all_shards(failing(tmp_path, "raise OSError('disk gone')", 1), 4)
    assert len(chunk_files(tmp_path)) == 4


def test_a_shard_that_fails_twice_is_named_and_others_are_kept(tmp_path):
    broken = failing(tmp_path, "raise OSError('disk gone')", 5)  # all four, and the first again
    with pytest.raises(KapbenchError, match="Shards 1/4 failed twice") as error:
        score_all_shards(broken, 4)
    assert "OSError: disk gone" in error.value.thing
    assert "incomplete" in str(error.value.fix)
    assert len(chunk_files(tmp_path)) == 3
    score_all_shards(broken, 4)  # the cause is gone
    assert len(chunk_files(tmp_path)) == 4


@pytest.mark.slow
def test_dask_goes_on_when_a_worker_dies(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra dask")
    score_all_shards(failing(tmp_path, "os._exit(1)", 1), 4, Dask(workers=2))
    assert len(chunk_files(tmp_path)) == 4


@pytest.mark.slow
def test_slurm_repeats_a_job_that_died(tmp_path):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    slurm = Slurm(tmp_path / "logs", {"timeout_min": 2}, "local")
    score_all_shards(failing(tmp_path, "os._exit(1)", 1), 4, slurm)
    assert len(chunk_files(tmp_path)) == 4


class TestCommand:
    def kapbench(self, tmp_path, *words):
        return CliRunner().invoke(
            main,
            [
                "run",
                "--model",
                f"{WORLD}:TinyEncoder",
                "--dataset",
                f"{WORLD}:TinyDataset",
                "--dataset-option",
                "n_images=16",
                "--rule",
                "kap-cvpr24",
                "--no-control",
                "-q",
                "--runs",
                str(tmp_path / "runs"),
                "--cache",
                str(tmp_path / "cache"),
                *words,
            ],
        )

    def test_by_hand_then_joined(self, tmp_path):
        first = self.kapbench(tmp_path, "--shard", "1/2")
        assert first.exit_code == 0, first.output
        assert "2 of 4 chunks" in first.output
        assert "All chunks are scored" in self.kapbench(tmp_path, "--shard", "2/2").output
        assert "KAP" in self.kapbench(tmp_path).output
        assert not chunk_files(tmp_path)

    def test_an_executor_joins_by_itself(self, tmp_path):
        done = self.kapbench(tmp_path, "--shards", "4")
        assert done.exit_code == 0, done.output
        assert "KAP" in done.output

    @pytest.mark.parametrize(
        "how",
        [
            ["--shards", "2"],
            pytest.param(["--executor", "dask", "--shards", "2"], marks=pytest.mark.slow),
        ],
    )
    def test_a_rule_file_reaches_every_shard(self, tmp_path, how):
        if "dask" in how:
            pytest.importorskip("distributed", reason="needs the extra dask")
        rule = load_rule("pck-v1").model_dump(mode="json") | {"name": "my-rule"}
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(rule))
        done = self.kapbench(tmp_path, "--rule", str(path), *how)
        assert done.exit_code == 0, done.output
        assert "PCK by my-rule" in done.output

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--shard", "3/2"], "is not a shard"),
            (["--shard", "0/2"], "is not a shard"),
            (["--shard", "half"], "is not a shard"),
            (["--shard", "1/2", "--no-cache"], "all machines share"),
            (["--executor", "slurm", "--slurm", "gpu"], "KEY=VALUE"),
            (["--executor", "slurm", "--slurm", "a=1", "--slurm", "a=2"], "names 'a' twice"),
            (["--executor", "slurm"], "sbatch"),
            pytest.param(
                ["--executor", "dask", "--scheduler", "tcp://127.0.0.1:9"],
                "dask scheduler",
                marks=pytest.mark.slow,
            ),
        ],
    )
    def test_wrong_words(self, tmp_path, words, message):
        done = self.kapbench(tmp_path, *words)
        assert done.exit_code == 1
        assert message in done.output
        assert not chunk_files(tmp_path)
