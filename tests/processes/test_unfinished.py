"""What interrupted processes leave is swept once they are gone, and never before."""

import os
import subprocess
import sys
import time

import pytest

from kapbench.processes.owners import Process, this_process
from kapbench.processes.unfinished import (
    FOREIGN_AGE_S,
    abandoned,
    is_abandoned,
    sweep,
    temporary_folder,
    unfinished_name,
)
from kapbench.storage import write_atomically

OLD = time.time() - FOREIGN_AGE_S - 60
PRINT = "from kapbench.processes.unfinished import unfinished_name; print(unfinished_name())"


def name_of_a_dead_process() -> str:
    done = subprocess.run([sys.executable, "-c", PRINT], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path):
    names = {"dead": name_of_a_dead_process(), "own": unfinished_name()}
    names |= {"foreign": ".tmp-00000000-1-1-0123456789ab", "of old": ".tmp-" + "0" * 32}
    for name in names.values():
        (tmp_path / name).write_text("x")
    (tmp_path / "finished").write_text("x")
    return tmp_path, {key: tmp_path / name for key, name in names.items()}


def test_only_what_a_dead_process_left_is_swept(folder):
    place, paths = folder
    assert list(abandoned(place)) == [paths["dead"]]
    sweep(place)
    left = {*place.iterdir()}
    assert left == {*paths.values(), place / "finished"} - {paths["dead"]}


@pytest.mark.parametrize("key", ["foreign", "of old"])
def test_what_nobody_is_known_to_own_is_swept_after_a_week(folder, key):
    _, paths = folder
    assert not is_abandoned(paths[key])
    os.utime(paths[key], (OLD, OLD))
    assert is_abandoned(paths[key])
    os.utime(paths["own"], (OLD, OLD))
    assert not is_abandoned(paths["own"])


def test_what_a_user_named_alike_is_never_swept(tmp_path):
    names = ["kapbench-results", "kapbench-00000000-1-1", "kapbench-abcdefgh", ".tmp-mine"]
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (OLD, OLD))
    for prefix in (".tmp-", "kapbench-"):
        sweep(tmp_path, prefix)
    assert {path.name for path in tmp_path.iterdir()} == {*names}


def test_a_foreign_folder_that_is_written_to_stays(tmp_path):
    folder = tmp_path / ".tmp-00000000-1-1-0123456789ab"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "new").write_text("x")
    for path in (folder / "below", folder):
        os.utime(path, (OLD, OLD))
    assert not is_abandoned(folder)
    os.utime(folder / "below" / "new", (OLD, OLD))
    assert is_abandoned(folder)


def test_a_number_that_is_used_again_is_another_process():
    own = this_process()
    assert own.gone is False
    if own.start:
        assert Process(own.place, own.pid, own.start + 1).gone is True
    assert Process("00000000", own.pid, own.start).gone is None
    assert Process.parse(str(own)) == own


def test_a_fork_has_its_own_name():
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, str(this_process().pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read, 99)) == child


def test_a_temporary_folder_goes_with_its_end_and_sweeps_at_its_start(tmp_path):
    left = tmp_path / name_of_a_dead_process().replace(".tmp-", "kapbench-")
    (left / "features").mkdir(parents=True)
    with temporary_folder(tmp_path) as folder:
        assert not left.exists()
        assert folder.is_dir()
        (folder / "x").write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_whole(tmp_path, durable):
    path = tmp_path / "below" / "file"
    write_atomically(path, b"one", durable=durable)
    write_atomically(path, b"two", durable=durable, beside=tmp_path)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["file"]


def test_durable_files_are_synced_before_they_get_their_name(tmp_path, monkeypatch):
    path, steps = tmp_path / "file", []
    monkeypatch.setattr(os, "fsync", lambda _: steps.append(path.exists()))
    write_atomically(path, b"x", durable=False)
    assert steps == []
    path.unlink()
    write_atomically(path, b"x")
    assert steps == [False, True]  # the file, then its folder


def test_whoever_writes_to_a_folder_sweeps_it_first(folder):
    place, paths = folder
    write_atomically(place / "result", b"x")
    assert {*place.iterdir()} == {*paths.values(), place / "finished", place / "result"} - {
        paths["dead"]
    }
