"""The columns of every view of a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.geco_splits import GECO_SPLITS
from kapbench.scoring.part_scores import (
    IDENTITY_CHANCE,
    OF_IDENTITY,
    PART_SCORES,
    SOCO_CC,
    WRONG_MEMBER,
)
from kapbench.scoring.score_table import ABSENCE_AUROC, KAP_SKILL, Score
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.comparison.prevalence import prevalence
from kapbench_leaderboard.comparison.scoring_versions import scoring_of
from kapbench_leaderboard.tables.choices import BY_CATEGORY, View
from kapbench_leaderboard.tables.score_keys import ABSENCE, SPLITS, ScoreKey

NAME = {"kap": "KAP", "pck": "PCK"}
_NAMES = NAME | {KAP_SKILL: "KAP\nskill", ABSENCE_AUROC: "absence\nAUROC"}
NO_RANDOM_RUN = (
    "The control `random` is not among the runs on these pairs; add it to show its score."
)
_SINCE_4 = (KAP_SKILL, ABSENCE_AUROC)  # versions of scoring from 4 on store them
_BEFORE_4 = "The run was scored before KAP skill and absence AUROC were stored; repeat the run."
_NO_IDENTITY = (
    "Identity is not recorded: the run is of a scoring version before 5. Repeat it with `kapbench run "
    "--force`."
)
_NO_RECORDS = (
    "The run was scored before these scores were stored, and its records are not at hand, or no "
    "keypoint has a part group or a mirror counterpart."
)
_NO_PARTS = "No keypoint of these data has a part group or a mirror counterpart."
_ALONE = "No target shows a keypoint and another member of its part (n = 0)."
_NOTHING = "There is no keypoint to score (n = 0), or the annotation does not say."
_NO_COUNTERPART = "No keypoint of these data has a mirror counterpart (n = 0)."
_ONE_KIND = "A category has no positive sample, or no negative one"
# Why other scores are not defined although there is something to score.
_UNDEFINED = {
    KAP_SKILL: "In a category there is no KAP, or the highest possible one is not above chance",
    ABSENCE_AUROC: "In a category every keypoint is visible, or every one is absent",
}
_OVER = {
    "mean": "mean",
    "pair_weighted": "pair-weighted",
    "negative_weighted": "negative-weighted",
    "pooled": "pooled",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A share with its 95 % interval, or the reason why there is none; neither: an empty cell.

    `sd`: the standard deviation over runs, of a mean over several.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None
    signed: bool = False  # a difference
    is_p: bool = False  # a p-value: not a percentage
    sd: float | None = None
    is_count: bool = False  # a number of runs: not a percentage


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


def columns(
    members: Group, view: View, alpha: float, kind: Kind | None = None, metric: str | None = None
) -> list[Column]:
    """Columns of a view, in order. `kind` keeps those of one metric.

    Args:
        metric: KAP_SKILL: the skill in place of the KAP.
    """
    if view == "summary":
        return list(_summary(members, alpha))
    if view == "rule":
        return [column for rule in members.rules for column in _of_rule(rule, alpha)]
    out: list[Column] = []
    for each in (kind,) if kind else ("kap", "pck"):
        rule = members.rule_of(each)
        if rule is None:
            continue
        if view in BY_CATEGORY:
            out += _categories(members, rule, alpha, metric)
        elif view == "average":
            rules = _averaged(members, each)
            named = len(rules) > 1
            out += [c for r in rules for c in _averages(members, r, alpha, metric, named=named)]
        else:
            keys = [replace(k, metric=metric or k.metric) for k in SPLITS[view][each]]
            out += [_column(rule, rule.metric, alpha, key, named=True) for key in keys]
            if view == "twin" and each == "pck":
                out += [
                    _column(r, "geo", alpha, ScoreKey("PCK\ngeo"), scoring=_newest(members, r))
                    for r in _geometry_aware(members)
                ]
    return out


def _of_rule(rule: RuleCard, alpha: float) -> Iterator[Column]:
    score_key = ScoreKey("\n".join(rule.name.split("-")))
    yield _column(rule, rule.name, alpha, score_key)
    if rule.metric == "kap":
        yield _column(
            rule, rule.name, alpha, replace(score_key.skill, heading=f"{score_key.heading}\nskill")
        )


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
    own = ScoreKey(f"@{alpha:.2f}")
    if kap is not None:
        yield _column(kap, "kap", alpha, own, named=True)
        yield _column(kap, "kap", alpha, replace(own.skill, heading=""), named=True)
    if pck is not None:
        yield _column(pck, "pck", alpha, own, named=True)
    if kap is not None:
        for score_key in ABSENCE:
            yield _column(kap, "kap", alpha, score_key, named=True)


def _categories(
    members: Group, rule: RuleCard, alpha: float, metric: str | None
) -> Iterator[Column]:
    over = _OVER[rule.headline[1]].replace("-", "-\n")
    for name in members.dataset.categories:
        yield _column(rule, rule.metric, alpha, ScoreKey(name, metric=metric, over=name))
    yield _column(rule, rule.metric, alpha, ScoreKey(over, metric=metric))


def _averaged(members: Group, kind: Kind) -> tuple[RuleCard, ...]:
    """The rule of a kind; for PCK all rules of the runs, because papers print different averages."""
    of_kind = tuple(r for r in members.rules if r.metric == kind)
    if kind == "kap" or members.rules_are_named or not of_kind:
        return of_kind
    by_name = {r.name: r for r in (*of_kind, *_every_rule(members)) if r.metric == kind}
    return tuple(by_name.values())


def _every_rule(members: Group) -> Iterator[RuleCard]:
    return (rule for card in members.cards for rule in card.rules)


def _averages(
    members: Group, rule: RuleCard, alpha: float, metric: str | None, *, named: bool
) -> Iterator[Column]:
    """Every average that the rule states; `named`: with the rule's name."""
    card = next(c for c in members.cards if rule in c.rules)
    rows = [s for s in card.scores if (s.rule, s.metric) == (rule.name, rule.metric)]
    averages = dict.fromkeys((s.average, s.category) for s in rows if s.category in _OVER)
    own = rule not in members.rules or sum(r.metric == rule.metric for r in members.rules) > 1
    name = f"{rule.name.removeprefix(f'{rule.metric}-')}\n" if named else ""
    for average, over in averages:
        heading = f"{name}per {average}\n{_OVER[over]}"
        score_key = ScoreKey(heading, metric=metric, average=average, over=over)
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
    score_key: ScoreKey,
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
    name = _NAMES.get(metric, metric.replace("_", " "))
    what = f"{' '.join(name.split())}@{alpha:.2f}"
    heading = tuple(score_key.heading.split("\n")) if score_key.heading else ()
    if named and metric in _NAMES:
        heading = (*name.split("\n"), *heading)

    def cell(card: RunCard) -> Cell:
        row = card.score(rule.name, metric, alpha, over, average=average, split=score_key.split)
        same = any((r.name, r.hash) == (rule.name, rule.hash) for r in card.rules)
        if same and scoring not in (None, scoring_of(card, [rule.name])):
            return Cell(
                None, reason=f"{what} was scored before {rule.name} was changed; repeat the run."
            )
        if same and row is None and metric in _SINCE_4 and card.provenance.scoring < 4:
            return Cell(None, reason=_BEFORE_4)
        if same and row is None and metric in PART_SCORES:
            return Cell(None, reason=_no_part_score(card, metric))
        if same and row is None and score_key.split in GECO_SPLITS:
            return Cell(None, reason=_no_split(card))
        return _cell(row if same else None, what)

    def prevalence_of(card: RunCard) -> Cell:
        share = prevalence(card, rule.name, alpha, over, score_key.split)
        return Cell(None, reason=share) if isinstance(share, str) else Cell(share)

    return Column(
        _key(stem, rule, alpha, score_key),
        heading,
        cell,
        ranks and metric != IDENTITY_CHANCE,
        lower_is_better=metric in ("symmetry_confusion", WRONG_MEMBER),
        lead=metric != SOCO_CC,
        prevalence=prevalence_of if metric == "kap" else None,
    )


