"""Locks say who holds them, are taken over from processes that are gone, and need no flock."""

import errno
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from kapbench.errors import KapbenchError
from kapbench.locks import Lock, Owner, owner_file
from kapbench.processes.owners import Process, this_process

GONE = Process(this_process().place, 2**22 + 7, 5)  # beyond the numbers that Linux gives
ELSEWHERE = Process("00000000", 1, 1)
HOLD = (
    "import sys\nfrom pathlib import Path\nfrom kapbench.locks import Lock\n"
    "path = Path(sys.argv[1])\n"
    "with Lock(path, 'x', path, 'x').held():\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def lock(tmp_path) -> Lock:
    return Lock(tmp_path / ".lock", "Another process writes", tmp_path, "Wait")


@pytest.fixture
def no_flock(monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@contextmanager
def another_process(lock: Lock):
    command = [sys.executable, "-c", HOLD, str(lock.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        yield other
        other.stdin.close()


def write_owner(lock: Lock, process: Process, kind: str) -> None:
    owner = replace(Owner.this(kind), process=str(process), host="node7", command="kapbench run")
    owner_file(lock.path).write_text(json.dumps(asdict(owner)))


def test_who_holds_a_lock_is_said(lock):
    with another_process(lock) as other, pytest.raises(KapbenchError) as caught, lock.held():
        pass
    assert caught.value.thing.startswith(f"Another process writes: process {other.pid} on ")
    assert ", since 20" in caught.value.thing
    assert caught.value.thing.endswith(str(lock.path))


def test_a_lock_is_free_afterwards_and_nobody_is_named(lock):
    with lock.held():
        assert owner_file(lock.path).exists()
    assert not owner_file(lock.path).exists()
    with lock.held():
        pass


def test_two_holders_in_one_process(lock):
    with lock.held(), pytest.raises(KapbenchError, match=f"process {os.getpid()} on"), lock.held():
        pass


def test_a_killed_process_holds_nothing(lock):
    with another_process(lock) as other:
        other.kill()
        other.wait()
        assert owner_file(lock.path).exists()
        with lock.held():
            pass
    assert not owner_file(lock.path).exists()


@pytest.fixture
def orphaned(lock):
    """A lock that another process holds, whose file names a process that is gone."""
    with another_process(lock) as other:
        write_owner(lock, GONE, "system")
        yield lock
        assert other.poll() is None


def test_a_lock_that_an_orphan_of_its_owner_holds_is_taken_over(orphaned):
    again = pytest.raises(KapbenchError, match=f"process {os.getpid()}")
    with orphaned.held(), again, orphaned.held():
        pass


@pytest.mark.parametrize("steal", [False, True])
def test_a_lock_of_another_host_is_taken_only_where_it_is_told_to(lock, steal):
    with another_process(lock):
        write_owner(lock, ELSEWHERE, "system")
        if steal:
            with lock.held(steal=True):
                pass
        else:
            with pytest.raises(KapbenchError, match="process 1 on node7"), lock.held():
                pass


def test_a_lock_of_a_running_process_is_not_stolen(lock):
    with another_process(lock), pytest.raises(KapbenchError), lock.held(steal=True):
        pass


# --- without flock ---


def test_without_flock_a_file_is_the_lock(lock, no_flock):
    notes = []
    with lock.held(say=notes.append):
        assert "no file locks" in notes[0]
        assert str(owner_file(lock.path)) in notes[0]
        with pytest.raises(KapbenchError, match=f"process {os.getpid()} on"), lock.held():
            pass
        with pytest.raises(KapbenchError), lock.held(steal=True):
            pass
    assert not owner_file(lock.path).exists()


def test_without_flock_a_process_that_is_gone_holds_nothing(lock, no_flock):
    write_owner(lock, GONE, "file")
    with lock.held():
        pass


@pytest.mark.parametrize("content", [None, "", "{}", "[" * 10_000])
def test_without_flock_another_hosts_lock_stays_until_it_is_stolen(lock, no_flock, content):
    if content is None:
        write_owner(lock, ELSEWHERE, "file")
    else:
        owner_file(lock.path).write_text(content)
    with pytest.raises(KapbenchError, match="Another process writes"), lock.held():
        pass
    with lock.held(steal=True):
        pass
    with lock.held():
        pass


def test_a_lock_file_of_a_host_without_flock_counts_where_there_is_flock(lock):
    write_owner(lock, ELSEWHERE, "file")
    with pytest.raises(KapbenchError, match="node7"), lock.held():
        pass
    write_owner(lock, GONE, "file")
    with lock.held():
        pass


def test_a_disk_without_hard_links(lock, no_flock, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with lock.held(), pytest.raises(KapbenchError), lock.held():
        pass


def test_other_errors_are_not_taken_for_a_missing_flock(lock):
    with pytest.raises(FileNotFoundError), replace(lock, path=Path("/none/.lock")).held():
        pass
