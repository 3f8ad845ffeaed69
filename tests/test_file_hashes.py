"""Remembered hashes: of the contents always, and without reading them where nothing has changed."""

import hashlib
import json
import os
import threading

import pytest

from kapbench import file_hashes
from kapbench.file_hashes import folder_hashes, remembered_hash

OLD_NS = 10**18


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_hashes, "_SETTLED_NS", -(10**18))  # as if hours had passed
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).write_text(name)
    return tmp_path / "data"


@pytest.fixture
def read(monkeypatch):
    names = []

    def hashed(path):
        names.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(file_hashes, "file_hash", hashed)
    return names


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_read_once(folder, read):
    expected = {"a": sha("a"), "b": sha("b")}
    for _ in range(3):
        assert folder_hashes(folder, ["a", "b"]) == expected
    assert sorted(read) == ["a", "b"]
    assert folder_hashes(folder, ["a", "b"], again=True) == expected
    assert len(read) == 4


def test_equal_size_and_time_of_another_content_are_seen(folder, read):
    path = folder / "a"
    os.utime(path, ns=(OLD_NS, OLD_NS))
    assert remembered_hash(path) == sha("a")
    path.write_text("z")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    assert remembered_hash(path) == sha("z")


def test_a_file_in_another_ones_place_is_seen(folder, read):
    assert remembered_hash(folder / "a") == sha("a")
    (folder / "b").replace(folder / "a")
    assert remembered_hash(folder / "a") == sha("b")


def test_a_file_that_was_just_written_is_not_remembered(folder, read, monkeypatch):
    monkeypatch.setattr(file_hashes, "_SETTLED_NS", 2 * 10**9)
    for _ in range(2):
        remembered_hash(folder / "a")
    assert read == ["a", "a"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"a": [["x"], 1]}}'],
)
def test_a_damaged_memory_costs_time_only(folder, read, content):
    remembered_hash(folder / "a")
    (place,) = (folder.parent / "cache" / "hashes").iterdir()
    place.write_text(content)
    assert remembered_hash(folder / "a") == sha("a")
    assert json.loads(place.read_text())["files"]["a"][1] == sha("a")


def test_a_cache_that_cannot_be_written_costs_time_only(folder, monkeypatch):
    (folder.parent / "file").touch()
    monkeypatch.setenv("KAPBENCH_CACHE", str(folder.parent / "file"))
    assert remembered_hash(folder / "a") == sha("a")


def test_many_at_once_agree(folder):
    answers = []
    jobs = [
        threading.Thread(target=lambda: answers.append(folder_hashes(folder, ["a", "b"])))
        for _ in range(8)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert answers == [{"a": sha("a"), "b": sha("b")}] * 8


def test_a_pipe_is_not_opened(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        folder_hashes(folder, ["pipe"])
