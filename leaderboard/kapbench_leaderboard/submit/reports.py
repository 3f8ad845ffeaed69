"""What `kapbench submit` prints: reports of checks, of adapters' trials and of repeated runs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.running.results import RunCard
from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.entries.attachment import fetched
from kapbench_leaderboard.entries.schema import Entry, adapter_spec
from kapbench_leaderboard.entries.untrusted_files import read_entry
from kapbench_leaderboard.submit import results_folder
from kapbench_leaderboard.submit.adapter_trial import not_isolated, try_adapter
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.tables.build import Table, tables
from kapbench_leaderboard.tables.render import render

if TYPE_CHECKING:
    from kapbench_leaderboard.submit.reproduce import Reproduced


class Report(NamedTuple):
    """A text to print, and whether everything that it reports is in order."""

    text: str
    in_order: bool


def check_all(
    paths: Sequence[Path],
    base: str | None = None,
    records: Path | None = None,
    *,
    fetch: bool = False,
    progress: Progress | None = None,
    tables_as: Literal["text", "markdown"] = "markdown",
    width: int = 80,
) -> Report:
    """The check of entries, or of all entries below folders.

    Args:
        base: A git revision whose results may not be changed; its entries are not checked again.
        records: The records of the one entry that is given.
        fetch: Download records that lie elsewhere, from the address in their entry.
        tables_as: For a terminal, or for the comment on a pull request.
        width: Of the terminal, in characters.

    Raises:
        KapbenchError: a path without entries, or no git repository to compare with.
    """
    if records is not None and (len(paths) != 1 or paths[0].suffix != ".json"):
        raise KapbenchError(
            "Records belong to one entry", place=records, fix="Give the .json of that entry alone"
        )
    texts, in_order = [], True
    for root in paths:
        lines, new_tables, is_good = _check_folder(
            root, base, records, fetch, progress or Progress()
        )
        shown = render(new_tables, tables_as, width=width) if new_tables else ""
        texts.append(f"{_fenced(lines)}\n\n{shown}")
        in_order &= is_good
    return Report("\n".join(texts), in_order)


def _check_folder(
    root: Path, base: str | None, records: Path | None, fetch: bool, progress: Progress
) -> tuple[list[str], list[Table], bool]:
    """Lines on the entries, the tables of the new ones, and whether everything is in order."""
    entries = {path: _read_or_none(path) for path in results_folder.entries_at(root)}
    before = results_folder.accepted(root, base) if base else results_folder.NOTHING
    lines = [
        line
        for changed in before.changed
        for line in _refused(changed, ["Accepted results are never changed, only added to."])
    ]
    for stray in results_folder.stray_files(root, entries):
        lines += _refused(stray, [])
    in_order = not lines
    cards, new_plans, n_accepted = [], set(), 0
    new = [
        path for path, entry in entries.items() if entry is None or not before.holds(path, entry)
    ]
    for path, entry in entries.items():
        if entry is not None and before.holds(path, entry):
            cards.append(entry.run)
            n_accepted += 1
            continue
        if len(new) > 1:
            place = results_folder.results_of(root, entries)
            progress.say(f"{new.index(path) + 1}/{len(new)}  {_name(path, place)}")
        findings = _check_entry(path, entry, records, fetch, progress)
        lines += _refused(path, findings) if findings else [f"ok  {path}"]
        in_order &= not findings
        if not findings and entry is not None:
            cards.append(entry.run)
            new_plans.add(entry.run.plan_hash)
    if n_accepted:
        entries_word = "entry" if n_accepted == 1 else "entries"
        lines.append(f"accepted  {n_accepted} more {entries_word}, unchanged since {base}")
    return lines, _new_tables(cards, new_plans), in_order


def _name(path: Path, results: Path) -> str:
    """An entry's place below the folder of results, without its ending."""
    here = path.resolve()
    inside = here.relative_to(results) if here.is_relative_to(results) else path
    return escape_hidden(str(inside.with_suffix("")))


def _read_or_none(path: Path) -> Entry | None:
    try:
        return read_entry(path)
    except KapbenchError:
        return None  # the check reports why


