"""Which cells of a table are bold: the best of a column, and all not significantly different."""

from collections.abc import Collection, Mapping, Sequence

from kapbench.scoring.part_scores import CONCEPT
from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import best_and_not_different
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Column
from kapbench_leaderboard.tables.notes_on_images import NOT_TESTED
from kapbench_leaderboard.tables.rows import Row

NOTE = (
    "Bold: the best model of a column, and every model that is not significantly different from it "
    "(paired test, p ≥ 0.05 after Holm's correction over the models). Nothing is bold where this was "
    "not tested."
)
NOTHING = f"Nothing is bold: {NOT_TESTED}."


def bold(table: Table, resamples: Mapping[str, Resamples]) -> tuple[frozenset[int], ...]:
    """For each column, the places of its rows in bold: of models alone, and of at least two.

    A column has none where the differences between its best model and the others are not tested,
    and the table has none where its models cannot be ranked.

    Args:
        resamples: By the hash of a run's records; runs without any are not tested.
    """
    if cannot_be_ranked(table, resamples):
        return (frozenset(),) * len(table.columns)
    return tuple(_of_column(table, i, resamples) for i in range(len(table.columns)))


def cannot_be_ranked(table: Table, resamples: Mapping[str, Resamples]) -> bool:
    """Whether the score that ranks the models has too few images for a test, or undefined resamples.

    In a category with more images a test would mark nearly every model.
    """
    rows = [row for row in table.rows if not row.is_control]
    known = _resamples_of(rows, resamples)
    if table.ranking is None or len(rows) < 2 or known is None:
        return False
    column = stem(table.ranking, table.group.rules)
    return column in known[0].columns and best_and_not_different(known, column) is None


def _of_column(table: Table, i: int, resamples: Mapping[str, Resamples]) -> frozenset[int]:
    column = table.columns[i]
    rows = [
        (place, row)
        for place, row in enumerate(table.rows)
        if not row.is_control and row.cells[i].value is not None
    ]
    known = _resamples_of([row for _, row in rows], resamples)
    if len(rows) < 2 or not column.ranks or table.view == "paired" or known is None:
        return frozenset()
    resampled = resampled_column(table, column, known[0].columns)
    alike = None if resampled is None else best_and_not_different(known, *resampled)
    if alike is None:
        return frozenset()
    return frozenset(place for (place, _), same in zip(rows, alike, strict=True) if same)


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
    # Not the wrong members: a model that finds few parts has the fewest.
    if CONCEPT in resampled and column.key == f"{CONCEPT}@{table.alpha:.2f}":
        return CONCEPT, None
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
