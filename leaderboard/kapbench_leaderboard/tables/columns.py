"""The columns of every view of a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.comparison.prevalence import TWIN_SPLIT, prevalence
from kapbench_leaderboard.comparison.scoring_versions import scoring_of
from kapbench_leaderboard.tables.choices import View

NAME = {"kap": "KAP", "pck": "PCK"}
NO_RANDOM_RUN = (
    "The control `random` is not among the runs on these pairs; add it to show its score."
)
_OVER = {
    "mean": "mean",
    "pair_weighted": "pair-weighted",
    "negative_weighted": "negative-weighted",
    "pooled": "pooled",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A share with its 95 % interval, or the reason why there is none; neither: an empty cell."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None
    signed: bool = False  # a difference
    is_p: bool = False  # a p-value: not a percentage


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names the column in files, `heading` on screen (one entry for each line).

    `prevalence`: that of the samples of a KAP; None for other scores, or if it has a column.
    """

    key: str
    heading: tuple[str, ...]
    cell: Callable[[RunCard], Cell]
    ranks: bool = True  # whether a reader may order models by it
    lower_is_better: bool = False
    lead: bool = True  # whether its interval is worth room on a narrow screen
    prevalence: Callable[[RunCard], Cell] | None = None


@dataclass(frozen=True, slots=True)
class _ScoreKey:
    """Which score of a rule; None: the rule's own metric and headline averages."""

    heading: str
    split: str = "all"
    metric: str | None = None
    average: str | None = None
    over: str | None = None

    @property
    def key(self) -> str:
        named = (self.metric, None if self.split == "all" else self.split, self.average, self.over)
        return ".".join(part for part in named if part)


_SPLITS: dict[View, dict[Kind, tuple[_ScoreKey, ...]]] = {
    "symmetry": {
        "kap": (
            _ScoreKey("all"),
            _ScoreKey("symm.", "symmetric"),
            _ScoreKey("other", "other"),
            _ScoreKey("twin", TWIN_SPLIT),
        ),
        "pck": (
            _ScoreKey("all"),
            _ScoreKey("symm.", "symmetric"),
            _ScoreKey("other", "other"),
            _ScoreKey("confu-\nsion", metric="symmetry_confusion"),
        ),
    },
    "viewpoint": {
        kind: tuple(_ScoreKey(f"view {i}", f"viewpoint={i}") for i in range(5))
        for kind in ("kap", "pck")
    },
    "occlusion": {
        kind: (
            _ScoreKey("whole", "truncation=none"),
            _ScoreKey("trunc.", "truncation=some"),
            _ScoreKey("clear", "occlusion=none"),
            _ScoreKey("occl.", "occlusion=some"),
        )
        for kind in ("kap", "pck")
    },
    "twin": {
        "kap": (
            _ScoreKey("twin", TWIN_SPLIT),
            _ScoreKey("all"),
            _ScoreKey("AUROC", metric="auroc", average="category", over="mean"),
        ),
        "pck": (
            _ScoreKey("all"),
            _ScoreKey("dagger", metric="pck_dagger"),
            _ScoreKey("confu-\nsion", metric="symmetry_confusion"),
        ),
    },
}


def columns(members: Group, view: View, alpha: float, kind: Kind | None = None) -> list[Column]:
    """Columns of a view, in order. `kind` keeps those of one metric."""
    if view == "summary":
        return list(_summary(members, alpha))
    if view == "rule":
        return [
            _column(r, r.name, alpha, _ScoreKey("\n".join(r.name.split("-"))))
            for r in members.rules
        ]
    out: list[Column] = []
    for each in (kind,) if kind else ("kap", "pck"):
        rule = members.rule_of(each)
        if rule is None:
            continue
        if view == "category":
            out += _categories(members, rule, alpha)
        elif view == "average":
            rules = _averaged(members, each)
            out += [c for r in rules for c in _averages(members, r, alpha, named=len(rules) > 1)]
        else:
            keys = _SPLITS[view][each]
            out += [_column(rule, rule.metric, alpha, key, named=True) for key in keys]
            if view == "twin" and each == "pck":
                out += [
                    _column(r, "geo", alpha, _ScoreKey("PCK\ngeo"), scoring=_newest(members, r))
                    for r in _geometry_aware(members)
                ]
    return out


def rules_of(members: Group, view: View) -> tuple[RuleCard, ...]:
    """The group's rules, and other rules that score columns of a view."""
    more: dict[View, tuple[RuleCard, ...]] = {
        "average": _averaged(members, "pck"),
        "twin": _geometry_aware(members),
    }
    by_name = {r.name: r for r in (*members.rules, *more.get(view, ()))}
    return tuple(by_name.values())


def _summary(members: Group, alpha: float) -> Iterator[Column]:
    kap, pck = members.rule_of("kap"), members.rule_of("pck")
    at = f"@{alpha:.2f}"
    if kap is not None:
        yield _column(kap, "kap", alpha, _ScoreKey(at), named=True)
        prevalence_key = _ScoreKey(
            "preva-\nlence", metric="prevalence", average="category", over="mean"
        )
        yield _column(kap, "kap", alpha, prevalence_key, ranks=False)
        random = members.control("random")
        cell = _random(kap, alpha, random)
        yield Column(f"random.kap{at}", ("random", "KAP"), cell, ranks=False, lead=False)
    if pck is not None:
        yield _column(pck, "pck", alpha, _ScoreKey(at), named=True)
    if kap is not None:
        for score_key in _SPLITS["symmetry"]["kap"][1:]:
            yield replace(_column(kap, "kap", alpha, score_key, named=True), lead=False)


