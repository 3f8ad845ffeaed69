"""Groups of runs to tables: rows, columns, and what must be said above and below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kapbench.running.results import RuleCard, RunCard
from kapbench_leaderboard.comparison.disagreements import disagreements
from kapbench_leaderboard.comparison.groups import CONTROLS, Group, Kind, why_apart
from kapbench_leaderboard.comparison.prevalence import agree
from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import share_ranks
from kapbench_leaderboard.tables import notes
from kapbench_leaderboard.tables.choices import View
from kapbench_leaderboard.tables.columns import NAME, Cell, Column, columns, rules_of

Ranks = dict[tuple[str, str], int | None]  # by the hash of a run's records and a rule's name
_ONE_METRIC_A_TABLE = ("category", "viewpoint", "occlusion", "average")


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `rank`: of `share_ranks`; None for controls and where nothing was tested."""

    card: RunCard
    label: str
    cells: tuple[Cell, ...]
    rank: int | None = None

    @property
    def is_control(self) -> bool:
        return self.card.model.name in CONTROLS


@dataclass(frozen=True, slots=True)
class Beside:
    """What scores are read beside and no run's: a cell a column. `key` names it in files."""

    key: str
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What is printed: `head` lines stand above, `notes` below; `ranked_by`: what rows' ranks are of.

    `alpha`: None: each rule's first.
    """

    group: Group
    view: View
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    head: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    beside: tuple[Beside, ...] = ()
    ranked_by: str | None = None
    alpha: float | None = None

    @property
    def rules(self) -> tuple[RuleCard, ...]:
        return rules_of(self.group, self.view)


def tables(
    groups: Sequence[Group],
    view: View = "summary",
    alpha: float = 0.10,
    ranks: Ranks | None = None,
) -> list[Table]:
    """One table a group, or one a metric of it; best run first, controls last.

    Args:
        ranks: Of `ranked`; without them rows have none.
    """
    out: list[Table] = []
    for i, members in enumerate(groups):
        kinds: Sequence[Kind | None] = ("kap", "pck") if view in _ONE_METRIC_A_TABLE else (None,)
        drawn = (_table(members, view, alpha, kind, ranks or {}) for kind in kinds)
        made = [table for table in drawn if table.columns]
        if i and made:
            apart = f"not comparable with table 1: {why_apart(groups[0], members)}"
            made[0] = replace(made[0], head=(*made[0].head, apart))
        out.extend(made)
    return out


def _table(
    members: Group,
    view: View,
    alpha: float,
    kind: Kind | None,
    ranks: Ranks,
) -> Table:
    shown = columns(members, view, alpha, kind)
    names = labels(members.cards)
    by = _ranking(members, view, kind)
    rows = [
        Row(c, name, tuple(column.cell(c) for column in shown), ranks.get(_key(c, by)))
        for c, name in zip(members.cards, names, strict=True)
    ]
    lead = len(shown) - 1 if view == "category" else 0
    rows.sort(key=lambda row: (row.is_control, -_or_less(row, lead), row.label))
    data = members.dataset
    title = f"{data.name}@{data.revision}, {data.split}: {members.coverage}"
    competing = [row for row in rows if not row.is_control]
    models = [row.card for row in competing]
    remarks = (
        *notes.about(members, view, kind),
        *notes.explained(members, view),
        *disagreements(members, models, labels(models), alpha),
        *notes.not_tested({r.label: r.rank for r in competing if _key(r.card, by) in ranks}),
        *notes.controls(members, view, kind, alpha),
        *notes.models([(row.label, row.card) for row in rows]),
    )
    return Table(
        members,
        view,
        tuple(shown),
        tuple(rows),
        (title,),
        remarks,
        _beside(competing or rows, shown, members.rules, alpha) if view != "summary" else (),
        f"{NAME[by.metric]}@{alpha:.2f} by {by.name}",
        alpha,
    )


def ranked(groups: Sequence[Group], resamples: Mapping[str, Resamples]) -> Ranks:
    """Ranks of groups whose models' resamples are all there.

    Args:
        resamples: By the hash of a run's records.
    """
    out: Ranks = {}
    for members in groups:
        models = [card for card in members.cards if card.model.name not in CONTROLS]
        found = [resamples.get(card.provenance.records_sha256) for card in models]
        known = [r for r in found if r is not None]
        for rule in members.rules:
            column = stem(rule, members.rules)
            if len(known) == len(models) and all(column in r.columns for r in known):
                ranks = share_ranks(known, column)
                out |= {_key(c, rule): rank for c, rank in zip(models, ranks, strict=True)}
    return out


def _key(card: RunCard, rule: RuleCard) -> tuple[str, str]:
    return card.provenance.records_sha256, rule.name


def _ranking(members: Group, view: View, kind: Kind | None) -> RuleCard:
    """The rule whose headline a table's ranks are of."""
    first = members.rules[0] if view == "rule" else members.rule_of("kap")
    return (members.rule_of(kind) if kind else first) or members.rules[0]


def _beside(
    rows: Sequence[Row], shown: Sequence[Column], rules: Sequence[RuleCard], alpha: float
) -> tuple[Beside, ...]:
    """The prevalence under each KAP, of the first row where another's grid makes another."""
    if not any(column.prevalence for column in shown):
        return ()
    first = rows[0]
    names = [rule.name for rule in rules if rule.metric == "kap"]
    same = agree([row.card for row in rows], names, alpha)
    cells = (column.prevalence(first.card) if column.prevalence else Cell(None) for column in shown)
    label = "prevalence" if same else f"prevalence of {first.label}"
    return (Beside("prevalence", label, tuple(cells)),)


def labels(cards: Sequence[RunCard]) -> list[str]:
    """Model names; where two runs share one, with the revision, then numbered."""
    names = [card.model.name for card in cards]
    full = [
        f"{c.model.name}@{c.model.revision[:8]}" if names.count(c.model.name) > 1 else c.model.name
        for c in cards
    ]
    return [
        f"{label} #{full[: i + 1].count(label)}" if full.count(label) > 1 else label
        for i, label in enumerate(full)
    ]


def _or_less(row: Row, lead: int) -> float:
    value = row.cells[lead].value if row.cells else None
    return -1.0 if value is None else value
