"""What must be said under a table: what its numbers are, and what to know before reading them."""

from collections.abc import Mapping, Sequence

from kapbench.running.results import RuleCard, RunCard
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.tables.choices import View
from kapbench_leaderboard.tables.columns import NAME, rules_of

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
    "keypoint whose mirror twin shows from one that shows itself? Either class weighs the same, "
    "so a score that says nothing gets about 50; it is not KAP on some of the pairs."
)
_NO_KAP = (
    "KAP: not scored; where no keypoint can be absent, or T is the image's, it is not defined."
)
_NOT_TESTED = "too few images in a category, or no score in some resamples"
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


def rule_words(rule: RuleCard, alpha: float | None = None) -> str:
    """What a rule's numbers are; `alpha` where no heading says it."""
    average, over = rule.headline
    words = f"{_AVERAGES.get(average, average)}, {_OVER.get(over, over)}"
    at = "" if alpha is None else f"@{alpha:.2f}"
    return f"{NAME[rule.metric]}{at} by {rule.name} ({rule.hash}): {words}."


def about(members: Group, view: View, kind: Kind | None) -> list[str]:
    """One line a rule."""
    return [rule_words(r) for r in rules_of(members, view) if kind in (None, r.metric)]


def explained(members: Group, view: View) -> tuple[str, ...]:
    """Words of the headings; of a summary without KAP: why."""
    if view != "summary" or members.rule_of("kap"):
        return _EXPLAINED.get(view, ())
    names = dict.fromkeys(r.name for c in members.cards for r in c.rules if r.metric == "kap")
    return (f"KAP: not asked for; these runs have {', '.join(names)}.",) if names else (_NO_KAP,)


def not_tested(ranks: Mapping[str, int | None]) -> list[str]:
    """Of models' ranks by label, those that could not be had."""
    without = [label for label, rank in ranks.items() if rank is None]
    if not without:
        return []
    who = "no model" if len(without) == len(ranks) else ", ".join(without)
    return [f"Ranks: {who} could be tested: {_NOT_TESTED}."]


def controls(members: Group, view: View, kind: Kind | None, alpha: float) -> list[str]:
    """What no score can be above, and the want of a control that a KAP is read beside."""
    rules = [r for r in rules_of(members, view) if kind in (None, r.metric)]
    out, highest = [], []
    oracle = members.control("oracle")
    for rule in rules if oracle else ():
        average, over = rule.headline
        row = oracle and oracle.score(rule.name, rule.metric, alpha, over, average=average)
        if row and row.value is not None:
            highest.append(f"{rule.name}@{alpha:.2f} {100 * row.value:.1f}")
    if highest:
        out.append(f"Ceiling, what a rule allows on the oracle's grid: {', '.join(highest)}.")
    without = view != "summary" and members.control("random") is None
    if without and any(rule.metric == "kap" for rule in rules):
        out.append("Random control: no run of it on these pairs.")
    return out


def models(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What a reader must know of a model before comparing it: what it looks at, what it learnt from."""
    told: dict[str, list[str]] = {}
    for label, card in named:
        model, facts = card.model, []
        if model.conditions_on:
            facts.append(f"looks at the {' and '.join(model.conditions_on)} besides the pixels")
        if model.kind == "oracle":
            facts.append("reads the answer")
        if model.trained_on:
            facts.append(f"trained on {model.trained_on}")
        if facts:
            told.setdefault(", ".join(facts), []).append(label)
    return [f"{', '.join(labels)}: {facts}." for facts, labels in told.items()]