def _check_entry(
    path: Path, entry: Entry | None, records: Path | None, fetch: bool, progress: Progress
) -> list[str]:
    """All that is wrong with an entry, whatever it does to the check."""
    try:
        with _records(entry, records, fetch, progress) as place:
            return check(path, place, progress)
    except KapbenchError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 - the other entries are checked all the same
        return [f"The check itself fails on this entry: {type(error).__name__}: {error}"]


@contextmanager
def _records(
    entry: Entry | None, records: Path | None, fetch: bool, progress: Progress
) -> Iterator[Path | None]:
    """Where the records are, if they do not lie beside their entry."""
    if entry is None or records is not None or not fetch or entry.records.url is None:
        yield records
        return
    with fetched(entry.records, progress) as path:
        yield path


def adapter_report(spec: str, entry: Entry | None = None) -> Report:
    """The trial of an adapter, FILE.py:Class. All of it may be a stranger's words.

    Args:
        entry: What the adapter was submitted with: it must be the model of this run.
    """
    run = None if entry is None else entry.run
    findings = try_adapter(spec) if run is None else try_adapter(spec, run.model, run.dataset.name)
    what = f"adapter {spec}"
    notes = [f"note  {sentence}" for sentence in not_isolated()]
    if findings:
        return refusal(what, [*findings, *notes])
    return Report(_fenced([f"ok  {what}", *notes]) + "\n", in_order=True)


def adapter_reports(paths: Sequence[Path], base: str | None = None) -> Iterator[Report]:
    """The trial of every adapter that `submitted_adapters` names."""
    for spec, entry in submitted_adapters(paths, base):
        yield adapter_report(spec, entry)


def submitted_adapters(paths: Sequence[Path], base: str | None = None) -> list[tuple[str, Entry]]:
    """FILE.py:Class of every adapter that came with an entry, less those of a git revision.

    Raises:
        KapbenchError: an entry that cannot be read, or no git repository to compare with.
    """
    adapters = []
    for root in paths:
        before = results_folder.accepted(root, base) if base else results_folder.NOTHING
        for path in results_folder.entries_at(root):
            entry = read_entry(path)
            if (spec := adapter_spec(path, entry)) and not before.holds(path, entry):
                adapters.append((spec, entry))
    return adapters


def reproduction_report(again: "Reproduced") -> Report:
    lines = [
        f"Ran {again.n_rows:,} rows of {again.n_pairs:,} pairs again, tolerance {again.tolerance:g}.",
        again.how,
    ]
    if again.rules_left_out:
        names = ", ".join(again.rules_left_out)
        lines.append(f"Not compared, because kapbench changed these rules since the run: {names}.")
    largest_first = sorted(again.differences.items(), key=lambda item: -item[1])
    lines += [f"  {column}: differs by up to {gap:.3g}" for column, gap in largest_first[:10]]
    lines.append("The rows agree." if again.agrees else "The rows DO NOT AGREE.")
    lines.append(
        "The scores were not checked: `kapbench submit check` computes them from the records."
    )
    return Report("\n".join(lines) + "\n", again.agrees)


def refusal(thing: str, findings: Sequence[str]) -> Report:
    return Report(_fenced(_refused(thing, findings)) + "\n", in_order=False)


def _refused(thing: object, findings: Sequence[str]) -> list[str]:
    return [f"REFUSED   {thing}", *(f"  - {f}".replace("\n", "\n    ") for f in findings)]


def _fenced(lines: Sequence[str]) -> str:
    """Lines as they are, less characters that would end the block or steer a terminal."""
    plain = [_plain(line) for text in lines for line in text.split("\n")]
    return "\n".join(["```", *plain, "```"])


def _plain(line: str) -> str:
    return escape_hidden(line.replace("`", "'"))


def _new_tables(cards: Sequence[RunCard], new_plans: Collection[str]) -> list[Table]:
    """The tables in which runs of these plans stand, among all that they are compared with."""
    groups = [g for g in group(cards) if any(card.plan_hash in new_plans for card in g.cards)]
    return tables(groups)
