import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from kapbench.datasets.fetching.download import _append, download
from kapbench.datasets.fetching.part import Part
from kapbench.errors import KapbenchError

CONTENT = bytes(range(256)) * 2000
OTHER = CONTENT[::-1]


@pytest.fixture
def server(server):
    server.content = CONTENT
    return server


@pytest.fixture
def to(tmp_path):
    return tmp_path / "data" / "file.bin"


def get(server, to, report=lambda done, total: None, pauses=(0.0,) * 3, **options):
    download(server.url, to, report, timeout_s=0.3, pauses_s=pauses, **options)


def refused(server, to, said, **options):
    with pytest.raises(KapbenchError, match=said) as caught:
        get(server, to, **options)
    assert not to.exists()
    assert caught.value.fix
    return caught.value


def left(to):
    return sorted(p.name for p in to.parent.iterdir())


def test_a_file_comes_whole_and_nothing_is_left_beside_it(server, to):
    reports = []
    get(server, to, lambda done, total: reports.append((done, total)))
    assert to.read_bytes() == CONTENT
    assert left(to) == ["file.bin"]
    assert reports[0] == (0, len(CONTENT))
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert server.asked[0]["Accept-Encoding"] == "identity"
    assert "Range" not in server.asked[0]


def test_an_empty_file(server, to):
    server.content = b""
    get(server, to)
    assert to.read_bytes() == b""


@pytest.mark.parametrize("fault", ["truncate:100000", "stall:100000", "status:503", "status:429"])
def test_a_fault_is_tried_again(server, to, fault):
    server.faults = [fault]
    get(server, to)
    assert to.read_bytes() == CONTENT
    resumed = server.asked[1].get("Range")
    assert resumed == (None if fault.startswith("status") else "bytes=100000-")


@pytest.mark.parametrize(
    "validator", [{"etag": '"x"'}, {"etag": None, "modified": "Tue, 01 Jan 2019 00:00:00 GMT"}]
)
def test_an_interrupted_run_is_resumed_by_the_next(server, to, validator):
    for name, value in validator.items():
        setattr(server, name, value)
    server.faults = ["truncate:100000"] + ["status:500"] * 3
    error = refused(server, to, "500")
    assert "100,000 bytes are kept" in error.fix
    assert left(to) == ["file.bin.part", "file.bin.part.json"]
    first = []
    get(server, to, lambda done, total: first.append((done, total)))
    assert to.read_bytes() == CONTENT
    assert first[0] == (100_000, len(CONTENT))
    assert server.asked[-1]["Range"] == "bytes=100000-"
    assert server.asked[-1]["If-Range"] == (server.etag or server.modified)


def test_stopping_by_hand_leaves_a_part_that_resumes(server, to):
    def stop(done, total):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, to, stop)
    kept = (to.parent / "file.bin.part").stat().st_size
    assert 100_000 < kept < len(CONTENT)
    get(server, to)
    assert to.read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == f"bytes={kept}-"


def test_a_whole_part_is_not_asked_for_again(server, to):
    def stop(done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, to, stop)
    get(server, to)
    assert to.read_bytes() == CONTENT
    assert len(server.asked) == 1


# --- servers that change their mind, or lie ---


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_in_between_is_fetched_anew(server, to, heeds_if_range):
    server.faults = ["truncate:100000"] + ["status:500"] * 3
    refused(server, to, "500")
    server.content, server.etag, server.heeds_if_range = OTHER, '"two"', heeds_if_range
    get(server, to)
    assert to.read_bytes() == OTHER


def test_a_file_that_changed_its_length_only_is_fetched_anew(server, to):
    server.faults = ["truncate:100000"]
    server.heeds_if_range = False
    content = OTHER + b"more"

    def swap(done, total):
        if done == 100_000:
            server.content = content

    get(server, to, swap)
    assert to.read_bytes() == content


def test_a_server_without_ranges_starts_over(server, to):
    server.ranges = False
    server.faults = ["truncate:100000"]
    get(server, to)
    assert to.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_file_that_cannot_be_told_from_another_starts_over(server, to, etag):
    server.etag = etag
    server.faults = ["truncate:100000"]
    get(server, to)
    assert to.read_bytes() == CONTENT
    assert "Range" not in server.asked[1]


def test_a_range_at_a_wrong_place_starts_over(server, to):
    server.faults = ["truncate:100000", "ranged"]
    get(server, to)
    assert to.read_bytes() == CONTENT
    assert "Range" not in server.asked[2]


def test_a_length_that_is_too_long_is_no_file(server, to):
    server.faults = ["long"] * 9
    error = refused(server, to, "stopped|shorter|closed|peer")
    assert error.place == server.url


def test_a_length_that_is_too_long_once_is_mended(server, to):
    server.faults = ["long"]
    get(server, to)
    assert to.read_bytes() == CONTENT


def test_without_a_length_the_end_is_the_end(server, to):
    server.announces_length = False
    reports = []
    get(server, to, lambda done, total: reports.append(total))
    assert to.read_bytes() == CONTENT
    assert set(reports) == {None}


def test_always_truncating_gives_up(server, to):
    server.faults = ["truncate:0"] * 9
    refused(server, to, "stopped")
    assert len(server.asked) == 4


def test_always_truncating_without_ranges_gives_up(server, to):
    server.ranges = False
    server.faults = ["truncate:50"] * 20
    refused(server, to, "stopped")
    assert len(server.asked) == 4


def test_slow_progress_is_progress(server, to):
    server.content = CONTENT[:1000]
    server.faults = ["truncate:100"] * 9
    get(server, to)
    assert to.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204])
def test_a_refusal_is_not_tried_again(server, to, status):
    server.faults = [f"status:{status}"]
    error = refused(server, to, str(status))
    assert len(server.asked) == 1
    assert error.place == server.url
    assert "--archive" in error.fix


def test_a_redirection_is_followed(server, to):
    server.redirect_to = "/elsewhere"
    get(server, to)
    assert to.read_bytes() == CONTENT


# --- places and addresses ---


def test_nobody_answers(tmp_path, server):
    url = server.url
    server.__exit__(None, None, None)
    with pytest.raises(KapbenchError, match="stopped"):
        download(url, tmp_path / "f", lambda *_: None, pauses_s=(0.0,))
    server.__enter__()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nonsense", "", "http://[::1"])
def test_an_address_that_is_none(tmp_path, url):
    with pytest.raises(KapbenchError, match="address cannot be fetched") as caught:
        download(url, tmp_path / "f", lambda *_: None)
    assert caught.value.place == url


def test_a_disk_without_room_is_found_before_the_first_byte(server, to, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) * 2 - 1))
    refused(server, to, "disk is full")
    assert "file.bin.part" not in left(to)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) * 2))
    get(server, to)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_is_said(server, to):
    to.parent.mkdir()
    to.with_name("file.bin.part").symlink_to("/dev/full")
    part = Part(to.with_name("file.bin.part"))
    with pytest.raises(KapbenchError, match="disk is full") as caught:
        _append(iter([b"x" * 100_000]), part, 0, None, lambda *_: None)
    assert "resumed" in caught.value.fix


def test_a_part_of_unknown_origin_is_not_built_upon(server, to):
    to.parent.mkdir()
    (to.parent / "file.bin.part").write_bytes(b"something else")
    get(server, to)
    assert to.read_bytes() == CONTENT
    (to.parent / "file.bin.part").write_bytes(b"something else")
    (to.parent / "file.bin.part.json").write_text("{")
    get(server, to)
    assert to.read_bytes() == CONTENT
