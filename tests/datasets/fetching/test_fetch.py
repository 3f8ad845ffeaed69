import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_spair
from click.testing import CliRunner
from filelock import FileLock

from kapbench.cli import main
from kapbench.datasets.fetching.fetch import Fetched, fetch
from kapbench.datasets.fetching.sources import SOURCES, source
from kapbench.errors import KapbenchError

SPAIR = SOURCES["spair"]
RECORD = "SPair-71k.source.json"


def packed(folder, to):
    with tarfile.open(to, "w:gz") as archive:
        archive.add(folder, "SPair-71k")
    return to


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A whole data set in one archive."""
    folder = tmp_path_factory.mktemp("made")
    return packed(tiny_spair.make(folder), folder / "made.tar.gz")


@pytest.fixture
def server(server, archive):
    server.content = archive.read_bytes()
    return server


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def get(root, server=None, source=SPAIR, report=lambda *_: None, **options) -> Fetched:
    if server is not None:
        options["url"] = server.url
    return fetch(source, root, report, timeout_s=0.5, pauses_s=(0.0,), **options)


def names(root):
    return sorted(p.name for p in root.iterdir() if not p.name.endswith(".lock"))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_data_set_is_fetched_and_its_hash_recorded(root, server):
    steps = []
    found = get(root, server, report=lambda step, done, total: steps.append(step))
    assert found.folder == root / "SPair-71k"
    assert found.coverage == "complete: 2 categories, 12 pairs"
    assert (found.sha256, found.hash_from) == (sha256(server.content), "first")
    assert list(dict.fromkeys(steps)) == ["downloading", "checking", "unpacking"]
    assert names(root) == ["SPair-71k", RECORD]
    record = json.loads((root / RECORD).read_text())
    assert record["sha256"] == sha256(server.content)
    assert (record["url"], record["size"]) == (server.url, len(server.content))


def test_a_second_time_nothing_is_done(root, server):
    get(root, server)
    server.asked.clear()
    found = get(root, server)
    assert found.hash_from is None
    assert server.asked == []


def test_the_recorded_hash_is_checked_from_then_on(root, server, tmp_path):
    get(root, server)
    (root / "SPair-71k").rename(tmp_path / "away")
    assert get(root, server).hash_from == "recorded"

    (root / "SPair-71k").rename(tmp_path / "away again")
    server.content = packed(tmp_path / "away", tmp_path / "other").read_bytes()  # other times
    with pytest.raises(KapbenchError, match="SHA-256 of the archive is") as caught:
        get(root, server)
    assert RECORD in caught.value.fix
    assert names(root) == [RECORD]
    (root / RECORD).unlink()
    assert get(root, server).hash_from == "first"


def test_a_pinned_hash(root, server):
    good, bad = (replace(SPAIR, sha256=h) for h in (sha256(server.content), "0" * 64))
    with pytest.raises(KapbenchError, match=f"pinned {'0' * 64}"):
        get(root, server, bad)
    assert names(root) == []
    assert get(root, server, good).hash_from == "pinned"
    assert names(root) == ["SPair-71k"]


def test_a_record_that_cannot_be_read(root, server):
    root.mkdir()
    (root / RECORD).write_text("{")
    with pytest.raises(KapbenchError, match="record") as caught:
        get(root, server)
    assert caught.value.place == root / RECORD


def test_a_local_archive_is_used_and_kept(root, archive):
    found = get(root, archive=archive)
    assert found.hash_from == "first"
    assert archive.exists()
    assert names(root) == ["SPair-71k", RECORD]


@pytest.mark.parametrize("content", [b"<html>Moved</html>", b"", bytes(5000)])
def test_wrong_bytes_leave_nothing(root, server, content):
    server.content = content
    with pytest.raises(KapbenchError, match="archive"):
        get(root, server)
    assert names(root) == []


def test_a_length_that_is_too_short_leaves_nothing_but_a_hint(root, server):
    server.faults = ["short"]
    with pytest.raises(KapbenchError, match="not a complete"):
        get(root, server)
    assert names(root) == []
    assert get(root, server).hash_from == "first"


def test_an_archive_that_holds_something_else(root, tmp_path):
    (tmp_path / "SPair-71k" / "Layout").mkdir(parents=True)
    wrong = packed(tmp_path / "SPair-71k", tmp_path / "wrong.tar.gz")
    with pytest.raises(KapbenchError, match="does not contain SPair-71k") as caught:
        get(root, archive=wrong)
    assert caught.value.place == wrong
    assert wrong.exists()
    assert names(root) == []


def test_stopping_while_unpacking_keeps_the_download(root, server):
    def stop(step, done, total):
        if step == "unpacking":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(root, server, report=stop)
    assert names(root) == [SPAIR.file_name]
    server.asked.clear()
    assert get(root, server).coverage.startswith("complete")
    assert server.asked == []
    assert names(root) == ["SPair-71k", RECORD]


def test_a_download_that_was_given_up_resumes(root, server):
    server.faults = ["truncate:1000", "status:500"]
    with pytest.raises(KapbenchError, match=r"The download stopped: .*500"):
        get(root, server)
    assert names(root) == [f"{SPAIR.file_name}.part", f"{SPAIR.file_name}.part.json"]
    get(root, server)
    assert server.asked[-1]["Range"] == "bytes=1000-"
    assert names(root) == ["SPair-71k", RECORD]


def test_what_is_there_but_incomplete_is_not_touched(root, server):
    folder = tiny_spair.make(root)
    (folder / "JPEGImages/cat/2012_000000.jpg").unlink()
    before = sorted(root.rglob("*"))
    with pytest.raises(KapbenchError, match="is not complete: partial: 1 of 2") as caught:
        get(root, server)
    assert "move" in caught.value.fix
    assert sorted(root.rglob("*")) == before
    assert server.asked == []


def test_an_empty_folder_is_no_data_set(root, server):
    (root / "SPair-71k").mkdir(parents=True)
    assert get(root, server).hash_from == "first"


def test_two_at_a_time(root, server):
    root.mkdir()
    with (
        FileLock(root / ".SPair-71k.lock"),
        pytest.raises(KapbenchError, match="Another process is fetching"),
    ):
        get(root, server)


def test_an_unknown_name():
    with pytest.raises(KapbenchError, match="Did you mean spair"):
        source("spiar")
    assert source("spair.small") is SPAIR


# --- the command ---


@pytest.fixture
def kapbench(root):
    def run(*words):
        words = ["fetch", *map(str, words), "--data-root", str(root)]
        return CliRunner().invoke(main, words)

    return run


def test_the_command_says_licence_size_and_hash(kapbench, server, root):
    shown = kapbench("spair", "--url", server.url)
    assert shown.exit_code == 0, shown.output
    for said in (
        "licence:",
        "arXiv:1908.10543",
        "MB, from 127.0.0.1",
        "recorded for later downloads",
    ):
        assert shown.stdout.count(said) == 1, said
    assert sha256(server.content) in shown.stdout

    again = kapbench("spair", "--url", server.url)
    assert again.exit_code == 0
    assert "The data set is already in" in again.stdout


def test_the_command_takes_a_file(kapbench, archive, root):
    shown = kapbench("spair", "--archive", archive)
    assert shown.exit_code == 0, shown.output
    assert (root / "SPair-71k" / "Layout").is_dir()


def test_the_root_may_come_from_the_environment(archive, root, monkeypatch):
    monkeypatch.setenv("KAPBENCH_DATA", str(root))
    assert CliRunner().invoke(main, ["fetch", "spair", "--archive", str(archive)]).exit_code == 0
    assert (root / "SPair-71k" / "Layout").is_dir()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["spiar"], "Did you mean spair"),
        (["spair", "--url", "nonsense"], "address cannot be fetched"),
        (["spair", "--archive", __file__], "not a complete tar or zip"),
    ],
)
def test_a_mistake_is_one_message(kapbench, words, said):
    shown = kapbench(*words)
    assert shown.exit_code == 1
    assert said in shown.stderr
    assert "Traceback" not in shown.output


def test_a_missing_file_is_a_mistake_of_usage(kapbench):
    shown = kapbench("spair", "--archive", "none.tar.gz")
    assert shown.exit_code == 2
    assert "none.tar.gz" in shown.stderr


def test_a_server_that_refuses(kapbench, server, root):
    server.faults = ["status:404"]
    shown = kapbench("spair", "--url", server.url)
    assert shown.exit_code == 1
    assert "404" in shown.stderr
    assert "--archive" in shown.stderr
    assert names(root) == []


def test_a_root_that_is_a_file(server, tmp_path):
    (tmp_path / "file").touch()
    words = ["fetch", "spair", "--url", server.url, "--data-root", str(tmp_path / "file")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 1
    assert str(Path(tmp_path / "file")) in shown.stderr
