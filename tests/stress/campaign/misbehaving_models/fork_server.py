"""Runs `kapbench` in forks of one process that has imported everything that takes long.

Reads one JSON object a line: `folder`, `words`, `seconds`; writes one: `status` (negative: a signal;
null: it ran too long). Output is in the folder's files `output` and `errors`.
"""

import gc
import json
import os
import runpy
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

_SLOW = (
    *(
        "scipy.special",
        "scipy.spatial",
        "rich.progress",
        "pyarrow.pandas_compat",
        "safetensors.numpy",
    ),
    *("kapbench.cli.run", "kapbench.loading", "kapbench.running.run", "kapbench.features.cache"),
    "kapbench_leaderboard.tables.terminal",
)


def main() -> None:
    """Serves until its input ends."""
    for name in _SLOW:
        with suppress(ImportError):  # another version may have no such module
            import_module(name)
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # else every fork copies all of it as it ends
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        work = json.loads(line)
        answers.write(json.dumps({"status": _status(work)}) + "\n")


def _status(work: dict) -> int | None:
    pid = os.fork()
    if pid == 0:
        _become(work)
    until = time.monotonic() + work["seconds"]
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _end_group(pid)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    _end_group(pid)
    os.waitpid(pid, 0)
    return None


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _become(work: dict) -> None:
    """Never returns: Python ends as it does after `python -m kapbench`."""
    os.setsid()
    os.chdir(work["folder"])
    inputs = os.open("/dev/null", os.O_RDONLY)
    os.dup2(inputs, 0)
    for number, name in ((1, "output"), (2, "errors")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ["KAPBENCH_CACHE"] = str(Path(work["folder"], "cache"))
    sys.argv = ["kapbench", *work["words"]]
    sys.path.insert(0, work["folder"])
    runpy.run_module("kapbench", run_name="__main__", alter_sys=False)
    sys.exit(0)


if __name__ == "__main__":
    main()
