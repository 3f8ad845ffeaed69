"""The page of one run."""

import math
from collections.abc import Iterator, Sequence

from kapbench.running.diagnosis.run_diagnosis import Group, RunDiagnosis
from kapbench.running.diagnosis.sentence import NOTHING, points
from kapbench.running.results import reads_annotation
from kapbench.scoring.diagnosis.skills import (
    CHANCE,
    HELD,
    KAP,
    MEASURES,
    PCK,
    SKILL,
    TRANSFER,
    Measure,
)
from kapbench_leaderboard.comparison.groups import Group as ComparabilityGroup
from kapbench_leaderboard.diagnosis import words
from kapbench_leaderboard.diagnosis.page import EMPTY, INDENT, Block, Column, Page, Row, cell, value
from kapbench_leaderboard.tables.columns import Cell

SHORT = {
    "second peak": ("second", "peak"),
    "mirror counterpart": ("mirror", "c'part"),
    "repeated part": ("rep.", "part"),
    "near miss": ("near", "miss"),
    "other keypoint": ("other", "kp."),
    "elsewhere": ("else-", "where"),
    "absent, counterpart visible": ("absent", "c'part", "visible"),
    "absent, other": ("absent", "other"),
    "correct": ("correct",),
    "elsewhere on the object": ("on the", "object"),
    "background": ("back-", "ground"),
}
SUM = "sum"


def page(diagnosis: RunDiagnosis, label: str) -> Page:
    """
    Args:
        label: As tables call the run.
    """
    return Page(
        (f"{label}: {diagnosis.sentence}",),
        (title(diagnosis, label), *scores(diagnosis)),
        tuple(_blocks(diagnosis)),
        tuple(notes([diagnosis])),
    )


def title(diagnosis: RunDiagnosis, name: str) -> str:
    data = diagnosis.card.dataset
    coverage = ComparabilityGroup((), (diagnosis.card,)).coverage
    return f"{name} on {data.name}@{data.revision}, {data.split} split, {coverage}"


def rules(diagnosis: RunDiagnosis) -> str:
    at = f"@{diagnosis.alpha:.2f}"
    of_kap = "" if diagnosis.kap is None else f"KAP{at} by {diagnosis.kap.name}, "
    return f"{of_kap}PCK{at} by {diagnosis.pck.name}"


def scores(diagnosis: RunDiagnosis) -> Iterator[str]:
    """KAP with its skill and the prevalence, and PCK, each with its rule."""
    made, at = diagnosis.measures, f"@{diagnosis.alpha:.2f}"
    if diagnosis.kap is not None:
        chance = made[CHANCE.key].mean().value
        yield (
            f"KAP{at} {_with_range(diagnosis, KAP)} by {diagnosis.kap.name}, skill "
            f"{_with_range(diagnosis, SKILL)}, prevalence {points(chance)}"
        )
    yield f"PCK{at} {_with_range(diagnosis, PCK)} by {diagnosis.pck.name}"


def _with_range(diagnosis: RunDiagnosis, measure: Measure) -> str:
    interval = diagnosis.measures[measure.key].mean()
    if math.isnan(interval.value):
        return "n/a"
    if math.isnan(interval.low):
        return points(interval.value)
    return f"{points(interval.value)} ({points(interval.low)} to {points(interval.high)})"


def _blocks(diagnosis: RunDiagnosis) -> Iterator[Block]:
    if diagnosis.kap is not None:
        yield _losses(diagnosis)
        if diagnosis.by is not None:
            yield _losses_by(diagnosis)
    yield _places(diagnosis)
    if diagnosis.by in ("category", "split"):
        yield _places_by(diagnosis)
    yield _skills(diagnosis)


def _losses(diagnosis: RunDiagnosis) -> Block:
    group = diagnosis.overall
    columns = (
        Column("keypoints", ("key-", "points")),
        Column("gain", ("gain", "alone")),
        Column("loss", ("lost",), lead=True),
        Column("pck", ("PCK",)),
    )
    rows = [
        Row(
            name,
            name,
            (
                value(group.keypoints(name)[1], words.NO_SCORE),
                cell(group.loss("gain", name).mean(), words.NO_SCORE),
                cell(group.loss("share", name).mean(), words.NO_SCORE),
                _pck_at(diagnosis, name),
            ),
        )
        for name in diagnosis.types
    ]
    total = Row(
        SUM, "sum, 100 − KAP", (Cell(1.0), EMPTY, value(1 - group.kap, words.NO_SCORE), EMPTY)
    )
    title = "What each type of error costs in KAP"
    below = (
        *words.of_types(diagnosis.types),
        words.KEYPOINTS,
        words.GAIN,
        *([words.NEGATIVE] if _gains_below_0(diagnosis) else []),
        words.LOST,
        words.PCK_COLUMN,
    )
    return Block("losses", title, "type of error", columns, (*rows, total), below)


