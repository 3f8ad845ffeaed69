"""The notes under a table on what few images do: no rank, no interval, a bias."""

from collections.abc import Mapping, Sequence

from kapbench.running.results import RuleCard, RunCard, reads_annotation
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.tables.choices import View
from kapbench_leaderboard.tables.columns import rules_of

FEWEST_IMAGES = 4  # of a category, for an interval; see kapbench.scoring.bootstrap
BIASED_BELOW = 12  # images of a category; docs/statistics.md has the simulation
_BIAS = "by about 1 point where it has 8 and up to 2 where it has 4"
NO_INTERVALS = "No confidence intervals"
NOT_TESTED = "a category has too few images, or some resamples have no score"


def not_tested(ranks: Mapping[str, int | None], *, with_intervals: bool = True) -> list[str]:
    """Which models have no rank, of ranks by label, and why.

    Args:
        with_intervals: False: no score has an interval, and another note gives the reason.
    """
    without = [label for label, rank in ranks.items() if rank is None]
    if not without or len(ranks) == 1:  # a single model is not ranked
        return []
    if len(without) == len(ranks) and not with_intervals:
        return ["No model is ranked, since there are no confidence intervals."]
    if len(without) == len(ranks):
        return [f"No model is ranked: {NOT_TESTED}."]
    return [f"Not ranked: {', '.join(without)}. Reason: {NOT_TESTED}."]


def without_intervals(
    without: Sequence[tuple[str, RunCard]], n_models: int, rules: Sequence[RuleCard], alpha: float
) -> list[str]:
    """Why scores have no confidence interval, by the labels of their models.

    Args:
        without: Labels and run cards of the models without an interval.
        n_models: Models of the table, with and without an interval.
    """
    labels_of: dict[str, list[str]] = {}
    for label, card in without:
        labels_of.setdefault(_why_no_interval(card, rules, alpha), []).append(label)
    return [
        f"{NO_INTERVALS}{_for(labels) if len(labels) < n_models else ''}: {reason}."
        for reason, labels in labels_of.items()
    ]


def _for(labels: Sequence[str]) -> str:
    return f" for {', '.join(labels)}"


def _why_no_interval(card: RunCard, rules: Sequence[RuleCard], alpha: float) -> str:
    """The reasons that the run card leaves open, with the categories where only some lack one."""
    if reads_annotation(card.model):
        return "scores that follow from the annotation are not estimates"
    data, any_interval = card.dataset, any(row.low is not None for row in card.scores)
    rows = [(c, card.headline(rule, alpha, c)) for rule in rules for c in data.categories]
    lacking = dict.fromkeys(
        c for c, row in rows if row and row.value is not None and row.low is None
    )
    only_some = any_interval and 0 < len(lacking) < len(data.categories)
    category = f"a category ({', '.join(lacking)})" if only_some else "a category"
    n_images = data.images_by_category.values()  # run cards of earlier versions do not have them
    too_few = f"{category} has fewer than {FEWEST_IMAGES} images"
    if data.n_images < FEWEST_IMAGES * len(data.categories) or any(
        n < FEWEST_IMAGES for n in n_images
    ):
        return too_few
    undefined = "score is undefined in more than 1 % of the resamples"
    reasons = [f"the {undefined}"]
    if len(data.categories) > 1:
        reasons = [f"the score of {category} {undefined.removeprefix('score ')}"]
        if not n_images:
            reasons = [too_few, f"its {undefined}"]
    if not any_interval and card.command is None:  # a command of kapbench computes them
        reasons.append("the scores were computed without intervals")
    return ", or ".join(reasons)


def few_images(members: Group, view: View, kind: Kind | None) -> list[str]:
    """Which categories have so few images that a KAP that pools their samples is too high."""
    rules = [r for r in rules_of(members, view) if kind in (None, r.metric)]
    if not any(r.metric == "kap" and r.headline[0] == "category" for r in rules):
        return []
    known = (c.dataset.images_by_category for c in members.cards if c.dataset.images_by_category)
    few = [f"{name} ({n})" for name, n in next(known, {}).items() if 0 < n < BIASED_BELOW]
    if not few:
        return []
    return [f"KAP is biased upwards where a category has few images, {_BIAS}: {', '.join(few)}."]
