"""The charts and the sentences of a page that compares two models."""

import math
from collections.abc import Iterator, Sequence

from kapbench.running.diagnosis.sentence import listed
from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.resamples import stem
from kapbench_leaderboard.comparison.significance import SIGNIFICANT, Difference
from kapbench_leaderboard.comparison.strength_words import size_words, value_words
from kapbench_leaderboard.figures.category_pairs import Both
from kapbench_leaderboard.site.model_charts import Chart
from kapbench_leaderboard.site.pairs import Compared
from kapbench_leaderboard.tables.columns import NAME, Cell
from kapbench_leaderboard.tables.format_cells import number

FEWEST_CATEGORIES = 2  # that a chart is worth


def sentences(pair: Compared) -> list[str]:
    """One for each metric: the difference on average, and in which categories it is significant."""
    return [_sentence(pair, name, gaps) for _, name, gaps in _by_metric(pair)]


def charts(pair: Compared) -> list[Chart]:
    """For each metric a scatter over categories, and the differences; none of a single category."""
    return [
        chart for rule, name, gaps in _by_metric(pair) for chart in _charts(pair, rule, name, gaps)
    ]


def _by_metric(pair: Compared) -> Iterator[tuple[RuleCard, str, list[Difference]]]:
    """A rule, what its score is called, and the differences in it, "mean" last."""
    rules = pair.board.group.rules
    for rule in rules:
        gaps = [gap for gap in pair.differences if gap.column == stem(rule, rules)]
        if gaps and not math.isnan(gaps[-1].interval.value):
            yield rule, f"{NAME[rule.metric]}@{rule.alphas[0]:.2f}", gaps


def _sentence(pair: Compared, name: str, gaps: Sequence[Difference]) -> str:
    *by_category, mean = gaps
    first, second = pair.labels
    if math.isnan(mean.p):
        return f"{name}: there are too few images to test a difference."
    size, p = size_words(mean.interval), number(Cell(mean.p, is_p=True)).replace("<", "< ")
    if mean.p < SIGNIFICANT:
        better, other = (first, second) if mean.interval.value > 0 else (second, first)
        words = f"{name}: {better} is {size} points above {other}"
    else:
        gap = mean.interval
        signed = value_words(gap.value, gap.low, gap.high)
        words = f"{name}: {first} and {second} do not differ significantly, {signed} points"
    where = [_where(label, sign, by_category) for label, sign in ((first, 1), (second, -1))]
    of_categories = "; ".join(filter(None, where))
    inside = f"; by category, {of_categories}" if of_categories else ""
    none = "; in no category significantly" if len(by_category) > 1 and not of_categories else ""
    return f"{words} (p {'= ' if '<' not in p else ''}{p}){inside}{none}."


def _where(label: str, sign: int, gaps: Sequence[Difference]) -> str | None:
    names = [g.category for g in gaps if g.p < SIGNIFICANT and g.interval.value * sign > 0]
    if not names:
        return None
    return f"{label} is significantly better in {listed(names)}"


def _charts(
    pair: Compared, rule: RuleCard, name: str, gaps: Sequence[Difference]
) -> Iterator[Chart]:
    from kapbench_leaderboard.figures.category_pairs import draw_differences, draw_scatter
    from kapbench_leaderboard.figures.inline_svg import inline_svg

    points = [both for gap in gaps[:-1] if (both := _both(pair, rule, gap)) is not None]
    if len(points) < FEWEST_CATEGORIES:
        return
    titles = {both.gid: _title(pair, both) for both in points}
    words = f"{name} by category. {'. '.join(titles.values())}"
    scatter = draw_scatter(points, pair.labels, name)
    yield Chart(
        inline_svg(scatter, words, titles),
        f"{name} by category with 95 % intervals. Filled triangles: a significant difference; they "
        "point towards the better model. Hollow circles: none.",
    )
    forest = draw_differences(points, pair.labels, name)
    yield Chart(
        inline_svg(forest, f"Differences, {words}", titles),
        f"{pair.labels[0]} − {pair.labels[1]}, {name} on the same resamples of images, 95 % intervals.",
    )


def _both(pair: Compared, rule: RuleCard, gap: Difference) -> Both | None:
    """None where a model has no score."""
    first, second = (_score(each.run, rule, gap.category) for each in (pair.first, pair.second))
    if first is None or second is None or math.isnan(gap.interval.value):
        return None
    span: Interval = gap.interval
    return Both(gap.category, first, second, (span.value, span.low, span.high), gap.p < SIGNIFICANT)


def _score(run: RunCard, rule: RuleCard, category: str) -> tuple[float, float, float] | None:
    average, _ = rule.headline
    row = run.score(rule.name, rule.metric, rule.alphas[0], category, average=average)
    if row is None or row.value is None:
        return None
    low, high = (math.nan if end is None else end for end in (row.low, row.high))
    return row.value, low, high


def _title(pair: Compared, both: Both) -> str:
    scores = ", ".join(
        f"{label} {value_words(*score)}"
        if not math.isnan(score[1])
        else f"{label} {100 * score[0]:.1f}"
        for label, score in zip(pair.labels, (both.first, both.second), strict=True)
    )
    verdict = "significant" if both.significant else "not significant"
    return f"{both.category}: {scores}; difference {value_words(*both.difference)}, {verdict}"
