"""Records that an entry keeps elsewhere, got from where it says."""

import shutil

import pytest
from misbehaving_server import Server
from submissions import edit

from kapbench.progress import Progress
from kapbench_leaderboard.entries import schema
from kapbench_leaderboard.entries.attachment import fetched
from kapbench_leaderboard.entries.schema import load_entry, records_path
from kapbench_leaderboard.submit.prepare import prepare
from kapbench_leaderboard.submit.reports import check_all


@pytest.fixture
def attached(run, card, tmp_path, monkeypatch):
    """An entry whose records a server keeps, on this machine: what no submission may name."""
    monkeypatch.setattr(schema, "is_public", lambda url: True)
    content = (run / "records.parquet").read_bytes()
    with Server(content) as server:
        prepare(run, tmp_path / "results", card, server.url)
        yield server


def test_attachments_are_fetched(attached, tmp_path):
    attached.faults = ["truncate:100"]
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert good, report
    assert len(attached.asked) == 2  # resumed
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert "Give --fetch" in report


@pytest.mark.parametrize("announces_length", [True, False])
def test_an_attachment_of_more_bytes_than_the_entry_says(attached, tmp_path, announces_length):
    attached.announces_length = announces_length
    attached.content += bytes(1 << 20)
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert not good
    assert "larger than the" in report


def test_another_attachment_and_none(attached, tmp_path):
    attached.content = attached.content[:-1] + b"x"
    report, _ = check_all([tmp_path / "results"], fetch=True)
    assert "not the file that the entry names by its sha256" in report
    attached.faults = ["status:404"]
    report, _ = check_all([tmp_path / "results"], fetch=True)
    assert "The server answers 404" in report


def test_records_beside_an_entry_that_keeps_them_elsewhere(attached, run, tmp_path):
    (entry,) = (tmp_path / "results").rglob("*.json")
    shutil.copy(run / "records.parquet", records_path(entry))
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert not good
    assert f"{records_path(entry)}: this file belongs to no entry" in report


def test_an_attachment_that_is_too_large_is_not_asked_for(attached, tmp_path):
    (entry,) = (tmp_path / "results").rglob("*.json")
    edit(entry, lambda c: c["records"].update(n_bytes=2**31))
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert not good
    assert "The records have 2,048 MiB; at most 50 are accepted" in report
    assert "fix: Repeat the run with fewer rules" in report
    assert attached.asked == []


def test_records_beside_an_entry_are_not_fetched(entry):
    with pytest.raises(ValueError, match="beside"), fetched(load_entry(entry).records, Progress()):
        pass
