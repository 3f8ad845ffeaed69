"""The share of correct matches by keypoint and model, as tables whose cells are coloured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.record_facts import NO_RECORDS, KeypointScore, RecordFacts


@dataclass(frozen=True)
class KeypointRow:
    """`n`: target images that show the keypoint. `scores`: of each model; None: no such keypoint."""

    name: str
    n: int
    scores: Sequence[KeypointScore | None]


@dataclass(frozen=True)
class KeypointTable:
    category: str
    models: Sequence[str]
    rows: Sequence[KeypointRow]

    @property
    def values(self) -> list[float]:
        return [each.correct for row in self.rows for each in row.scores if each is not None]


def keypoint_tables(board: Board, facts: Mapping[str, RecordFacts]) -> list[KeypointTable]:
    """A table for each category, of the models without controls that have records."""
    rows = [row for row in board.summary.rows if not row.is_control]
    of_models = {row.label: facts.get(row.card.plan_hash, NO_RECORDS).keypoints for row in rows}
    of_models = {label: scores for label, scores in of_models.items() if scores}
    out = []
    for category in board.group.dataset.categories:
        ids = sorted({k for of in of_models.values() for name, k in of if name == category})
        names = _names(board.name, category)
        made = []
        for number in ids:
            scores = [of.get((category, number)) for of in of_models.values()]
            n = max(score.n for score in scores if score is not None)
            name = names[number] if number < len(names) else f"keypoint {number}"
            made.append(KeypointRow(name, n, scores))
        if made:
            out.append(KeypointTable(category, list(of_models), made))
    return out


def _names(dataset: str, category: str) -> list[str]:
    """Names of keypoints by id, where they are known without the data: of rendered objects."""
    from kapbench.datasets.synthetic.objects import BUILDERS

    if not re.fullmatch(r"synthetic(\.\w+)?", dataset) or category not in BUILDERS:
        return []
    return list(BUILDERS[category](np.random.default_rng(0), 0.0).keypoints)
