"""Groups of runs to tables: which columns, which numbers, and why a number is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kapbench.running.results import RunCard, ScoreRow
from kapbench_leaderboard.board import (
    CONTROLS,
    Group,
    headline,
    kind_of,
    why_apart,
)

View = Literal["summary", "category", "rule"]
NAME = {"kap": "KAP", "pck": "PCK"}
_AVERAGES = {
    "category": "pooled per category",
    "pair": "per pair",
    "image": "per image",
    "point": "per point",
}
_SPLITS = (
    (
        "symm.: mirrored or repeated parts; other: all else; twin: can a threshold tell an absent "
        "keypoint whose mirror twin shows from one that shows itself?"
    ),
)
_OVER = {
    "mean": "mean over categories",
    "pair_weighted": "weighted by pairs over categories",
    "pooled": "pooled over categories",
    "negative_weighted": "weighted by negatives over categories",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of 0 to 1 with its 95 % interval, or the reason why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names the column in files, `heading` on screen (one entry a line)."""

    key: str
    heading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    card: RunCard
    label: str
    cells: tuple[Cell, ...]

    @property
    def is_control(self) -> bool:
        return self.card.model.name in CONTROLS


@dataclass(frozen=True, slots=True)
class Table:
    """What is printed: `head` lines stand above, `notes` below."""

    group: Group
    view: View
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    head: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    column: Column
    cell: Callable[[RunCard], Cell]


def tables(groups: Sequence[Group], view: View = "summary", alpha: float = 0.10) -> list[Table]:
    """One table a group (by category: one a metric), best run first, controls last."""
    out: list[Table] = []
    for i, members in enumerate(groups):
        made = [
            _table(members, view, sources, about) for sources, about in _views(members, view, alpha)
        ]
        if i and made:
            apart = f"not comparable with table 1: {why_apart(groups[0], members)}"
            made[0] = replace(made[0], head=(*made[0].head, apart))
        out.extend(made)
    return out


def _views(members: Group, view: View, alpha: float) -> list[tuple[list[_Source], list[str]]]:
    if view == "category":
        kinds = [r.name for k in ("kap", "pck") if (r := members.rule_of(k))]
        return [(_by_category(members, rule, alpha), _about(members, [rule])) for rule in kinds]
    shown = [r.name for r in members.rules]
    sources = _by_rule(members, alpha) if view == "rule" else _summary(members, alpha)
    return [(sources, _about(members, shown))] if sources else []


def _table(members: Group, view: View, sources: list[_Source], about: list[str]) -> Table:
    labels = _labels(members.cards)
    rows = [
        Row(c, labels[i], tuple(s.cell(c) for s in sources)) for i, c in enumerate(members.cards)
    ]
    lead = len(sources) - 1 if view == "category" else 0
    rows.sort(key=lambda row: (row.is_control, -_or_less(row.cells[lead].value), row.label))
    data = members.dataset
    title = f"{data.name}@{data.revision}, {data.split}: {members.coverage}"
    columns = tuple(s.column for s in sources)
    notes = (*about, *(_SPLITS if view == "summary" else ()), *_models(rows))
    return Table(members, view, columns, tuple(rows), (title,), notes)


def _summary(members: Group, alpha: float) -> list[_Source]:
    kap, pck = members.rule_of("kap"), members.rule_of("pck")
    at = f"@{alpha:.2f}"
    out: list[_Source] = []
    if kap is not None:
        average, over = headline(kap.name, members.cards)
        splits = {"symmetric": "symm.", "other": "other", "absent_with_twin": "twin"}
        out.append(_source(members, kap.name, alpha, f"kap{at}", ("KAP", at)))
        out.append(
            _Source(
                Column(f"prevalence{at}", ("preva-", "lence")),
                lambda card: _cell(
                    card.score(kap.name, "prevalence", alpha, "mean", average="category"),
                    "prevalence",
                ),
            )
        )
        random = _random_cell(members, kap.name, average, over, alpha)
        out.append(_Source(Column(f"random.kap{at}", ("random", "KAP")), lambda _card: random))
    if pck is not None:
        out.append(_source(members, pck.name, alpha, f"pck{at}", ("PCK", at)))
    if kap is not None:
        for split, word in splits.items():
            heading = ("KAP", word)
            out.append(_source(members, kap.name, alpha, f"kap{at}.{split}", heading, split=split))
    return out


