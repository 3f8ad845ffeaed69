"""Published numbers of one method on one data set that disagree, and the choices that differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from kapbench_leaderboard.published.load import Number, numbers
from kapbench_leaderboard.published.schema import Quoted, Row, Table

_METRICS = {"PCK": "", "concept PCK": ", concepts", "identity": ", identity"}
AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Numbers of one method, data set, metric and alpha; the largest first. Two or more differ."""

    method: str
    dataset: str  # with the subset and the metric where they are not the usual ones
    alpha: float
    numbers: tuple[Number, ...]
    differ_in: tuple[str, ...]  # names of choices that the sources state and that differ
    explanation: str  # ours; empty where nobody has written one

    @property
    def spread(self) -> float:
        """Between the largest and the smallest, in points."""
        return self.numbers[0].value - self.numbers[-1].value


def disagreements(quoted: Quoted, at_least: float = 0.1) -> list[Disagreement]:
    """All of at least so many points, by data set, then the widest first."""
    groups: dict[tuple[str, str, float], list[Number]] = {}
    for number in numbers(quoted):
        method = quoted.same_method.get(number.row.method, number.row.method)
        groups.setdefault((method, _dataset(number), number.alpha), []).append(number)
    texts = {(e.method, e.dataset): e.text for e in quoted.explanations}
    made = [
        Disagreement(
            method,
            dataset,
            alpha,
            tuple(sorted(group, key=lambda n: -n.value)),
            _differ_in(group),
            texts.get((method, dataset), ""),
        )
        for (method, dataset, alpha), group in groups.items()
    ]
    wide = [each for each in made if each.spread >= at_least - 1e-9]
    return sorted(wide, key=lambda d: (d.dataset, -d.alpha, -d.spread, d.method))


def explanation(quoted: Quoted, table: Table, row: Row) -> str:
    """What is known of how published numbers of a row's method on its data set disagree, or ""."""
    method = quoted.same_method.get(row.method, row.method)
    texts = (e.text for e in quoted.explanations if (e.method, e.dataset) == (method, _of(table)))
    return next(texts, "")


def _dataset(number: Number) -> str:
    return _of(number.table)


def _of(table: Table) -> str:
    subset = "" if table.subset == "all categories" else f", {table.subset}"
    return f"{table.dataset}{subset}{_METRICS.get(table.metric, f', {table.metric}')}"


def choices_of(number: Number) -> dict[str, str]:
    """What a source says of how it measures, by the choice's name; the average among them."""
    return {AVERAGE: number.average, **number.table.choices}


def _differ_in(group: Sequence[Number]) -> tuple[str, ...]:
    """Choices that two sources state differently. One that a source does not state is not counted."""
    stated: dict[str, set[str]] = {}
    for number in group:
        for name, choice in choices_of(number).items():
            if not choice.startswith("not stated"):
                stated.setdefault(name, set()).add(choice)
    return tuple(name for name, choices in stated.items() if len(choices) > 1)
