"""Started as a process of its own: sets up the jail, starts the command in it, and ends with it.

The order is that of the kernel: a process enters the namespaces, its child is the first process of
the new process namespace and supervises, and the grandchild becomes the command.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any, NoReturn

from kapbench.processes.jail import namespaces, protections, supervise

_TICK_S = 0.1
NOT_STARTED = 126


def main(words: list[str]) -> int:
    """
    Args:
        words: Settings as JSON (the fields of Limits, and the folder), and the command or --probe.
    """
    settings, command = json.loads(words[0]), words[1:]
    # Blocked, so that sigtimedwait returns at once when a child ends. The command unblocks it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    starter = os.getppid()
    if not namespaces.enter(network=settings["network"]):
        if settings["hidden"]:
            _refuse("Folders cannot be hidden from it on this system")
        return _inside(settings, command, frozenset())
    first = os.fork()
    if first == 0:
        namespaces.end_with_parent()
        try:
            namespaces.hide(settings["hidden"], settings["visible"], settings["folder"])
        except OSError as error:
            _refuse(f"Folders cannot be hidden from it: {error}")
        enforced = namespaces.close(settings["folder"], settings["writable"], _size(settings))
        os._exit(_inside(settings, command, enforced | _of_network(settings)))
    while True:
        ended, status = os.waitpid(first, os.WNOHANG)
        if ended:
            return supervise.exit_status(status)
        if os.getppid() != starter:  # it was killed: nobody waits for the command any more
            os.kill(first, signal.SIGKILL)
        supervise.sleep_until_child_ends(_TICK_S)


def _size(settings: dict[str, Any]) -> int:
    return int(settings["file_bytes"])


def _of_network(settings: dict[str, Any]) -> frozenset[str]:
    return frozenset() if settings["network"] else frozenset({protections.NETWORK})


def _inside(settings: dict[str, Any], command: list[str], enforced: frozenset[str]) -> int:
    """Runs the command and watches it; in the namespaces, if this system has them."""
    enforced |= supervise.protections_here()
    if command == ["--probe"]:
        print(json.dumps(sorted(enforced)))
        sys.stdout.flush()
        return 0
    starter = os.getppid()
    if protections.OUTLIVING not in enforced:
        namespaces.adopt_orphans()
    child = os.fork()
    if child == 0:
        _become(settings, command)
    return supervise.watch(child, settings, starter)


def _become(settings: dict[str, Any], command: list[str]) -> NoReturn:
    try:
        namespaces.end_with_parent()
        os.setsid()
        if settings["folder"] is not None:
            os.chdir(settings["folder"])
        supervise.set_limits(settings)
        namespaces.drop_privileges()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        _refuse(str(error))
    finally:
        os._exit(NOT_STARTED)


def _refuse(reason: str) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, f"The command was not started: {reason}\n".encode())
    os._exit(NOT_STARTED)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