def _by_category(members: Group, rule: str, alpha: float) -> list[_Source]:
    kind = kind_of(rule, members.cards)
    over = headline(rule, members.cards)[1]
    sources = [
        _source(members, rule, alpha, f"{kind}@{alpha:.2f}.{name}", (name,), category=name)
        for name in members.dataset.categories
    ]
    word = {"mean": "mean", "pair_weighted": "pair-weighted"}.get(over, over.replace("_", "-"))
    return [*sources, _source(members, rule, alpha, f"{kind}@{alpha:.2f}", (word,))]


def _by_rule(members: Group, alpha: float) -> list[_Source]:
    return [
        _source(members, r.name, alpha, f"{r.name}@{alpha:.2f}", tuple(r.name.split("-")))
        for r in members.rules
    ]


def _source(
    members: Group,
    rule: str,
    alpha: float,
    key: str,
    heading: tuple[str, ...],
    split: str = "all",
    category: str | None = None,
) -> _Source:
    average, over = headline(rule, members.cards)
    kind = kind_of(rule, members.cards)
    where = category or over

    def cell(card: RunCard) -> Cell:
        row = card.score(rule, kind, alpha, where, average=average, split=split)
        return _cell(row, f"{NAME[kind]}@{alpha:.2f}")

    return _Source(Column(key, heading), cell)


def _random_cell(members: Group, rule: str, average: str, over: str, alpha: float) -> Cell:
    control = members.control("random")
    if control is None:
        return Cell(None, reason="no run of the control `random` on these pairs")
    return _cell(control.score(rule, "kap", alpha, over, average=average), f"KAP@{alpha:.2f}")


def _cell(row: ScoreRow | None, what: str) -> Cell:
    if row is None:
        return Cell(None, reason=f"{what} is not defined here, or this run was not scored by it")
    if row.value is not None:
        return Cell(row.value, row.low, row.high, row.n)
    if row.n == 0:
        return Cell(None, n=0, reason="no keypoint to score (n = 0)")
    return Cell(None, n=row.n, reason=f"no positive among its samples (n = {row.n:,})")


def _about(members: Group, rules: Sequence[str]) -> list[str]:
    """What the numbers are, one line a rule."""
    hashes = {r.name: r.hash for r in members.rules}
    parts = []
    for rule in rules:
        average, over = headline(rule, members.cards)
        name = NAME[kind_of(rule, members.cards)]
        words = f"{_AVERAGES.get(average, average)}, {_OVER.get(over, over)}"
        parts.append(f"{name} by {rule} ({hashes[rule]}): {words}.")
    return parts


def _models(rows: Sequence[Row]) -> list[str]:
    """What a reader must know of a model before comparing it: what it looks at, what it learnt from."""
    told: dict[str, list[str]] = {}
    for row in rows:
        model = row.card.model
        facts = []
        if model.conditions_on:
            facts.append(f"looks at the {' and '.join(model.conditions_on)} besides the pixels")
        if model.kind == "oracle":
            facts.append("reads the answer")
        if model.trained_on:
            facts.append(f"trained on {model.trained_on}")
        if facts:
            told.setdefault(", ".join(facts), []).append(row.label)
    return [f"{', '.join(labels)}: {facts}." for facts, labels in told.items()]


def _labels(cards: Sequence[RunCard]) -> list[str]:
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


def _or_less(value: float | None) -> float:
    return -1.0 if value is None else value
