"""What `kapbench reproduce --list` shows: published rows by table, then the board's entries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from kapbench.errors import KapbenchError, counted
from kapbench_leaderboard.entries.schema import find_entries, load_entry
from kapbench_leaderboard.published.load import Repeatable, repeatable
from kapbench_leaderboard.published.schema import Quoted, Row, Table
from kapbench_leaderboard.reproduce.availability import READY, Availability
from kapbench_leaderboard.reproduce.targets import EntryTarget

_WIDTH = 80
_LONGEST_NAME = 44
_ABOUT = (
    "Each line: a name for `kapbench reproduce NAME`, its number ×100, and `ready` or what is missing "
    "on this machine. Where that is `no weights` alone, the run downloads them from the hub."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One line. `state`: ready, what is missing here, or why no command repeats the row.

    `how`: the parts of the command for a published row, as in published.json.
    """

    name: str
    heading: str  # of the table
    method: str
    model: str | None
    dataset: str
    values: dict[str, float]  # by what is printed before the number, ×100
    state: str
    repeated: bool
    how: dict[str, object] = field(default_factory=dict)

    def matches(self, text: str | None, dataset: str | None, model: str | None) -> bool:
        """Each filter is a part of a text, whatever its case."""

        def has(part: str | None, *texts: str | None) -> bool:
            return part is None or any(part.lower() in (t or "").lower() for t in texts)

        return (
            has(text, self.name, self.heading, self.method, self.model, self.dataset)
            and has(dataset, self.dataset, self.heading)
            and has(model, self.method, self.model)
        )


def listed(
    quoted: Quoted,
    results: Path,
    here: Availability,
    *,
    text: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
) -> Iterator[Listed]:
    """Every row and entry that the filters leave; what is here is looked up of these alone."""
    for table, row in quoted.rows():
        line = _line(quoted, table, row)
        if line.matches(text, dataset, model):
            target = repeatable(quoted, table, row)
            yield line if target is None else _with_state(line, here.of(target))
    for path in find_entries(results) if results.is_dir() else ():
        if not _is_named(path, text, dataset, model):  # reading an entry takes time
            continue
        if (entry := _entry(path)) is not None:
            yield _with_state(_entry_line(entry), here.of(entry))


def _is_named(path: Path, text: str | None, dataset: str | None, model: str | None) -> bool:
    """Filters of an entry: its name is that of its folders, DATASET/MODEL."""
    of_dataset, of_model = path.parts[-3:-1]
    parts = (text, f"{of_dataset}/{of_model}"), (dataset, of_dataset), (model, of_model)
    return all(part is None or part.lower() in name.lower() for part, name in parts)


def _line(quoted: Quoted, table: Table, row: Row) -> Listed:
    name = f"{table.name}.{row.name}"
    values = {f"@{alpha:g}": value for alpha, value in row.values.items()}
    target = repeatable(quoted, table, row)
    subset = "" if table.subset == "all categories" else f", {table.subset}"
    average = "" if table.average == "not stated" else f", {table.average}"
    alpha = next(iter(row.values))
    return Listed(
        name,
        f"{table.source}, {table.table}: {table.metric}@{alpha:g} on {table.dataset}{subset}{average}",
        row.method,
        None if target is None else target.parts.model,
        table.dataset if target is None else target.measure.dataset,
        values,
        row.why_not or table.why_not,
        target is not None,
        {} if target is None else _how(target),
    )


def _how(row: Repeatable) -> dict[str, object]:
    parts = {key: value for key, value in row.parts.model_dump().items() if key != "differs"}
    differs = [text for text in (row.measure.differs, row.parts.differs) if text]
    return {**row.measure.model_dump(mode="json"), **parts, "differs": " ".join(differs)}


def _with_state(line: Listed, state: str) -> Listed:
    return replace(line, state=state)


def _entry(path: Path) -> EntryTarget | None:
    """None where the file is not an entry: `kapbench submit check` says why."""
    try:
        return EntryTarget(path, load_entry(path))
    except KapbenchError:
        return None


def _entry_line(target: EntryTarget) -> Listed:
    run = target.entry.run
    scores: dict[str, float] = {}
    for rule in run.rules:
        score = run.headline(rule, rule.alphas[0])
        if score is not None and score.value is not None:
            scores.setdefault(f"{rule.metric.upper()}@{rule.alphas[0]:g}", 100 * score.value)
    heading = f"Entries of the board on {run.dataset.name}: {next(iter(scores), 'no score')}"
    return Listed(
        target.name,
        heading,
        target.entry.card.title,
        run.model.name,
        run.dataset.name,
        scores,
        "",
        True,
    )


def lines_of(every: Iterable[Listed], *, show_all: bool = False) -> Iterator[str]:
    """Text on 80 columns.

    Args:
        show_all: Also the rows that no command repeats, with the reason.
    """
    every = list(every)
    shown = [each for each in every if each.repeated or show_all]
    if shown:
        yield from wrap(_ABOUT, _WIDTH)
        yield ""
    width = min(_LONGEST_NAME, max((len(each.name) for each in shown), default=0))
    for heading, group in groupby(shown, key=lambda each: each.heading):
        yield from wrap(heading, _WIDTH)
        for each in group:
            yield from _line_text(each, width)
        yield ""
    ready = sum(each.state.startswith(READY) for each in shown)
    yield f"{counted(len(shown), 'row')} listed; {ready:,} can be repeated on this machine now."
    if n := len(every) - len([each for each in every if each.repeated]):
        rest = (
            f"{n:,} more cannot be repeated by a command: --all lists them, each with the reason."
        )
        yield from wrap(rest, _WIDTH)


def _line_text(each: Listed, width: int) -> Iterator[str]:
    value = next(iter(each.values.values()), None)
    printed = "" if value is None else f"{value:.2f}".removesuffix("0")
    head = f"  {each.name:{width}}  {printed:>6}  "
    room = _WIDTH - len(head)
    if room >= min(len(each.state), 24):
        first, *more = wrap(each.state, room) or [""]
        yield f"{head}{first}".rstrip()
        yield from (f"{'':{len(head)}}{line}" for line in more)
    else:
        yield head.rstrip()
        yield from (f"      {line}" for line in wrap(each.state, _WIDTH - 6))
