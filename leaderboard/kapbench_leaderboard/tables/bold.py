"""Which cells of a table are set in bold: the best of a column, and all that may be as good."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import best_and_not_different
from kapbench_leaderboard.tables.build import Row, Table
from kapbench_leaderboard.tables.columns import Column
from kapbench_leaderboard.tables.format_cells import heading, metric_title

_TESTED = (
    "Bold: the best model of a column, and every model that is not significantly different from it "
    "(paired test, p ≥ 0.05 after Holm's correction over the models)."
)
_NOT_TESTED = "Bold: the best score of a column. Differences were not tested."


@dataclass(frozen=True, slots=True)
class Bold:
    """`rows`: for each column, the places of its rows in bold.

    `tested`: for each column, whether the differences between its best model and the others were
    tested.
    """

    rows: tuple[frozenset[int], ...]
    tested: tuple[bool, ...]


def notes_on_bold(tables: Sequence[Table], bolds: Sequence[Bold]) -> list[str]:
    """What bold means in tables that stand together; nothing where nothing is bold."""
    tested = any(
        rows and was_tested
        for marks in bolds
        for rows, was_tested in zip(marks.rows, marks.tested, strict=True)
    )
    untested = [n for t, marks in zip(tables, bolds, strict=True) for n in _untested(t, marks)]
    if not tested:
        return [_NOT_TESTED] if untested else []
    if not untested:
        return [_TESTED]
    return [_TESTED, f"Bold in {', '.join(untested)}: the best score, which was not tested."]


def _untested(table: Table, marks: Bold) -> list[str]:
    """Columns of a table whose bold was not tested; by category, the metric where it is all of them."""
    columns = [
        (heading(column), tested)
        for column, rows, tested in zip(table.columns, marks.rows, marks.tested, strict=True)
        if rows
    ]
    untested = [name for name, tested in columns if not tested]
    if table.view != "category":
        return untested
    title = metric_title(table)
    whole = bool(untested) and len(untested) == len(columns)
    return [title] if whole else [f"{title} of {name}" for name in untested]


def bold(table: Table, resamples: Mapping[str, Resamples]) -> Bold:
    """Of models alone, in the columns that may order at least two of them.

    Args:
        resamples: By the hash of a run's records; runs without any are not tested.
    """
    of_columns = [_of_column(table, i, resamples) for i in range(len(table.columns))]
    return Bold(tuple(rows for rows, _ in of_columns), tuple(tested for _, tested in of_columns))


def _of_column(
    table: Table, i: int, resamples: Mapping[str, Resamples]
) -> tuple[frozenset[int], bool]:
    column = table.columns[i]
    rows = [
        (place, row, row.cells[i].value)
        for place, row in enumerate(table.rows)
        if not row.is_control and row.cells[i].value is not None
    ]
    if len(rows) < 2 or not column.ranks or table.view == "paired":
        return frozenset(), False
    values = [value for _, _, value in rows if value is not None]
    best = (min if column.lower_is_better else max)(values)
    highest = frozenset(place for place, _, value in rows if value == best)
    known = _resamples_of([row for _, row, _ in rows], resamples)
    place_of_scores = None if known is None else resampled_column(table, column, known[0].columns)
    if known is None or place_of_scores is None:
        return highest, False
    alike = best_and_not_different(known, *place_of_scores)
    if alike is None:
        return highest, False
    places = [place for (place, _, _), same in zip(rows, alike, strict=True) if same]
    return highest | frozenset(places), True


def _resamples_of(
    rows: Sequence[Row], resamples: Mapping[str, Resamples]
) -> list[Resamples] | None:
    known = [resamples.get(row.card.provenance.records_sha256) for row in rows]
    of_rows = [each for each in known if each is not None]
    return of_rows if len(of_rows) == len(rows) else None


def resampled_column(
    table: Table, column: Column, resampled: Collection[str]
) -> tuple[str, str | None] | None:
    """The column of resamples with a column's scores, and its category, None for the average.

    None: there are no resamples of such scores.

    Args:
        resampled: The columns of the resamples.
    """
    if column.key in resampled:  # of a metric beside the rules' own
        return column.key, None
    for rule in table.group.rules:
        name = stem(rule, table.group.rules)
        own = f"{rule.name if table.view == 'rule' else rule.metric}@{table.alpha:.2f}"
        of_split = f"{name}{column.key.removeprefix(own)}"
        if name not in resampled or not column.key.startswith(own):
            continue
        if column.key == own:
            return name, None
        category = column.key.removeprefix(f"{own}.")
        if table.view == "category" and category in table.group.dataset.categories:
            return name, category
        if table.view != "category" and of_split in resampled:
            return of_split, None
    return None
