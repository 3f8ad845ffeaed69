"""Records that an entry keeps elsewhere, got from where it says."""

import http.client
import shutil
import time

import pytest
from misbehaving_server import Server
from pydantic import HttpUrl
from submissions import edit

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench_leaderboard.entries import attachment, public_host, schema
from kapbench_leaderboard.entries.attachment import fetched
from kapbench_leaderboard.entries.schema import load_entry, records_path
from kapbench_leaderboard.submit.prepare import prepare
from kapbench_leaderboard.submit.reports import check_all


def connect(url, timeout_s):
    connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout_s)
    connection.connect()
    return connection


@pytest.fixture
def attached(run, card, tmp_path, monkeypatch):
    """An entry whose records a server keeps, on this machine: what no submission may name."""
    monkeypatch.setattr(schema, "is_public", lambda url: True)
    monkeypatch.setattr(public_host, "connect", connect)
    monkeypatch.setattr(attachment, "PAUSE_S", 0.0)
    content = (run / "records.parquet").read_bytes()
    with Server(content) as server:
        prepare(run, tmp_path / "results", card, server.url)
        yield server


def test_attachments_are_fetched(attached, tmp_path):
    attached.faults = ["truncate:100"]
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert good, report
    assert len(attached.asked) == 2  # once more
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


def test_a_redirect_within_the_host_is_followed_and_no_other(attached, tmp_path):
    attached.redirect_to = "/elsewhere"
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert good, report
    for place in ("http://localhost:1/", "https://169.254.169.254/x", "file:///etc/passwd"):
        attached.redirect_to = place
        report, good = check_all([tmp_path / "results"], fetch=True)
        assert not good
        assert "The server redirects to another host" in report or "cannot be downloaded" in report
    attached.redirect_to = "/archive"
    report, _ = check_all([tmp_path / "results"], fetch=True)
    assert "The server redirects again and again" in report


@pytest.mark.parametrize("fault", ["stall:100", "drip:100", "drip-headers"])
@pytest.mark.parametrize("announces_length", [True, False])
def test_a_server_that_drips_is_given_up(attached, tmp_path, monkeypatch, fault, announces_length):
    monkeypatch.setattr(attachment, "SECONDS", 0.5)
    attached.faults, attached.announces_length = [fault] * 999, announces_length
    start = time.monotonic()
    report, good = check_all([tmp_path / "results"], fetch=True)
    assert time.monotonic() - start < 18  # the time that a silent server has
    assert not good
    assert "The records were not downloaded within 0.5 s" in report


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_an_address_inside_a_network(address, monkeypatch):
    assert not public_host.is_public(address)
    answer = [(0, 1, 6, "", (address, 443))]
    monkeypatch.setattr(public_host.socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(KapbenchError, match="which is not public"):
        public_host.connect(HttpUrl("https://example.com/x"), 1.0)


def test_a_public_address():
    assert all(map(public_host.is_public, ("93.184.216.34", "2606:2800:220:1::1")))


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://example.com:8443/", "https://a:b@example.com/"]
)
def test_an_address_that_is_not_accepted(url):
    with pytest.raises(KapbenchError, match="not accepted for records"):
        public_host.connect(HttpUrl(url), 1.0)
