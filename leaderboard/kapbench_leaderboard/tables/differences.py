"""Paired differences as tables: two models by category, several against the baseline or the best."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard, reads_annotation
from kapbench.scoring.part_scores import CONCEPT, IDENTITY_SHARE, WRONG_MEMBER
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.groups import Group
from kapbench_leaderboard.comparison.keypoints import OverKeypoints
from kapbench_leaderboard.comparison.part_resamples import part_column
from kapbench_leaderboard.comparison.resamples import Resamples, stem, twin_column
from kapbench_leaderboard.comparison.significance import (
    SIGNIFICANT,
    Difference,
    against,
    differences,
)
from kapbench_leaderboard.tables.build import Table, labels
from kapbench_leaderboard.tables.columns import NAME, Cell, Column
from kapbench_leaderboard.tables.format_cells import number
from kapbench_leaderboard.tables.notes import rule_words
from kapbench_leaderboard.tables.notes_on_images import FEWEST_IMAGES
from kapbench_leaderboard.tables.rows import Row

_PARTS = {CONCEPT: ("concept",), WRONG_MEMBER: ("wrong", "member"), IDENTITY_SHARE: ("identity",)}
_OVER_CATEGORIES = "with Holm's correction over the categories of a column"
_OVER_MODELS = "with Holm's correction over the models of a column"
_NO_TEST = (
    f"There are too few images for an interval: every category needs {FEWEST_IMAGES}, and a score in "
    "99 % of the resamples. Score more pairs (without --limit), or take categories with more images."
)


def paired_tables(
    members: Group,
    resamples: Mapping[str, Resamples],
    alpha: float | None = None,
    baseline: Collection[str] = (),
) -> list[Table]:
    """One table for a group of at least two runs; controls are compared if there is only one model.

    Runs that read the annotation are left out: a model does not compete with the answer.

    Args:
        resamples: By the hash of a run's records, for the group's rules at `alpha`.
        alpha: None: each rule's first.
        baseline: Hashes of the records of the runs that others are compared with, at most one of
            them in the group; none in it: several models are compared with the best.

    Raises:
        KapbenchError: several runs of the group are the baseline.
    """
    known = [
        c
        for c in members.cards
        if c.provenance.records_sha256 in resamples and not reads_annotation(c.model)
    ]
    chosen = _chosen(members, known, baseline)
    models = [c for c in known if not is_control(c) or c is chosen]
    known = models if len(models) > 1 else known
    if len(known) < 2 or not resamples[known[0].provenance.records_sha256].columns:
        return []
    names = dict(zip((id(c) for c in known), labels(known, members.names), strict=True))
    of_card = {id(c): resamples[c.provenance.records_sha256] for c in known}
    best_first = sorted(known, key=lambda c: -_lead(of_card[id(c)]))
    first = chosen or best_first[0]
    others = [c for c in best_first if c is not first]
    if len(others) == 1:
        first, other = (*others, first) if chosen else best_first
        gaps = differences(of_card[id(first)], of_card[id(other)])
        title = f"{names[id(first)]} − {names[id(other)]}, by category"
        of_mean = {gap.column: gap for gap in gaps if gap.category == "mean"}
        notes = [_on_keypoints(_words(members, c), gap) for c, gap in of_mean.items()]
        by_category = _by_category(first, gaps)
        made = _table(members, title, by_category, alpha, _OVER_CATEGORIES, notes)
        return [replace(made, of_rows="category")]
    columns = list(of_card[id(first)].columns)
    each = {c: against(of_card[id(first)], [of_card[id(o)] for o in others], c) for c in columns}
    rows = {names[id(o)]: (o, [each[c][i] for c in columns]) for i, o in enumerate(others)}
    lead = _words(members, columns[0])
    notes = [_models_on_keypoints(lead, {name: gaps[0] for name, (_, gaps) in rows.items()})]
    return [_table(members, f"each model − {names[id(first)]}", rows, alpha, _OVER_MODELS, notes)]


def _chosen(members: Group, known: Sequence[RunCard], baseline: Collection[str]) -> RunCard | None:
    """The run of the group that is the baseline."""
    chosen = [c for c in known if c.provenance.records_sha256 in baseline]
    if len(chosen) > 1:
        raise KapbenchError(
            f"The baseline names {len(chosen)} runs that share a table, and one is needed",
            place=", ".join(labels(chosen, members.names)),
            fix="Name the label or the folder of one of them",
        )
    return chosen[0] if chosen else None


def _words(members: Group, column: str) -> str:
    return " ".join(_headings(members)[column])


def _tested(gap: Difference) -> OverKeypoints | None:
    """None where the effects of keypoints are unknown, or the difference is not significant."""
    over = gap.over_keypoints
    if over is None or not over.n or math.isnan(over.p) or not gap.p < SIGNIFICANT:
        return None
    return over


def _on_keypoints(what: str, gap: Difference) -> str | None:
    over = _tested(gap)
    if over is None:
        return None
    sign = "positive" if gap.interval.value > 0 else "negative"
    return (
        f"{what}: the difference is {sign} on {over.n_holding} of {over.n} keypoints; p is "
        f"{_p(over)} where keypoints are resampled too."
    )


def _models_on_keypoints(what: str, gaps: Mapping[str, Difference]) -> str | None:
    """One sentence for all models of a table, by their labels."""
    tested = {name: over for name, gap in gaps.items() if (over := _tested(gap))}
    if not tested:
        return None
    models = [f"{name} {o.n_holding} of {o.n}, p {_p(o)}" for name, o in tested.items()]
    return (
        f"{what}, on how many keypoints the difference has the sign that the table shows, and p where "
        f"keypoints are resampled too: {'; '.join(models)}."
    )


def _p(over: OverKeypoints) -> str:
    return number(Cell(over.p, is_p=True))


def _lead(resamples: Resamples) -> float:
    return resamples.mean(next(iter(resamples.columns))).value


def _by_category(
    card: RunCard, gaps: Sequence[Difference]
) -> dict[str, tuple[RunCard, list[Difference]]]:
    names = dict.fromkeys(gap.category for gap in gaps)
    return {name: (card, [g for g in gaps if g.category == name]) for name in names}


def _table(
    members: Group,
    title: str,
    rows: Mapping[str, tuple[RunCard, Sequence[Difference]]],
    alpha: float | None,
    correction: str,
    on_keypoints: Sequence[str | None],
) -> Table:
    columns = []
    headings = _headings(members)
    names = dict.fromkeys(gap.column for _, gaps in rows.values() for gap in gaps)
    for name in names:
        heading = headings[name]
        columns += [
            Column(f"difference.{name}", (*heading, "diff."), _unknown),
            Column(f"p.{name}", (*heading, "p"), _unknown),
        ]
    made = [
        Row(card, label, tuple(cell for gap in gaps for cell in _cells(gap)))
        for label, (card, gaps) in rows.items()
    ]
    data = members.dataset
    head = f"{data.name}@{data.revision}, {data.split} split, paired differences, {title}"
    notes = (
        *(
            rule_words(rule, rule.alphas[0] if alpha is None else alpha)
            for rule in members.rules
            if stem(rule, members.rules) in names
        ),
        f"Both models are scored on the same resamples of images. p: paired test, {correction}.",
        *(note for note in on_keypoints if note),
    )
    return Table(members, "paired", tuple(columns), tuple(made), (head,), notes, alpha=alpha)


def _headings(members: Group) -> dict[str, tuple[str, ...]]:
    """By column of resamples."""
    out: dict[str, tuple[str, ...]] = {}
    for rule in members.rules:
        name = stem(rule, members.rules)
        words = (NAME[rule.metric],) if name == rule.metric else tuple(name.split("-"))
        of_rule = () if name == rule.metric else words
        out |= {
            name: words,
            twin_column(rule, members.rules): (*of_rule, "absence", "AUROC", "twin"),
            **{part_column(rule, m, members.rules): (*of_rule, *w) for m, w in _PARTS.items()},
        }
    return out


def _cells(gap: Difference) -> tuple[Cell, Cell]:
    span = gap.interval
    if math.isnan(span.value):
        nothing = Cell(None, reason="One of the two models has no score here.")
        return nothing, nothing
    if math.isnan(span.error):
        return Cell(span.value, signed=True), Cell(None, reason=_NO_TEST)
    return Cell(span.value, span.low, span.high, signed=True), Cell(gap.p, is_p=True)


def _unknown(card: RunCard) -> Cell:
    return Cell(None, reason=f"{card.model.name} has no difference here.")
