"""Groups of runs to tables: rows, columns, and what must be said above and below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kapbench.running.results import RunCard
from kapbench_leaderboard.board import CONTROLS, Group, Kind, why_apart
from kapbench_leaderboard.columns import NAME, Cell, Column, View, columns
from kapbench_leaderboard.orders import disagreements
from kapbench_leaderboard.paired import share_ranks
from kapbench_leaderboard.resamples import Resamples

_AVERAGES = {
    "category": "pooled per category",
    "pair": "per pair",
    "image": "per image",
    "point": "per point",
}
_OVER = {
    "mean": "mean over categories",
    "pair_weighted": "weighted by pairs over categories",
    "pooled": "pooled over categories",
    "negative_weighted": "weighted by negatives over categories",
}
_SPLITS = (
    "symm.: mirrored or repeated parts; other: all else; twin: can a threshold tell an absent "
    "keypoint whose mirror twin shows from one that shows itself? A constant score gets 50."
)
_NO_KAP = (
    "KAP: not scored; where no keypoint can be absent, or T is the image's, it is not defined."
)
_CONFUSION = "confusion: share of keypoints with a visible twin that are matched to the twin."
_EXPLAINED: dict[View, tuple[str, ...]] = {
    "summary": (_SPLITS,),
    "symmetry": (_SPLITS, _CONFUSION),
    "twin": (
        _SPLITS,
        _CONFUSION,
        (
            "dagger: PCK†, right and nearest to its own keypoint; geo: keypoints with a repeated part "
            "in the target."
        ),
    ),
    "viewpoint": ("view 0-4: steps of 45° between the two azimuths, where both are known.",),
    "occlusion": ("trunc., occl.: of either image, where known.",),
}
Ranks = dict[tuple[str, str], int]  # by plan and metric
_ONE_METRIC_A_TABLE = ("category", "viewpoint", "occlusion", "average")


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `rank`: 1 + how many models are better beyond chance; None for controls."""

    card: RunCard
    label: str
    cells: tuple[Cell, ...]
    rank: int | None = None

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
    metric = kind or ("kap" if members.rule_of("kap") else "pck")
    rows = [
        Row(c, name, tuple(column.cell(c) for column in shown), ranks.get((c.plan_hash, metric)))
        for c, name in zip(members.cards, names, strict=True)
    ]
    lead = len(shown) - 1 if view == "category" else 0
    rows.sort(key=lambda row: (row.is_control, -_or_less(row, lead), row.label))
    data = members.dataset
    title = f"{data.name}@{data.revision}, {data.split}: {members.coverage}"
    models = [row.card for row in rows if not row.is_control]
    notes = (
        *_about(members, kind),
        *(_EXPLAINED.get(view, ()) if view != "summary" or members.rule_of("kap") else (_NO_KAP,)),
        *disagreements(members, models, labels(models), alpha),
        *_models(rows),
    )
    return Table(members, view, tuple(shown), tuple(rows), (title,), notes)


def ranked(groups: Sequence[Group], resamples: Mapping[str, Resamples]) -> Ranks:
    """Ranks by plan and metric, of groups whose models' resamples are all there.

    Args:
        resamples: By the hash of a run's records.
    """
    out: Ranks = {}
    for members in groups:
        models = [card for card in members.cards if card.model.name not in CONTROLS]
        found = [resamples.get(card.provenance.records_sha256) for card in models]
        known = [r for r in found if r is not None]
        for rule in members.rules:
            if len(known) == len(models) and all(rule.metric in r.columns for r in known):
                for card, rank in zip(models, share_ranks(known, rule.metric), strict=True):
                    out[card.plan_hash, rule.metric] = rank
    return out


def _about(members: Group, kind: Kind | None) -> list[str]:
    """What the numbers are, one line a rule."""
    parts = []
    for rule in members.rules:
        if kind is None or rule.metric == kind:
            average, over = rule.headline
            words = f"{_AVERAGES.get(average, average)}, {_OVER.get(over, over)}"
            parts.append(f"{NAME[rule.metric]} by {rule.name} ({rule.hash}): {words}.")
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
    return [f"{', '.join(named)}: {facts}." for facts, named in told.items()]


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
