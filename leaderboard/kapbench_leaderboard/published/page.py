"""The page of published numbers: where published numbers disagree, and what repeats them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import fill

from kapbench_leaderboard.published.disagreements import Disagreement, choices_of, disagreements
from kapbench_leaderboard.published.load import numbers, repeatable
from kapbench_leaderboard.published.schema import Quoted, Row, Table
from kapbench_leaderboard.tables.markdown_text import pipe

_ALPHA = 0.1  # of the disagreements that the page shows
_AT_LEAST = 1.0  # points between the largest and the smallest number
TEXT = """\
# Published numbers, and where they disagree

<!-- Written by docs/make_published_page.py from published.json: edit that, not this page. -->

`leaderboard/kapbench_leaderboard/published.json` quotes {n_numbers} numbers of {n_tables} tables, each
with its source. {n_repeatable} of its {n_rows} rows can be repeated by one command, which
`kapbench reproduce --list` shows; every other row says why it cannot. [How to repeat one](reproduce.md).

{about}

## Where numbers of one model on one data set disagree

Of {at_least:g} point or more, at α = 0.1; by data set, those with an explanation first, then the widest.
A grade of P is the authors' own number, 2 one in another paper's table. "Differ in" lists the choices
that the sources state and that differ; where they state none, the reader cannot know. What explains a
difference is ours to say, and is said only where the numbers themselves show it.

{disagreements}

## What could not be read

Numbers are quoted only from sources that were read. These were not:

{not_seen}

## Every table

{tables}
"""


def page(quoted: Quoted) -> str:
    rows = list(quoted.rows())
    wide = [each for each in disagreements(quoted, _AT_LEAST) if each.alpha == _ALPHA]
    return TEXT.format(
        n_numbers=len(list(numbers(quoted))),
        n_tables=len(quoted.tables),
        n_rows=len(rows),
        n_repeatable=sum(repeatable(quoted, table, row) is not None for table, row in rows),
        about=fill(quoted.about, 100),
        at_least=_AT_LEAST,
        disagreements="\n\n".join(_of_datasets(wide)),
        not_seen="\n".join(f"* {each}" for each in quoted.not_seen),
        tables="\n".join(_tables(quoted)),
    )


def _of_datasets(every: Iterable[Disagreement]) -> Iterator[str]:
    for dataset, group in groupby(every, key=lambda each: each.dataset):
        yield f"### {dataset}"
        every_one = list(group)
        yield from (_section(each) for each in every_one if each.explanation)
        if others := [each for each in every_one if not each.explanation]:
            yield "\n".join(_short_table(others))


def _section(each: Disagreement) -> str:
    lines = [
        pipe(
            (
                f"{n.value:g}",
                n.average,
                f"{_short(n.table.source)}, {n.table.table}",
                n.grade,
                n.name,
            )
        )
        for n in each.numbers
    ]
    differ = "".join(f"\n* {name}: {'; '.join(values)}" for name, values in _choices(each))
    largest, smallest = each.numbers[0].value, each.numbers[-1].value
    texts = [
        f"**{each.method}**, {smallest:g} to {largest:g}. {each.explanation}",
        "\n".join([pipe(_HEAD), "|---|---|---|---|---|", *lines]),
        f"They differ in:\n{differ}" if differ else "The sources state no difference.",
    ]
    return "\n\n".join(texts)


_HEAD = ("value", "average", "source", "grade", "name")


def _short_table(every: Sequence[Disagreement]) -> Iterator[str]:
    yield pipe(("model", "points apart", "numbers", "differ in"))
    yield "|---|---|---|---|"
    for each in every:
        values = "; ".join(f"{n.value:g} {n.name}" for n in each.numbers)
        differ = ", ".join(each.differ_in) or "nothing that the sources state"
        yield pipe((each.method, f"{each.spread:.1f}", values, differ))


def _choices(each: Disagreement) -> Iterator[tuple[str, list[str]]]:
    """Every differing choice with the values that sources state."""
    for name in each.differ_in:
        stated = dict.fromkeys(choices_of(n).get(name, "not stated") for n in each.numbers)
        yield name, [value for value in stated if not value.startswith("not stated")]


def _tables(quoted: Quoted) -> Iterator[str]:
    yield pipe(("name", "source", "data set", "metric", "average", "rows", "repeated by"))
    yield "|---|---|---|---|---|---|---|"
    for table in quoted.tables:
        n = sum(repeatable(quoted, table, row) is not None for row in table.rows)
        rules = dict.fromkeys(way.rule for way in table.measure.ways) if table.measure else ()
        how = f"{', '.join(rules)}: {n}" if n else _why_not(table, table.rows[0])
        yield pipe(
            (
                table.name,
                f"{_short(table.source)}, {table.table}",
                f"{table.dataset}, {table.subset}",
                table.metric,
                table.average,
                f"{len(table.rows)}",
                how,
            )
        )


def _why_not(table: Table, row: Row) -> str:
    return f"none: {(row.why_not or table.why_not).rstrip('.')}"


def _short(source: str) -> str:
    """A source without what stands in brackets."""
    return source.partition(" (")[0]
