"""Reads the files of a manifest: one JSON file, or a table with a table of pairs beside it."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.datasets.manifest.csv_tables import missing_column, parse_images, parse_pairs
from kapbench.datasets.manifest.partial import Problem
from kapbench.datasets.manifest.schema import Manifest
from kapbench.errors import KapbenchError, documentation
from kapbench.untrusted.strict_text import CORRECT_OWN, decode_text, parse_json, read_bytes

FIX = f"See {documentation('datasets/manifest.md')}"


@dataclass
class Source:
    """Content of the files before the schema checks it, and what is wrong with the files alone."""

    content: Any
    files: list[bytes]
    problems: list[Problem] = field(default_factory=list)
    table: bool = False
    image_lines: list[int] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    pairs_name: str = ""
    pair_lines: list[int] = field(default_factory=list)

    def validate(self, content: Any) -> Manifest:
        """ValidationError where the schema refuses it; all values of a table are texts."""
        if self.table:
            return Manifest.model_validate(content)
        return Manifest.model_validate_json(json.dumps(content), strict=True)

    def explains(self, key: str) -> bool:
        """Whether the key is wrong because the table lacks its column, or has no valid line."""
        if self.problems and key in ("images", "categories") and not self.image_lines:
            return self.table
        lacking = [n for n in ("path", "category") if missing_column(n) in self.problems]
        head = key.partition(".")[0]
        return any(
            key.endswith(f"].{name}") or (name == "category" and head == "categories")
            for name in lacking
        )

    def locate(self, key: str) -> str:
        """The line of the table that a key belongs to; the key itself in JSON."""
        if not self.table:
            return key
        match = re.match(r"(images|pairs)\[(\d+)\]\.?", key)
        if match is None:
            return key
        lines = self.image_lines if match[1] == "images" else self.pair_lines
        file = "" if match[1] == "images" else f"{self.pairs_name}, "
        return f"{file}line {lines[int(match[2])]}, {key[match.end() :]}".removesuffix(", ")


def open_source(path: Path) -> Source:
    """KapbenchError where a file is missing, is neither JSON nor text, or is a COCO file."""
    if path.suffix.lower() == ".csv":
        return _open_table(path)
    file = read_bytes(path, FIX)
    repeated: list[Problem] = []
    # The schema refuses NaN and says where it is.
    content = parse_json(file, path, fix=CORRECT_OWN, nan=True, repeated=repeated)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        raise KapbenchError(
            "This is a COCO file, not a manifest", place=path, fix=f"Write --dataset coco:{path}"
        )
    return Source(content, [file], repeated)


def _open_table(path: Path) -> Source:
    file = read_bytes(path, FIX)
    images = parse_images(decode_text(file, path, FIX), path)
    source = Source(
        images.content,
        [file],
        images.problems,
        table=True,
        image_lines=images.lines,
        remarks=images.remarks,
    )
    pairs_path = path.with_suffix(".pairs.csv")
    if pairs_path.exists():
        file = read_bytes(pairs_path, FIX)
        source.files.append(file)
        pairs, source.pair_lines, problems = parse_pairs(decode_text(file, pairs_path, FIX))
        source.content["pairs"], source.pairs_name = pairs, pairs_path.name
        source.problems += [(f"{pairs_path.name}, {line}", what) for line, what in problems]
    return source
