"""`kapbench run` as a process: no end of a model looks like success, and nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork and sigtimedwait"),
]
DOTS = Path(__file__).parents[1] / "support" / "dots.py"
MODEL = f"""
import atexit, os, signal, sys, time
sys.path.insert(0, {str(DOTS.parent)!r})
from dots import Colours

class Model(Colours):
    def encode(self, pictures):
        open("encoding", "w").close()
        {{action}}
        return super().encode(pictures)
"""

CLEANING = """try:
            time.sleep(100)
        finally:
            open("cleaning", "w").close()
            time.sleep(100)"""
SLEEPING_ONCE = 'os.path.exists("again") or time.sleep(100)'


@pytest.fixture
def start(tmp_path):
    started = []

    def run(action="pass", *more):
        (tmp_path / "model.py").write_text(MODEL.format(action=action))
        words = ["run", "--model", "model.py:Model", "--dataset", f"{DOTS}:Dots", "--no-control"]
        own = {"KAPBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "kapbench", *words, "--rule", "kap-v1", "-q", *more],
            cwd=tmp_path,
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize(
    ("action", "status", "said"),
    [
        ("os._exit(0)", 1, "ended with status 0, before the command had finished"),
        ("os._exit(7)", 7, "ended with status 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "ended by SIGKILL, as the system does"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "ended by SIGSEGV"),
        ("sys.exit(0)", 1, "The model ended by sys.exit(0) in encode()"),
    ],
)
def test_a_model_that_ends_the_process_is_a_failed_run_that_names_it(start, action, status, said):
    process = start(action)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, said in errors) == (status, True), errors
    assert "model colours" in errors
    assert "dot/0" in errors


def test_an_error_is_not_hidden_at_the_end_of_python(start):
    process = start("atexit.register(os._exit, 0); 1 / 0")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ZeroDivisionError" in errors


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)
def test_a_signal_stops_the_run_and_its_process(start, tmp_path, number, status):
    process = start("time.sleep(100)")
    wait_for(lambda: (tmp_path / "encoding").exists())
    process.send_signal(number)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert "stopped" in errors


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_ends_the_run_at_once(start, tmp_path, workers):
    process = start(CLEANING, "--workers", workers)
    wait_for(lambda: (tmp_path / "encoding").exists())
    process.send_signal(signal.SIGINT)
    wait_for(lambda: (tmp_path / "cleaning").exists())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 130
    assert errors == "\nstopped at once; the same command resumes\n"


@pytest.mark.parametrize("of_both", [False, True])
def test_a_run_whose_process_was_killed_is_resumed(start, tmp_path, of_both):
    process = start(SLEEPING_ONCE)
    wait_for(lambda: (tmp_path / "encoding").exists())
    (tmp_path / "again").touch()
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(process.pid if of_both else int(child), signal.SIGKILL)
    process.communicate(timeout=90)
    assert process.returncode == (-signal.SIGKILL if of_both else 128 + signal.SIGKILL)
    assert len(list(tmp_path.glob("runs/**/.lock.owner"))) == 1
    again = start(SLEEPING_ONCE)  # the same model: other code would be another run
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert {p.name for p in tmp_path.glob("runs/*/*/*/*/*")} == {
        ".lock",
        "run.json",
        "records.parquet",
    }


def test_a_run_that_another_process_writes_is_named(start, tmp_path):
    start("time.sleep(100)")
    wait_for(lambda: (tmp_path / "encoding").exists())
    other = start("time.sleep(100)")
    _, errors = other.communicate(timeout=120)
    assert other.returncode == 1
    assert "Another process is writing this run: process" in errors


def test_the_process_that_scores_ends_with_the_one_that_waits(start, tmp_path):
    process = start("time.sleep(100)")
    wait_for(lambda: (tmp_path / "encoding").exists())
    process.kill()
    process.communicate(timeout=90)  # its pipes are closed once nobody holds them


def test_a_model_that_does_not_stop_is_ended(start, tmp_path):
    process = start("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)")
    wait_for(lambda: (tmp_path / "encoding").exists())
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=90)
    assert process.returncode == 143


def wait_for(happened):
    until = time.monotonic() + 180
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)
