"""The files of a manifest: one JSON, or a table and, beside it, a table of pairs."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.datasets import reading as read
from kapbench.datasets.manifest.csv_tables import from_csv, pairs_from_csv
from kapbench.datasets.manifest.partial import Problem
from kapbench.datasets.manifest.schema import Manifest

FIX = "see docs/datasets/manifest.md"


@dataclass
class Source:
    """What the files hold, before a schema has looked at it, and what is wrong with them alone."""

    given: Any
    contents: list[bytes]
    problems: list[Problem] = field(default_factory=list)
    table: bool = False
    image_lines: list[int] = field(default_factory=list)
    pairs_name: str = ""
    pair_lines: list[int] = field(default_factory=list)

    def validated(self, given: Any) -> Manifest:
        """ValidationError where the schema refuses it; of a table, all is text."""
        if self.table:
            return Manifest.model_validate(given)
        return Manifest.model_validate_json(json.dumps(given), strict=True)

    def explains(self, key: str) -> bool:
        """Whether the key is wrong because the table has no such column, or no line in order."""
        if self.problems and key in ("images", "categories") and not self.image_lines:
            return self.table
        lost = [n for n in ("path", "category") if ("line 1", f"no column '{n}'") in self.problems]
        head = key.partition(".")[0]
        return any(
            key.endswith(f"].{name}") or (name == "category" and head == "categories")
            for name in lost
        )

    def place(self, key: str) -> str:
        """A key as a line of the table, where it is one."""
        if not self.table:
            return key
        found = re.match(r"(images|pairs)\[(\d+)\]\.?", key)
        if found is None:
            return key
        lines = self.image_lines if found[1] == "images" else self.pair_lines
        file = "" if found[1] == "images" else f"{self.pairs_name}, "
        return f"{file}line {lines[int(found[2])]}, {key[found.end() :]}".removesuffix(", ")


def open_source(path: Path) -> Source:
    """KapbenchError where a file is not there, or is neither JSON nor a text."""
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    content = read.read_bytes(path, FIX)
    twice: list[Problem] = []

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, n in Counter(key for key, _ in pairs).items():
            if n > 1:
                twice.append(("the file", f"key '{key}' stands {n} times in one object"))
        return dict(pairs)

    given = read.read_json(content, path)
    json.loads(content, object_pairs_hook=as_object)
    return Source(given, [content], twice)


def _of_table(path: Path) -> Source:
    content = read.read_bytes(path, FIX)
    given, lines, found = from_csv(read.read_text(path, FIX), path)
    source = Source(given, [content], found, table=True, image_lines=lines)
    listed = path.with_suffix(".pairs.csv")
    if listed.exists():
        source.contents.append(read.read_bytes(listed, FIX))
        given["pairs"], source.pair_lines, wrong = pairs_from_csv(read.read_text(listed, FIX))
        source.pairs_name = listed.name
        source.problems += [(f"{listed.name}, {line}", said) for line, said in wrong]
    return source
