"""The page of several runs: side by side, then each one less the first."""

import math
from collections.abc import Sequence

from kapbench.running.diagnosis.paired import Change, Kind, change_sentence, changes
from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.diagnosis.sentence import SIGNIFICANT
from kapbench.scoring.diagnosis.skills import HELD, MEASURES
from kapbench_leaderboard.diagnosis import words
from kapbench_leaderboard.diagnosis.one_run import (
    SHORT,
    SUM,
    group_name,
    notes,
    rules,
    skill_cell,
    skill_rows,
    title,
)
from kapbench_leaderboard.diagnosis.page import (
    EMPTY,
    INDENT,
    Block,
    Column,
    Page,
    Row,
    cell,
    p_value,
    value,
)
from kapbench_leaderboard.tables.columns import Cell

_TITLES: dict[Kind, tuple[str, str]] = {
    "loss": ("Points of KAP lost", "type of error"),
    "gain": ("KAP gained alone", "type of error"),
    "place": ("Places of matches (PCK)", "place"),
    "skill": ("Scores, and the skills apart", "skill"),
}
_TWO = 2  # runs whose differences stand beside them
_UNKNOWN = "One of the two runs has no score here."


def page(diagnoses: Sequence[RunDiagnosis], labels: Sequence[str]) -> Page:
    """
    Args:
        diagnoses: Of comparable runs; the first is the baseline.

    Raises:
        KapbenchError: the runs differ in their pairs, rules or columns of records.
    """
    first = diagnoses[0]
    every = [changes(first, other) for other in diagnoses[1:]]
    between = [
        change_sentence((labels[0], label), of_run)
        for label, of_run in zip(labels[1:], every, strict=True)
    ]
    own = [f"{n}: {each.sentence}" for n, each in zip(labels, diagnoses, strict=True)]
    sentences = [*between, *own] if len(labels) == _TWO else [*own, *between]
    blocks = [_side_by_side(diagnoses, labels, kind, every) for kind in _kinds(first)]
    for label, of_run in zip(labels[1:], every, strict=True):
        names = labels[0], label
        blocks += (
            [_difference(of_run, names, k) for k in _kinds(first)] if len(labels) > _TWO else []
        )
        if first.by is not None:
            blocks.append(_by(first, of_run, names))
    head = [title(first, f"{len(labels)} runs"), rules(first)]
    if len(labels) == _TWO:
        head.append(words.direction(*labels, has_kap=first.kap is not None))
    return Page(
        tuple(sentences),
        tuple(head),
        tuple(blocks),
        (words.DIFFERENCES, *([words.STARS] if first.by else []), *notes(diagnoses)),
    )


def _kinds(diagnosis: RunDiagnosis) -> tuple[Kind, ...]:
    return ("place", "skill") if diagnosis.kap is None else ("loss", "place", "skill")


def _side_by_side(
    diagnoses: Sequence[RunDiagnosis],
    labels: Sequence[str],
    kind: Kind,
    every: Sequence[Sequence[Change]],
) -> Block:
    """A column for each run; of two runs also their difference."""
    heading, head = _TITLES[kind]
    columns = [Column(f"run.{n}", (label,)) for n, label in enumerate(labels, 1)]
    if len(labels) == _TWO:
        columns += _difference_columns()
    by_name = {c.name: c for c in _overall(every[0], kind)} if len(labels) == _TWO else {}
    rows = []
    for key, label in _rows(diagnoses[0], kind):
        cells = [_cell(each, kind, key) for each in diagnoses]
        if len(labels) == _TWO:
            change = by_name.get(key)
            cells += (EMPTY, EMPTY) if change is None else _difference_cells(change)
        rows.append(Row(key, label, tuple(cells)))
    if kind == "loss":
        cells = [value(1 - each.overall.kap, words.NO_SCORE) for each in diagnoses]
        kap = next((c for c in every[0] if c.kind == "skill" and c.name == "kap"), None)
        if len(labels) == _TWO and kap is not None:
            gap = kap.difference
            cells += (Cell(-gap.value, signed=True) if not math.isnan(gap.value) else EMPTY, EMPTY)
        rows.append(Row(SUM, "sum, 100 − KAP", tuple(cells)))
    below = {
        "loss": (*words.of_types(diagnoses[0].types), words.LOST),
        "skill": tuple(words.of_skills(diagnoses[0].measures)),
    }.get(kind, ())
    return Block(_key(kind), heading, head, tuple(columns), tuple(rows), below)