def _pck_at(diagnosis: RunDiagnosis, error_type: str) -> Cell:
    """Share of PCK's keypoints at the place of a type; those elsewhere are added."""
    place = {"second peak": ["correct"]}.get(error_type, [error_type])
    if error_type == "elsewhere":
        place = ["elsewhere on the object", "background", "elsewhere"]
    names = [name for name in place if name in diagnosis.place_names]
    if not names:
        return EMPTY
    shares = [diagnosis.overall.place(name).mean().value for name in names]
    return value(sum(shares), words.NO_SCORE)


def _losses_by(diagnosis: RunDiagnosis) -> Block:
    columns = (
        Column("kap", ("KAP",)),
        *(Column(f"loss.{name}", SHORT[name]) for name in diagnosis.types),
    )
    rows = []
    for group in diagnosis.groups():
        shares = [group.loss("share", name).of_group(group.number) for name in diagnosis.types]
        reason = "There is no positive sample."
        cells = (value(group.kap, reason), *(cell(share, reason) for share in shares))
        rows.append(Row(group_name(group), group_name(group), cells))
    by = str(diagnosis.by)
    below = (words.BY_KEYPOINT,) if by == "keypoint" else ()
    return Block(f"losses.{by}", f"Points of KAP lost, by {by}", by, columns, tuple(rows), below)


def group_name(group: Group) -> str:
    """A split, a category, a keypoint of one, or "mean" over categories."""
    if group.keypoint is not None:
        return f"{group.category} {group.keypoint}"
    if group.number is not None:
        return group.category
    return group.split if group.split != "all" else f"all ({group.category.replace('_', '-')})"


def _places(diagnosis: RunDiagnosis) -> Block:
    group = diagnosis.overall
    reason = "A category has no keypoint that is visible in both images."
    rows = [
        Row(name, name, (cell(group.place(name).mean(), reason),)) for name in diagnosis.place_names
    ]
    title = "Where the matches of keypoints lie that are visible in both images (PCK)"
    return Block("places", title, "place", (Column("share", ("share",), lead=True),), tuple(rows))


def _places_by(diagnosis: RunDiagnosis) -> Block:
    columns = tuple(Column(f"place.{name}", SHORT[name]) for name in diagnosis.place_names)
    reason = "No keypoint is visible in both images."
    rows = [
        Row(
            group_name(group),
            group_name(group),
            tuple(
                cell(group.place(n).of_group(group.number), reason) for n in diagnosis.place_names
            ),
        )
        for group in diagnosis.groups()
    ]
    by = str(diagnosis.by)
    return Block(f"places.{by}", f"Places of matches (PCK), by {by}", by, columns, tuple(rows))


def _skills(diagnosis: RunDiagnosis) -> Block:
    columns = (Column("value", ("score",), lead=True), Column("chance", ("chance",)))
    rows = []
    for heading, measure in skill_rows(diagnosis):
        if measure is None:
            rows.append(Row(heading, heading, (EMPTY, EMPTY)))
            continue
        score = skill_cell(diagnosis, measure)
        chance = EMPTY if measure.chance is None else Cell(measure.chance)
        rows.append(Row(measure.key, f"{INDENT}{measure.words}", (score, chance)))
    below = tuple(words.of_skills(diagnosis.measures))
    return Block("skills", "The skills apart", "skill", columns, tuple(rows), below)


def skill_cell(diagnosis: RunDiagnosis, measure: Measure) -> Cell:
    if measure == HELD:
        return value(
            diagnosis.held_precision, "In a category no threshold has a precision of 80 %."
        )
    score = diagnosis.measures[measure.key]
    return cell(score.mean(), NO_ABSENT, signed=measure == TRANSFER)


NO_ABSENT = "A category lacks one of the two kinds of keypoints that are compared."


def skill_rows(
    diagnosis: RunDiagnosis, *, with_scores: bool = False
) -> Iterator[tuple[str, Measure | None]]:
    """Headings, each followed by its measures; `with_scores`: KAP, chance and KAP skill first."""
    kinds = dict.fromkeys(m.kind for m in MEASURES if with_scores or m.kind != "score")
    for kind in kinds:
        of_kind = [m for m in MEASURES if m.kind == kind and m.key in diagnosis.measures]
        of_kind += [HELD] if kind == HELD.kind and of_kind else []
        if of_kind:
            yield kind, None
            yield from ((kind, measure) for measure in of_kind)


def notes(diagnoses: Sequence[RunDiagnosis]) -> Iterator[str]:
    """Of runs that may be compared."""
    if diagnoses[0].kap is None:
        yield words.NO_KAP
    else:
        yield words.SKILL
    yield words.NUMBERS
    if any(reads_annotation(each.card.model) for each in diagnoses):
        yield words.EXACT
    else:
        yield from words.of_intervals(diagnoses[0])
    yield from words.of_ties(diagnoses)
    yield from dict.fromkeys(note for each in diagnoses for note in words.of_records(each))


def _gains_below_0(diagnosis: RunDiagnosis) -> bool:
    gains = (diagnosis.overall.loss("gain", name).mean().value for name in diagnosis.types)
    return any(gain < -NOTHING for gain in gains)
