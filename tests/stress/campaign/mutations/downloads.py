"""The formats of what a download leaves: the record of the first one, a part, a lock."""

import json
from pathlib import Path

from misbehaving_server import Server

from campaign.mutations.annotations import JSON
from campaign.mutations.format import Format

CONTENT = bytes(range(256)) * 40


def _record(root: Path) -> None:
    content = {"url": "http://x/y.zip", "sha256": "ab" * 32, "size": 5, "date": "2026-01-01"}
    (root / "SPair-71k.source.json").write_text(
        json.dumps(content | {"more": {"a.csv": "cd" * 32}})
    )


def _read_record(root: Path) -> str | None:
    from kapbench.datasets.fetching.fetch import Record
    from kapbench.datasets.fetching.sources import SOURCES

    record = Record.read(SOURCES["spair"], root)
    if record is None:
        return "a record that is there is not seen"
    texts = (record.url, record.sha256, record.date, *record.more, *record.more.values())
    return None if all(isinstance(text, str) for text in texts) else "a field that is no text"


def _part(root: Path) -> None:
    (root / "state.json").write_text(json.dumps({"validator": '"one"', "total": len(CONTENT)}))


def _resume(root: Path) -> str | None:
    """The remembered state of a part, as it is mutated; its address is the server's."""
    from kapbench.datasets.fetching.download import download

    state, part = root / "state.json", root / "archive.part"
    with Server(CONTENT) as server:
        text = state.read_bytes()
        if text.startswith(b"{") and text != b"{}":
            text = b'{"url": "%s", ' % server.url.encode() + text[1:]
        part.write_bytes(CONTENT[:5000])
        (root / "archive.part.json").write_bytes(text)
        try:
            download(server.url, root / "archive", lambda *_: None, timeout_s=2, pauses_s=(0, 0))
            whole = (root / "archive").read_bytes() == CONTENT
            left = part.exists() or (root / "archive.part.json").exists()
            return None if whole and not left else "another file than the server's, or a left-over"
        finally:
            for name in ("archive", "archive.part", "archive.part.json"):
                (root / name).unlink(missing_ok=True)


def _lock(root: Path) -> None:
    (root / "run").mkdir()
    lock = {"pid": 1, "host": "elsewhere", "since": "2026-01-01T10:00:00+00:00"}
    (root / "run/.lock").write_text(json.dumps(lock))


def _take_lock(root: Path) -> str | None:
    """Nobody holds the lock, whatever is written in it."""
    from kapbench.running.run_folder import only_writer

    content = (root / "run/.lock").read_bytes()
    try:
        with only_writer(root / "run"):
            return None
    finally:
        (root / "run").mkdir(exist_ok=True)
        (root / "run/.lock").write_bytes(content)


FORMATS = {
    "source.json": Format(_record, ("SPair-71k.source.json",), _read_record, JSON, strict=True),
    "part of a download": Format(_part, ("state.json",), _resume, JSON),
    "lock file": Format(_lock, ("run/.lock",), _take_lock, JSON),
}