def _key(kind: Kind) -> str:
    return {"loss": "losses", "gain": "gains", "place": "places", "skill": "skills"}[kind]


def _rows(diagnosis: RunDiagnosis, kind: Kind) -> list[tuple[str, str]]:
    """Keys and labels."""
    if kind == "skill":
        rows = [*skill_rows(diagnosis, with_scores=True)]
        return [(h, h) if m is None else (m.key, f"{INDENT}{m.words}") for h, m in rows]
    names = diagnosis.place_names if kind == "place" else diagnosis.types
    return [(name, name) for name in names]


def _cell(diagnosis: RunDiagnosis, kind: Kind, key: str) -> Cell:
    if kind == "skill":
        measure = next((m for m in (*MEASURES, HELD) if m.key == key), None)
        return EMPTY if measure is None else skill_cell(diagnosis, measure)
    if kind == "place":
        if key not in diagnosis.place_names:
            return Cell(None, reason="No match of this run lies there.")
        return cell(diagnosis.overall.place(key).mean(), words.NO_SCORE)
    return cell(diagnosis.overall.loss("share", key).mean(), words.NO_SCORE)


def _overall(of_run: Sequence[Change], kind: Kind) -> list[Change]:
    return [
        c for c in of_run if c.kind == kind and c.group.number is None and c.group.split == "all"
    ]


def _difference_columns() -> list[Column]:
    return [Column("difference", ("diff.",), lead=True), Column("p", ("p",))]


def _difference_cells(change: Change) -> tuple[Cell, Cell]:
    gap = change.difference
    reason = None if change.no_interval is None else f"Not tested, since {change.no_interval}."
    return cell(gap, _UNKNOWN, signed=True), p_value(change.p, reason)


def _difference(of_run: Sequence[Change], names: tuple[str, str], kind: Kind) -> Block:
    """One run less the baseline, a row for each name."""
    heading, head = _TITLES[kind]
    words_of = {m.key: m.words if m.kind == "score" else f"{m.kind}: {m.words}" for m in MEASURES}
    rows = [
        Row(c.name, words_of.get(c.name, c.name), _difference_cells(c))
        for c in _overall(of_run, kind)
    ]
    heading = f"{heading}: {names[1]} − {names[0]}"
    key = f"{_key(kind)}.difference"
    return Block(key, heading, head, tuple(_difference_columns()), tuple(rows))


def _by(diagnosis: RunDiagnosis, of_run: Sequence[Change], names: tuple[str, str]) -> Block:
    """Differences by category, keypoint or split; a star marks those that are significant."""
    kind: Kind = "place" if diagnosis.kap is None else "loss"
    groups = {group_name(c.group): c.group for c in of_run if c.kind == kind}
    present = dict.fromkeys(c.name for c in of_run if c.kind == kind)
    columns = [
        column
        for name in present
        for column in (
            Column(f"difference.{name}", SHORT[name]),
            Column(f"p.{name}", ("p",), in_files_alone=True),
        )
    ]
    rows = []
    for name in groups:
        of_group = [c for c in of_run if c.kind == kind and group_name(c.group) == name]
        cells = [number for c in of_group for number in _difference_cells(c)]
        stars = [2 * i for i, c in enumerate(of_group) if c.p < SIGNIFICANT]
        rows.append(Row(name, name, tuple(cells), tuple(stars)))
    by = str(diagnosis.by)
    heading = f"{_TITLES[kind][0]}, by {by}: {names[1]} − {names[0]}"
    return Block(f"{_key(kind)}.{by}.difference", heading, by, tuple(columns), tuple(rows))
