"""The same command continues what Ctrl-C stopped, says so, and never repeats what is finished."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import toy_backbone
from click.testing import CliRunner
from safetensors import safe_open

from kapbench.errors import KapbenchError
from kapbench_baselines.canonical.train_command import dve
from kapbench_baselines.training.loop import HISTORY, STATE, WEIGHTS, best_line
from kapbench_baselines.training.trained_weights import load

SLOW = """
import functools, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits none
from kapbench.cli.main import main
from kapbench_baselines.canonical.task import DveTask
from kapbench_baselines.training import loop
loop.Schedule = functools.partial(loop.Schedule, save_every=2)
losses = DveTask.losses
def slowly(*arguments, **options):
    time.sleep(0.5)
    return losses(*arguments, **options)
DveTask.losses = slowly
main()
"""


def train(tmp_path, *more):
    words = toy_backbone.words(tmp_path, "--warps", "1", "--validate-every", "0", *more)
    return CliRunner().invoke(dve, words)


def step(tmp_path):
    with safe_open(tmp_path / "out" / STATE, "pt") as file:
        return int(file.metadata()["step"])


def kept_step(tmp_path):
    return load(tmp_path / "out" / WEIGHTS, "dve")[1].kept_step


def interrupted(tmp_path, words):
    """The output of a training that got SIGINT once it had saved its state."""
    command = [sys.executable, "-c", SLOW, "train", "dve", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        limit = time.monotonic() + 120
        while not (tmp_path / "out" / STATE).is_file() and time.monotonic() < limit:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1]


@pytest.mark.slow
def test_the_same_command_continues_after_a_real_interrupt(tmp_path):
    words = toy_backbone.words(tmp_path, "--warps", "1", "--steps", "30", "--validate-every", "0")
    assert "the same command resumes" in interrupted(tmp_path, words)
    n_done = step(tmp_path)
    assert 2 <= n_done < 30
    assert not (tmp_path / "out" / WEIGHTS).exists()
    done = CliRunner().invoke(dve, words)
    assert done.exit_code == 0, done.output
    first = done.output.splitlines()[0]
    assert first == f"The training in {tmp_path / 'out'} continues after step {n_done} of 30."
    cut = (tmp_path / "out" / WEIGHTS).read_bytes()
    assert CliRunner().invoke(dve, [*words, "--force"]).exit_code == 0
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == cut  # as if never interrupted


def test_a_finished_training_is_not_done_again(tmp_path):
    assert train(tmp_path).exit_code == 0
    files = [tmp_path / "out" / name for name in (WEIGHTS, STATE, "card.md", HISTORY)]
    before = [(f.read_bytes(), f.stat().st_mtime_ns) for f in files]
    for more in ((), ("--resume",)):
        again = train(tmp_path, *more)
        assert again.exit_code == 0, again.output
        assert again.output.startswith(
            f"The training in {tmp_path / 'out'} is finished: all 4 steps are done. Add --force"
        )
        assert [(f.read_bytes(), f.stat().st_mtime_ns) for f in files] == before


def test_weights_that_a_crash_did_not_write_are_written(tmp_path):
    train(tmp_path)
    whole = (tmp_path / "out" / WEIGHTS).read_bytes()
    (tmp_path / "out" / WEIGHTS).unlink()
    train(tmp_path)
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == whole


def test_other_weights_of_a_finished_training_may_be_kept(tmp_path):
    more = ("--rate", "0.5", "--validate-every", "2")
    train(tmp_path, "--keep", "best", *more)
    best = best_line(json.loads((tmp_path / "out" / HISTORY).read_text()))
    assert (kept_step(tmp_path), best["step"]) == (2, 2)
    last = train(tmp_path, "--keep", "last", *more)
    assert last.exit_code == 0, last.output
    assert kept_step(tmp_path) == 4


def test_another_training_is_refused_unless_forced(tmp_path):
    assert train(tmp_path).exit_code == 0
    refused = train(tmp_path, "--seed", "1").exception
    assert isinstance(refused, KapbenchError)
    assert "other settings, data or seed" in str(refused)
    assert "--force" in refused.fix
    forced = train(tmp_path, "--seed", "1", "--force")
    assert forced.exit_code == 0, forced.output
    assert forced.output.startswith("step 4: ")
    assert "is finished" in train(tmp_path, "--seed", "1").output


@pytest.mark.parametrize("more", [("--seed", "1"), ("--category", "cat"), ("--rate", "0.5")])
def test_weights_of_another_training_are_refused_without_a_state(tmp_path, more):
    """The state is the large file, which people delete."""
    assert train(tmp_path).exit_code == 0
    (tmp_path / "out" / STATE).unlink()
    before = (tmp_path / "out" / WEIGHTS).read_bytes()
    refused = train(tmp_path, *more).exception
    assert isinstance(refused, KapbenchError)
    assert "weights in this folder are of a training with other settings" in str(refused)
    assert "--force" in refused.fix
    assert not (tmp_path / "out" / STATE).exists()  # refused before the first step
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == before
    assert train(tmp_path, *more, "--force").exit_code == 0
    assert (tmp_path / "out" / WEIGHTS).read_bytes() != before


def test_weights_without_a_state_stay_where_the_same_training_is_repeated(tmp_path):
    assert train(tmp_path).exit_code == 0
    (tmp_path / "out" / STATE).unlink()
    weights = tmp_path / "out" / WEIGHTS
    before = weights.read_bytes(), weights.stat().st_mtime_ns
    repeated = train(tmp_path)
    assert repeated.exit_code == 0, repeated.output
    assert (weights.read_bytes(), weights.stat().st_mtime_ns) == before
