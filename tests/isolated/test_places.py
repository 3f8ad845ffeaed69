"""What an isolated model can see of this machine."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import kapbench
from kapbench.isolated.places import environment_for, files_in, folders_of, places_for
from kapbench.processes.jail.command import Limits, isolation, jail_environment, jailed_command
from kapbench.processes.jail.protections import FILES

needs_jail = pytest.mark.skipif(
    FILES not in isolation().enforced, reason="this system hides no files"
)


def seen(code: str, folder: Path, **limits) -> str:
    folder.mkdir()
    done = subprocess.run(
        jailed_command([sys.executable, "-c", code], folder, Limits(**limits)),
        capture_output=True,
        text=True,
        check=False,
        env=jail_environment(folder),
    )
    return done.stdout.strip() if done.returncode == 0 else f"{done.returncode}: {done.stderr}"


@pytest.fixture
def tree(tmp_path):
    for name in ("data/a.json", "data/model/adapter.py", "data/model/runs/x", "other/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("content")
    return tmp_path


@needs_jail
def test_of_folders_one_in_the_other_the_innermost_decides(tree):
    code = f"""
import pathlib
root = pathlib.Path({str(tree)!r})
print(*sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()))
"""
    hidden = (str(tree / "data"), str(tree / "data/model/runs"), str(tree / "other"))
    visible = (str(tree / "data/model"),)
    every = "data/a.json data/model/adapter.py data/model/runs/x other/b"
    assert seen(code, tree / "jail-1") == every
    assert seen(code, tree / "jail-2", hidden=hidden, visible=visible) == "data/model/adapter.py"
    visible = (str(tree / "data/a.json"),)
    assert seen(code, tree / "jail-3", hidden=hidden, visible=visible) == "data/a.json"


@needs_jail
def test_what_is_hidden_cannot_be_uncovered_or_written(tree):
    code = f"""
import ctypes, os, pathlib
libc = ctypes.CDLL(None)
for _ in range(3):
    libc.umount2({str(tree / "other")!r}.encode(), 2)
print(libc.unshare(0x10020000), os.listdir({str(tree / "other")!r}))
try:
    pathlib.Path({str(tree / "other" / "new")!r}).write_text("x")
except OSError as error:
    print(error.strerror)
"""
    assert (
        seen(code, tree / "jail", hidden=(str(tree / "other"),)) == "-1 []\nRead-only file system"
    )


@needs_jail
def test_a_place_that_cannot_be_hidden_keeps_the_command_from_starting(tree):
    code = "print('started')"
    result = seen(code, tree / "jail", hidden=(str(tree),), visible=(str(tree / "absent"),))
    assert result.startswith("126: The command was not started: Folders cannot be hidden from it")


def test_places_of_annotations_are_hidden_and_places_of_python_visible(tree, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tree / "other"))
    adapter = tree / "data" / "model" / "adapter.py"
    places = places_for([adapter, adapter.parent], [str(tree / "other")], [adapter.parent / "runs"])
    assert str(tree / "other") in places.hidden
    assert str(adapter.parent / "runs") in places.hidden
    assert {str(adapter), str(adapter.parent)} <= set(places.visible)
    packages = Path(kapbench.__file__).parent
    assert {str(packages), str(Path(sys.prefix)), str(Path(sys.base_prefix))} <= set(places.visible)
    if packages.parent.name != "site-packages":
        assert str(packages.parent) in places.hidden  # a clone, with the records of its board
    assert "/usr" not in places.hidden


def test_the_environment_names_no_place_of_the_evaluator(tmp_path, monkeypatch):
    for name in ("KAPBENCH_DATA", "KAPBENCH_CACHE", "KAPBENCH_RUNS", "HF_TOKEN", "AWS_SECRET_KEY"):
        monkeypatch.setenv(name, "/secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment = environment_for(tmp_path)
    assert "/secret" not in environment.values()
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["HOME"] == str(tmp_path)


def test_the_folder_of_a_data_set_is_that_of_all_its_files(tree):
    files = {"a": tree / "data" / "a.json", "b": tree / "data" / "model" / "adapter.py"}
    assert list(folders_of(SimpleNamespace(images=files, name="x"))) == [tree / "data"]
    assert list(folders_of(SimpleNamespace(path=files["a"]))) == [tree / "data"]
    assert list(folders_of(SimpleNamespace(name="x"))) == []
    assert list(folders_of(3)) == []


def test_files_among_options(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert files_in(["data/a.json", Path("other"), "absent", "", 3, None]) == [
        tree / "data" / "a.json",
        tree / "other",
    ]
