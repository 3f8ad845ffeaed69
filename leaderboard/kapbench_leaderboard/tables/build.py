"""Comparability groups to tables: rows, columns, and the lines above and below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.part_scores import CONCEPT, IDENTITY_SHARE, WRONG_MEMBER
from kapbench.scoring.score_table import KAP_SKILL
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.disagreements import disagreements
from kapbench_leaderboard.comparison.groups import Group, Kind, why_apart
from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import share_ranks
from kapbench_leaderboard.tables import notes, notes_on_images
from kapbench_leaderboard.tables.choices import BY_CATEGORY, View
from kapbench_leaderboard.tables.columns import NAME, Column, columns, rules_of
from kapbench_leaderboard.tables.rows import ReferenceRow, Row, reference_rows

_ONE_METRIC_A_TABLE: tuple[View, ...] = ("category", "geco", "viewpoint", "occlusion", "average")
SKILL, IDENTITY_TITLE = "KAP skill", "identity"
# What a table shows: the kind of rule, None: both; and the metric where it is not the rule's own.
_Shown = tuple[Kind | None, str | None]
_METRICS: tuple[_Shown, ...] = (("kap", None), ("kap", KAP_SKILL), ("pck", None))
_OF_VIEW: dict[View, tuple[_Shown, ...]] = {
    **dict.fromkeys(_ONE_METRIC_A_TABLE, _METRICS),
    "concept": (("pck", None),),
    "concept-category": tuple(("pck", m) for m in (CONCEPT, WRONG_MEMBER, IDENTITY_SHARE)),
}
_TITLES = {
    KAP_SKILL: SKILL,
    CONCEPT: "concept PCK",
    WRONG_MEMBER: "wrong member",
    IDENTITY_SHARE: IDENTITY_TITLE,
}


@dataclass(frozen=True)
class Ranks:
    """What resamples say of models: ranks, by the hash of a run's records and a rule's name.

    `resamples`: by the hash of a run's records; for differences that two metrics disagree on.
    """

    by_run: Mapping[tuple[str, str], int | None]
    resamples: Mapping[str, Resamples]


_NO_RANKS = Ranks({}, {})


@dataclass(frozen=True, slots=True)
class Table:
    """What is printed: `head` lines above, `notes` below; `ranked_by`: the score that gives the ranks.

    `ranking`: the rule of that score; None: models of such a table are not ranked.
    `alpha`: None: each rule's first. `metric`: what all columns show, e.g. "KAP skill"; None: several.
    `of_rows`: the heading of the rows' labels.
    """

    group: Group
    view: View
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    head: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    references: tuple[ReferenceRow, ...] = ()
    ranked_by: str | None = None
    ranking: RuleCard | None = None
    alpha: float | None = None
    metric: str | None = None
    of_rows: str = "model"

    @property
    def rules(self) -> tuple[RuleCard, ...]:
        return rules_of(self.group, self.view)


def tables(
    groups: Sequence[Group], view: View = "summary", alpha: float = 0.10, ranks: Ranks | None = None
) -> list[Table]:
    """One table for each group, or for each metric of it; best run first, controls last.

    Args:
        ranks: From `ranked`; None: rows have no rank.
    """
    out: list[Table] = []
    for i, members in enumerate(groups):
        shown = _OF_VIEW.get(view, ((None, None),))
        every = (_table(members, view, alpha, each, ranks or _NO_RANKS) for each in shown)
        filled = [table for table in every if table.columns]
        if i and filled:
            apart = f"Not comparable with the first table: {why_apart(groups[0], members)}."
            filled[0] = replace(filled[0], head=(*filled[0].head, apart))
        if filled:
            named = [(row.label, row.card) for row in filled[-1].rows]
            of_all = (*notes.about_runs(named), *notes.remarks(named))
            filled[-1] = replace(filled[-1], notes=(*filled[-1].notes, *of_all))
        out.extend(filled)
    return out


def _table(members: Group, view: View, alpha: float, shown: _Shown, ranks: Ranks) -> Table:
    kind, metric = shown
    table_columns = columns(members, view, alpha, kind, metric)
    names = labels(members.cards, members.names)
    by = _ranking(members, view, kind)
    rank_of = ranks.by_run.get
    rows = [
        Row(c, name, tuple(column.cell(c) for column in table_columns), rank_of(_key(c, by)))
        for c, name in zip(members.cards, names, strict=True)
    ]
    lead = len(table_columns) - 1 if view in BY_CATEGORY else 0
    sign = 1 if table_columns and table_columns[lead].lower_is_better else -1
    rows.sort(key=lambda row: (row.is_control, sign * _or_less(row, lead), row.label))
    data = members.dataset
    title = f"{data.name}@{data.revision}, {data.split} split, {members.coverage}"
    of_table = None if kind is None else _TITLES.get(metric or "", NAME[kind])
    competing = [row for row in rows if not row.is_control]
    return Table(
        members,
        view,
        tuple(table_columns),
        tuple(rows),
        (title,),
        tuple(_notes(members, view, alpha, shown, table_columns, rows, ranks)),
        reference_rows(members, view, alpha, kind, metric, competing or rows, table_columns),
        f"{NAME[by.metric]}@{alpha:.2f} by {by.name}",
        by,
        alpha,
        of_table,
    )


def _notes(
    members: Group,
    view: View,
    alpha: float,
    shown: _Shown,
    table_columns: Sequence[Column],
    rows: Sequence[Row],
    ranks: Ranks,
) -> list[str]:
    kind, metric = shown
    by = _ranking(members, view, kind)
    competing = [row for row in rows if not row.is_control]
    models = [row.card for row in competing]
    tested = {r.label: r.rank for r in competing if _key(r.card, by) in ranks.by_run}
    rules = [r for r in rules_of(members, view) if kind in (None, r.metric)]
    return [
        *notes.limited(members.dataset),
        *notes.about(members, view, kind, metric),
        *notes.explained(members, view, table_columns),
        *(notes.on_n(members, view, kind) if any(c.n for row in rows for c in row.cells) else ()),
        *disagreements(members, models, labels(models, members.names), ranks.resamples),
        *notes_on_images.not_tested(tested, with_intervals=_has_interval(rows)),
        *_on_intervals(rows, rules, alpha),
        *(notes_on_images.few_images(members, view, kind) if metric is None else ()),
        *(notes.controls(members, view, kind, alpha) if metric is None else ()),
    ]


def _has_interval(rows: Sequence[Row]) -> bool:
    return any(cell.low is not None for row in rows for cell in row.cells)


def _on_intervals(rows: Sequence[Row], rules: Sequence[RuleCard], alpha: float) -> list[str]:
    scored = [row for row in rows if any(cell.value is not None for cell in row.cells)]
    without = sorted(  # so that tables of one group, whose rows differ in order, say the same
        ((r.label, r.card) for r in scored if all(cell.low is None for cell in r.cells)),
        key=lambda named: named[0],
    )
    return notes_on_images.without_intervals(without, len(scored), rules, alpha)


def ranked(groups: Sequence[Group], resamples: Mapping[str, Resamples]) -> Ranks:
    """Ranks in the groups for whose models all resamples are given.

    Args:
        resamples: By the hash of a run's records.
    """
    out: dict[tuple[str, str], int | None] = {}
    for members in groups:
        models = [card for card in members.cards if not is_control(card)]
        of_models = [resamples.get(card.provenance.records_sha256) for card in models]
        known = [r for r in of_models if r is not None]
        for rule in members.rules:
            column = stem(rule, members.rules)
            if len(known) == len(models) and all(column in r.columns for r in known):
                ranks = share_ranks(known, column)
                out |= {_key(c, rule): rank for c, rank in zip(models, ranks, strict=True)}
    return Ranks(out, resamples)


def _key(card: RunCard, rule: RuleCard) -> tuple[str, str]:
    return card.provenance.records_sha256, rule.name


def _ranking(members: Group, view: View, kind: Kind | None) -> RuleCard:
    """The rule whose headline score gives the ranks."""
    first = members.rules[0] if view == "rule" else members.rule_of("kap")
    return (members.rule_of(kind) if kind else first) or members.rules[0]


def labels(cards: Sequence[RunCard], renamed: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Names of models with the runs' labels; equal ones with the revision, then numbered.

    Args:
        renamed: Old and new names; an old one is a model's, a label, or both as they are shown.
    """
    names = [name_of(card, dict(renamed)) for card in cards]
    full = [
        f"{name}@{c.model.revision[:12]}" if names.count(name) > 1 else name
        for name, c in zip(names, cards, strict=True)
    ]
    return [
        f"{label} #{full[: i + 1].count(label)}" if full.count(label) > 1 else label
        for i, label in enumerate(full)
    ]


def name_of(card: RunCard, renamed: Mapping[str, str]) -> str:
    """What a table calls a run before equal names get their revision or a number."""
    model = renamed.get(card.model.name, card.model.name)
    if card.label is None:
        return model
    whole = f"{card.model.name} [{card.label}]"
    return renamed.get(whole) or renamed.get(card.label) or f"{model} [{card.label}]"


def old_names(card: RunCard) -> list[str]:
    """The names of a run that a table can replace."""
    name = card.model.name
    return [name] if card.label is None else [name, card.label, f"{name} [{card.label}]"]


def _or_less(row: Row, lead: int) -> float:
    value = row.cells[lead].value if row.cells else None
    return -1.0 if value is None else value
