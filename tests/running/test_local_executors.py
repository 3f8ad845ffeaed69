"""What an executor yields: one outcome for each task, failures included."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kapbench.errors import KapbenchError
from kapbench.running.local_executors import InProcess, Processes


def fail_at_two(number: int) -> int:
    if number == 2:
        raise KapbenchError("two is not allowed", place="task 2", fix="leave it out")
    return 10 * number


@pytest.mark.parametrize("executor", [InProcess(), Processes(2)], ids=["here", "processes"])
def test_a_failure_is_an_outcome_that_keeps_its_fix(executor):
    outcomes = {outcome.task: outcome for outcome in executor.run(fail_at_two, [1, 2, 3])}
    assert (outcomes[1].value(), outcomes[3].value()) == (10, 30)
    with pytest.raises(KapbenchError, match="two is not allowed") as caught:
        outcomes[2].value()
    assert (caught.value.place, caught.value.fix) == ("task 2", "leave it out")


def test_a_closed_executor_does_no_further_task():
    done = []
    outcomes = InProcess().run(done.append, [1, 2, 3])
    next(outcomes)
    outcomes.close()
    assert done == [1]


SLEEPERS = """
import time
from kapbench.running.local_executors import Processes
if __name__ == "__main__":
    list(Processes(2).run(time.sleep, [1000, 1000]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path, number):
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    with subprocess.Popen([sys.executable, "sleepers.py"], cwd=tmp_path, env=os.environ) as parent:
        wait_for(lambda: len(workers_of(parent.pid)) == 2)
        workers = workers_of(parent.pid)
        time.sleep(0.5)
        parent.send_signal(number)
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def workers_of(parent: int) -> list[str]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [c for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def wait_for(happened):
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
