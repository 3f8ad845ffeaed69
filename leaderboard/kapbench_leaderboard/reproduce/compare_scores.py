"""Published scores beside those measured here, and whether they agree within a tolerance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kapbench.running.results import RunCard
from kapbench_leaderboard.published.load import Repeatable
from kapbench_leaderboard.published.schema import Measure, Way

ALL = "all"  # of an average over categories, in place of a category's name
ENTRY_TOLERANCE = 0.05  # points: half of what tables print
_ROUNDING = 1e-6  # points, of the differences themselves


@dataclass(frozen=True, slots=True)
class Line:
    """One published number and its counterpart, both ×100.

    `of`: what was measured, e.g. "pck-sd-dino, per point". `category`: a category's name, or how
    categories were averaged. `published`, `here`: None where the score is not defined.
    """

    of: str
    alpha: float
    category: str
    published: float | None
    here: float | None
    tolerance: float
    is_average: bool

    @property
    def difference(self) -> float | None:
        if self.here is None or self.published is None:
            return None
        return self.here - self.published

    @property
    def within(self) -> bool:
        """A number that is defined in one place alone does not agree."""
        difference = self.difference
        return difference is not None and abs(difference) <= self.tolerance + _ROUNDING


def lines_of_row(row: Repeatable, run: RunCard) -> list[Line]:
    """A published row beside a run: its averages, where every category is here, and its categories.

    Of several categories with a printed number, where others are missing here, also the mean.
    """
    complete = is_complete(run)
    averages = _averages(row, run) if complete else []
    categories = list(_categories(row, run))
    if not complete and len(categories) > 1 and row.measure.ways[0].over == "mean":
        averages = [_mean(categories, row.measure)]
    return [*averages, *categories]


def what(rule: str, metric: str, average: str) -> str:
    """What a score is, e.g. "kap-v1, KAP per category"."""
    name = metric.upper() if metric in ("kap", "pck") else metric.replace("_", " ")
    return f"{rule}, {name} per {average}"


def is_complete(run: RunCard) -> bool:
    return {*run.dataset.categories} == {*run.dataset.categories_expected}


def _averages(row: Repeatable, run: RunCard) -> list[Line]:
    measure = row.measure
    return [
        Line(
            str(way),
            alpha,
            ALL,
            published,
            _here(run, measure, way, alpha, way.over),
            measure.tolerance,
            True,
        )
        for alpha, published in row.row.values.items()
        for way in measure.ways
    ]


def _categories(row: Repeatable, run: RunCard) -> Iterator[Line]:
    measure, way = row.measure, row.measure.ways[0]
    alpha = next(iter(row.row.values))
    of = f"{way.rule}, per {way.average}"
    for category, published in row.row.categories.items():
        if category in run.dataset.categories:
            here = _here(run, measure, way, alpha, category)
            yield Line(of, alpha, category, published, here, measure.category_tolerance, False)


def _here(run: RunCard, measure: Measure, way: Way, alpha: float, category: str) -> float | None:
    score = run.score(way.rule, measure.metric, alpha, category, average=way.average)
    return None if score is None or score.value is None else 100 * score.value


def _mean(categories: Sequence[Line], measure: Measure) -> Line:
    n = len(categories)
    here = [line.here for line in categories if line.here is not None]
    return Line(
        categories[0].of,
        categories[0].alpha,
        f"mean of {n} categories",
        sum(line.published or 0 for line in categories) / n,
        sum(here) / n if len(here) == n else None,
        measure.tolerance,
        True,
    )


def agree(lines: Iterable[Line]) -> bool:
    """Whether all categories agree, and of each alpha's averages at least one.

    A source that does not say how it averages has several, of which one is its own.
    """
    lines = list(lines)
    averages = [line for line in lines if line.is_average]
    alphas = {line.alpha for line in averages}
    return all(line.within for line in lines if not line.is_average) and all(
        any(line.within for line in averages if line.alpha == alpha) for alpha in alphas
    )


def lines_of_entry(
    entry: RunCard, run: RunCard, rules: Sequence[str], tolerance: float | None
) -> list[Line]:
    """Every score of an entry by these rules that the run has too; the rules' own numbers first.

    Where the run has fewer categories than the entry, averages over them are left out.

    Args:
        tolerance: None: 0.05 points, or what one of the keypoints or pairs of a score makes if that
            is more. Rounding, which differs between machines, moves a match where two cells tie.
    """
    same = {*entry.dataset.categories} == {*run.dataset.categories}
    overs = {score.category for score in entry.scores} - {*entry.dataset.categories}
    headlines = {rule.name: rule.headline for rule in entry.rules}
    ranked: list[tuple[int, Line]] = []
    for score in entry.scores:
        is_average = score.category in overs
        measured = run.score(
            score.rule,
            score.metric,
            score.alpha,
            score.category,
            average=score.average,
            split=score.split,
        )
        if score.rule not in rules or measured is None or (is_average and not same):
            continue
        if score.value is None and measured.value is None:
            continue
        average, over = headlines[score.rule]
        own = score.metric in ("kap", "pck") and (score.average, score.split) == (average, "all")
        rank = 2 if not own else 0 if score.category == over else 1 if not is_average else 2
        split = "" if score.split == "all" else f", {score.split}"
        of = f"{what(score.rule, score.metric, score.average)}{split}"
        here = None if measured.value is None else 100 * measured.value
        published = None if score.value is None else 100 * score.value
        allowed = tolerance
        if allowed is None:
            allowed = max(ENTRY_TOLERANCE, 100 / score.n if score.n else 0.0)
        line = Line(of, score.alpha, score.category, published, here, allowed, is_average)
        ranked.append((rank, line))
    return [line for _, line in sorted(ranked, key=lambda each: each[0])]
