"""Ends a process when the one that started it ends, however that ends."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Has the system kill this process when its parent ends; Linux only.

    Args:
        parent: Its process id, as the parent itself read it: it may have ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def worker_ends_with_parent() -> None:
    """For a process of `multiprocessing`: ends it when its parent ends, on every system.

    A worker that waits for work would else wait for ever: all workers hold the pipe of the tasks
    open for each other.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    end_with_parent(parent.pid)


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