def _categories(members: Group, rule: RuleCard, alpha: float) -> Iterator[Column]:
    for name in members.dataset.categories:
        yield _column(rule, rule.metric, alpha, _ScoreKey(name, over=name))
    yield _column(rule, rule.metric, alpha, _ScoreKey(_OVER[rule.headline[1]].replace("-", "-\n")))


def _averaged(members: Group, kind: Kind) -> tuple[RuleCard, ...]:
    """The rule of a kind; for PCK all rules of the runs, because papers print different averages."""
    of_kind = tuple(r for r in members.rules if r.metric == kind)
    if kind == "kap" or members.rules_are_named or not of_kind:
        return of_kind
    by_name = {r.name: r for r in (*of_kind, *_every_rule(members)) if r.metric == kind}
    return tuple(by_name.values())


def _every_rule(members: Group) -> Iterator[RuleCard]:
    return (rule for card in members.cards for rule in card.rules)


def _averages(members: Group, rule: RuleCard, alpha: float, *, named: bool) -> Iterator[Column]:
    """Every average that the rule states; `named`: with the rule's name."""
    card = next(c for c in members.cards if rule in c.rules)
    rows = [s for s in card.scores if (s.rule, s.metric) == (rule.name, rule.metric)]
    averages = dict.fromkeys((s.average, s.category) for s in rows if s.category in _OVER)
    own = rule not in members.rules or sum(r.metric == rule.metric for r in members.rules) > 1
    name = f"{rule.name.removeprefix(f'{rule.metric}-')}\n" if named else ""
    for average, over in averages:
        score_key = _ScoreKey(f"{name}per {average}\n{_OVER[over]}", average=average, over=over)
        stem = rule.name if own else rule.metric
        yield _column(rule, stem, alpha, score_key, named=True, scoring=_newest(members, rule))


def _newest(members: Group, rule: RuleCard) -> int:
    """The version of scoring of a rule that is not among the group's: the newest of its runs."""
    return max(scoring_of(card, [rule.name]) for card in members.cards if rule in card.rules)


def _geometry_aware(members: Group) -> tuple[RuleCard, ...]:
    """The rule `geo`, which is shown beside another rule for PCK."""
    by_name = {r.name: r for r in _every_rule(members) if r.name == "geo"}
    return tuple(by_name.values()) if members.rule_of("pck") else ()


def _column(
    rule: RuleCard,
    stem: str,
    alpha: float,
    score_key: _ScoreKey,
    *,
    named: bool = False,
    ranks: bool = True,
    scoring: int | None = None,
) -> Column:
    """`stem` begins the column's key; `named`: the metric's name begins its heading.

    Args:
        scoring: Runs of another version of scoring have no cell; None: all have the same.
    """
    metric = score_key.metric or rule.metric
    average, over = score_key.average or rule.headline[0], score_key.over or rule.headline[1]
    what = f"{NAME.get(metric, metric.replace('_', ' '))}@{alpha:.2f}"
    heading = tuple(score_key.heading.split("\n"))
    if named and metric in NAME:
        heading = (NAME[metric], *heading)

    def cell(card: RunCard) -> Cell:
        row = card.score(rule.name, metric, alpha, over, average=average, split=score_key.split)
        same = any((r.name, r.hash) == (rule.name, rule.hash) for r in card.rules)
        if same and scoring not in (None, scoring_of(card, [rule.name])):
            return Cell(
                None, reason=f"{what} was scored before {rule.name} was changed; repeat the run."
            )
        return _cell(row if same else None, what)

    def prevalence_of(card: RunCard) -> Cell:
        share = prevalence(card, rule.name, alpha, over, score_key.split)
        return Cell(None, reason=share) if isinstance(share, str) else Cell(share)

    if score_key.metric == "prevalence":
        return Column(f"prevalence@{alpha:.2f}", heading, cell, ranks)
    key = f"{stem}@{alpha:.2f}" + (f".{score_key.key}" if score_key.key else "")
    return Column(
        key,
        heading,
        cell,
        ranks,
        lower_is_better=metric == "symmetry_confusion",
        prevalence=prevalence_of if metric == "kap" else None,
    )


def _random(rule: RuleCard, alpha: float, control: RunCard | None) -> Callable[[RunCard], Cell]:
    if control is None:
        cell = Cell(None, reason=NO_RANDOM_RUN)
    else:
        cell = _cell(control.headline(rule, alpha), f"KAP@{alpha:.2f}")
    return lambda _card: cell


def _cell(row: Score | None, what: str) -> Cell:
    if row is None:
        return Cell(
            None, reason=f"{what} is not defined here, or the run was not scored by its rule."
        )
    if row.value is not None:
        return Cell(row.value, row.low, row.high, row.n)
    if row.n == 0:
        return Cell(
            None,
            n=0,
            reason="There is no keypoint to score (n = 0), or the annotation does not say.",
        )
    return Cell(None, n=row.n, reason=f"{_without_contrast(row)} (n = {row.n:,}).")


def _without_contrast(row: Score) -> str:
    """Why there are samples and no score. A visible keypoint has a positive and a negative, so that
    negatives can only lack where the two are of different keypoints.
    """
    if row.split != TWIN_SPLIT and "auroc" not in row.metric:
        return "None of the samples is a positive"
    if row.category in _OVER:
        return "A category has samples, and none of them is a positive, or none is a negative"
    return "None of the samples is a positive, or none is a negative"
