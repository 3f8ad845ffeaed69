"""Stored files that say what cannot be, and places that cannot be written."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

from campaign.case import Case, command
from campaign.systems.worlds import RUN, plain, refused, result, right, score

NO_RECORDS = {
    "text": b"no parquet at all",
    "empty": b"",
    "magic alone": b"PAR1" * 3,
    "a footer beyond the file": b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
}


def records(draw: random.Random) -> Iterator[Case]:
    """Records that are no parquet, though their hash is the one of the run card."""
    for name in draw.sample(list(NO_RECORDS), len(NO_RECORDS)):
        for words in (("compare",), RUN):

            def check(folder: Path, name: str = name, words: tuple[str, ...] = words) -> str | None:
                if (wrong := right(score(folder), folder)) is not None:
                    return wrong
                card = next((folder / "runs").rglob("run.json"))
                content = json.loads(card.read_text())
                damaged = NO_RECORDS[name]
                content["provenance"]["records_sha256"] = hashlib.sha256(damaged).hexdigest()
                card.write_text(json.dumps(content))
                card.with_name("records.parquet").write_bytes(damaged)
                done = command(words, folder)
                return plain(done)

            yield Case(f"records: {name}, {words[0]}", check)


SESSIONS = ('{"started": "x", "seconds": -5.0}', '{"started": "", "seconds": NaN}', "[[[", "-1")
SESSIONS += ('{"started": "2020-01-01T00:00:00+00:00", "seconds": 1e400}',)


def sessions(draw: random.Random) -> Iterator[Case]:
    """The clock of a stopped run holds what cannot be."""
    for text in draw.sample(SESSIONS, len(SESSIONS)):

        def check(folder: Path, text: str = text) -> str | None:
            if (wrong := right(score(folder), folder)) is not None:
                return wrong
            card = next((folder / "runs").rglob("run.json"))
            card.unlink()
            card.with_name("sessions.json").write_text(text)
            wrong = right(score(folder), folder) or result(folder)
            seconds = json.loads(card.read_text())["provenance"]["seconds"] if not wrong else 0
            return wrong or (None if 0 <= seconds < 1e5 else f"{seconds} seconds")

        yield Case(f"sessions.json: {text}", check)


def outputs(draw: random.Random) -> Iterator[Case]:
    """A training's folder that cannot be written is refused before anything is prepared."""
    words = ["train", "sphere", "--dataset", "synthetic", "--steps", "1", "--out"]
    for place in draw.sample(["file/below", "file", "/proc/none"], 3):

        def check(folder: Path, place: str = place) -> str | None:
            (folder / "file").write_text("x")
            done = command([*words, place], folder)
            by_option = done.status == 2 and f"'--out': Directory '{place}'" in done.errors
            if not by_option and (wrong := refused(done, place)) is not None:
                return wrong
            encoded = list((folder / "cache").rglob("*.safetensors"))
            return f"{len(encoded)} images were encoded first" if encoded else None

        yield Case(f"train --out {place}", check)


def datasets(draw: random.Random) -> Iterator[Case]:
    """Folders, devices and nothing where a file of a data set is meant."""
    names = ("manifest:.", "manifest:", "coco:.", "manifest:/dev/null", "coco:", ".", "manifest:..")
    for name in draw.sample(names, len(names)):

        def check(folder: Path, name: str = name) -> str | None:
            words = list(RUN)
            words[words.index("--dataset") + 1] = name
            return refused(command(words, folder), "fix:")

        yield Case(f"--dataset {name}", check)
