"""Numbers that papers print, quoted with their source and never ranked with measured scores."""

import json
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Published(BaseModel):
    """One quoted number ×100, as printed. `grade`: P the paper's own, 2 another paper's table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    dataset: str
    metric: Literal["PCK", "KAP", "PCK†"]
    alpha: float
    average: Literal["per point", "per image", "not stated"]
    subset: str
    supervision: str
    value: float
    grade: Literal["P", "2"]
    source: str
    table: str


class Quoted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    about: str
    numbers: tuple[Published, ...]


def published() -> Quoted:
    path = files("kapbench_leaderboard") / "published.json"
    return Quoted.model_validate(json.loads(path.read_text(encoding="utf-8")))
