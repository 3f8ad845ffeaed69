"""A fetch that is stopped at any of its last steps: the same command finishes, and nothing is left."""

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import tiny_spair

from kapbench.datasets.fetching import archive as archives
from kapbench.datasets.fetching import fetch as fetching
from kapbench.datasets.fetching.archive import unpack
from kapbench.datasets.fetching.fetch import fetch
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.errors import KapbenchError

SPAIR = SOURCES["spair"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up after it."""


@pytest.fixture
def server(server, tmp_path):
    folder = tiny_spair.make(tmp_path / "made", n_images=2)
    with tarfile.open(tmp_path / "made.tar.gz", "w:gz") as archive:
        archive.add(folder, "SPair-71k")
    server.content = (tmp_path / "made.tar.gz").read_bytes()
    return server


def get(root: Path, server):
    return fetch(SPAIR, root, lambda *_: None, url=server.url, timeout_s=1.0, pauses_s=(0.0,))


def names(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if not p.name.endswith(".lock"))


MOMENTS = {
    "before the record": (fetching.Record, "write", False),
    "after the record": (fetching.Record, "write", True),
    "before the folder is in place": (archives, "move_into_place", False),
    "after the folder is in place": (archives, "move_into_place", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_fetch_that_is_killed(tmp_path, server, monkeypatch, moment):
    root = tmp_path / "data"
    place, name, after = MOMENTS[moment]
    step = getattr(place, name)

    def kill(*args, **options):
        if after:
            step(*args, **options)
        monkeypatch.setattr(archives, "recover", lambda *_: None)  # what `finally` would do
        raise Killed

    monkeypatch.setattr(place, name, kill)
    with pytest.raises(Killed):
        get(root, server)
    if (root / "SPair-71k").exists():
        assert (root / "SPair-71k.source.json").exists()
    monkeypatch.undo()
    asked = len(server.asked)
    assert get(root, server).coverage.startswith("complete")
    assert names(root) == ["SPair-71k", "SPair-71k.source.json"]
    assert len(server.asked) == asked  # the archive was not lost
    assert json.loads((root / "SPair-71k.source.json").read_text())["url"] == server.url


def test_an_archive_of_the_users_is_never_moved(tmp_path, server):
    mine = tmp_path / "made.tar.gz"
    fetch(SPAIR, tmp_path / "data", lambda *_: None, archive=mine)
    assert mine.exists()


def test_an_archive_stays_where_its_folder_cannot_be_put(tmp_path, server, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "move_into_place", refuse)
    with pytest.raises(KapbenchError, match="No space left"):
        get(tmp_path / "data", server)
    assert "SPair-71k.tar.gz" in names(tmp_path / "data")


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_file_that_is_twice_in_an_archive(tmp_path):
    folder = tmp_path / "new" / "SPair-71k"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.add(folder, "SPair-71k")
        (folder / "a.txt").write_text("two")
        archive.add(folder / "a.txt", "SPair-71k/a.txt")
    shutil.rmtree(folder)
    with pytest.raises(KapbenchError, match=r"'SPair-71k/a\.txt' occurs twice"):
        unpack(tmp_path / "made.tar", folder, lambda *_: None)
    assert not folder.exists()


def test_what_unfolds_behind_the_end_of_an_archive_is_bounded(tmp_path):
    import gzip

    folder = tiny_spair.make(tmp_path / "made", n_images=2)
    with tarfile.open(tmp_path / "made.tar.gz", "w:gz") as archive:
        archive.add(folder, "SPair-71k")
    with (tmp_path / "made.tar.gz").open("ab") as file:
        file.write(gzip.compress(bytes(1 << 27)))
    with pytest.raises(KapbenchError, match="unpacks to more than"):
        unpack(tmp_path / "made.tar.gz", tmp_path / "data" / "SPair-71k", lambda *_: None)