def _key(stem: str, rule: RuleCard, alpha: float, score_key: ScoreKey) -> str:
    """The column's key in files; alpha does not enter the absence AUROC and identity."""
    if score_key.metric == ABSENCE_AUROC:
        return ".".join([ABSENCE_AUROC, *([] if score_key.split == "all" else [score_key.split])])
    if score_key.metric in OF_IDENTITY and stem == rule.metric:
        return ".".join([score_key.metric, *([] if score_key.over is None else [score_key.over])])
    if score_key.metric in PART_SCORES and stem == rule.metric:
        stem, score_key = score_key.metric, replace(score_key, metric=None)
    if score_key.metric == KAP_SKILL and stem == rule.metric:
        stem, score_key = KAP_SKILL, replace(score_key, metric=None)
    return f"{stem}@{alpha:.2f}" + (f".{score_key.key}" if score_key.key else "")


def _no_part_score(card: RunCard, metric: str) -> str:
    if card.provenance.scoring >= 5:
        return _NO_PARTS
    return _NO_IDENTITY if metric in OF_IDENTITY else _NO_RECORDS


def _no_split(card: RunCard) -> str:
    return _NO_COUNTERPART if card.provenance.scoring >= 5 else _NO_RECORDS


def _cell(row: Score | None, what: str) -> Cell:
    if row is None:
        return Cell(
            None, reason=f"{what} is not defined here, or the run was not scored by its rule."
        )
    if row.value is not None:
        return Cell(row.value, row.low, row.high, row.n)
    if row.n == 0:
        if row.metric in OF_IDENTITY:
            return Cell(None, n=0, reason=_ALONE)
        of_twins = (row.metric, row.split) == (ABSENCE_AUROC, TWIN_SPLIT)
        return Cell(None, n=0, reason=_NO_COUNTERPART if of_twins else _NOTHING)
    return Cell(None, n=row.n, reason=f"{_UNDEFINED.get(row.metric, _ONE_KIND)} (n = {row.n:,}).")
