"""The plug-in behind `kapbench submit`: what it prints and whether it is content."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.running.results import RunCard, load_card, load_records
from kapbench.storage import write_atomically
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.entries.as_runs import entry_runs
from kapbench_leaderboard.entries.attachment import fetched
from kapbench_leaderboard.entries.schema import Entry, adapter_spec
from kapbench_leaderboard.entries.untrusted_files import read_entry
from kapbench_leaderboard.submit import dataset_digest, results_folder
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.prepare import TEMPLATE, prepare
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.render import render

__all__ = ["TEMPLATE", "adapters", "check_all", "entry_runs", "make_manifest", "model_spec", "prepare",
           "refused_text", "reproduce_text", "trial_text"]  # fmt: skip


def check_all(
    paths: Sequence[Path],
    base: str | None = None,
    records: Path | None = None,
    *,
    fetch: bool = False,
    progress: Progress | None = None,
) -> tuple[str, bool]:
    """A report of entries, or of all below folders, and whether everything is in order.

    Args:
        base: A git revision whose results may not be changed; what it has is not checked again.
        records: The records of the one entry that is given.
        fetch: Get records that lie elsewhere from where their entry says.

    Raises:
        KapbenchError: a path without entries, or no git repository to compare with.
    """
    if records is not None and (len(paths) != 1 or paths[0].suffix != ".json"):
        raise KapbenchError(
            "records are of one entry", place=records, fix="give that entry's .json alone"
        )
    parts, good = [], True
    for root in paths:
        report, fine = _checked(root, base, records, fetch, progress or Progress())
        parts.append(report)
        good &= fine
    return "\n".join(parts), good


def _checked(
    root: Path, base: str | None, records: Path | None, fetch: bool, progress: Progress
) -> tuple[str, bool]:
    entries = {path: _loaded(path) for path in results_folder.entries_at(root)}
    before = results_folder.accepted(root, base) if base else results_folder.NOTHING
    lines = [
        line
        for changed in before.changed
        for line in refused(changed, ["accepted results are never changed, only added to"])
    ]
    for stranger in results_folder.strangers(root, entries):
        lines += refused(stranger, [])
    good = not lines
    cards, new, n_same = [], set(), 0
    for path, entry in entries.items():
        if entry is not None and before.holds(path, entry):
            cards.append(entry.run)
            n_same += 1
            continue
        found = _found(path, entry, records, fetch, progress)
        lines += refused(path, found) if found else [f"in order  {path}"]
        good &= not found
        if not found and entry is not None:
            cards.append(entry.run)
            new.add(entry.run.plan_hash)
    if n_same:
        lines.append(f"accepted  {n_same} more, unchanged since {base}")
    return f"{fenced(lines)}\n\n{boards(cards, new)}", good


def _loaded(path: Path) -> Entry | None:
    try:
        return read_entry(path)
    except KapbenchError:
        return None  # the check says why


def _found(
    path: Path, entry: Entry | None, records: Path | None, fetch: bool, progress: Progress
) -> list[str]:
    """All that is wrong with an entry, whatever it does to the check."""
    try:
        with _records(entry, records, fetch, progress) as place:
            return check(path, place, progress)
    except KapbenchError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 - one entry must not hide what is said of the others
        return [f"the check itself fails on it: {type(error).__name__}: {error}"]


@contextmanager
def _records(
    entry: Entry | None, given: Path | None, fetch: bool, progress: Progress
) -> Iterator[Path | None]:
    if entry is None or given is not None or not fetch or entry.records.url is None:
        yield given
        return
    with fetched(entry.records, progress) as path:
        yield path


def adapters(paths: Sequence[Path], base: str | None = None) -> list[tuple[str, Entry]]:
    """FILE.py:Class of every adapter that came with an entry, less what a git revision has.

    Raises:
        KapbenchError: an entry that cannot be read, or no git repository to compare with.
    """
    found = []
    for root in paths:
        before = results_folder.accepted(root, base) if base else results_folder.NOTHING
        for path in results_folder.entries_at(root):
            entry = read_entry(path)
            if (spec := adapter_spec(path, entry)) and not before.holds(path, entry):
                found.append((spec, entry))
    return found


def refused_text(thing: str, findings: Sequence[str]) -> str:
    return fenced(refused(thing, findings)) + "\n"


def trial_text(thing: str, findings: Sequence[str]) -> str:
    """What became of an adapter's trial; all of it may be a stranger's words."""
    return fenced(refused(thing, findings) if findings else [f"in order  {thing}"]) + "\n"


def make_manifest(folder: Path, to: Path) -> Path:
    """Writes the manifest of a run's data set; returns its path."""
    made = dataset_digest.make(load_card(folder), load_records(folder))
    path = to / made.file_name
    write_atomically(path, (made.model_dump_json(indent=1) + "\n").encode())
    return path


def model_spec(path: Path) -> str:
    """What to load an entry's model by. KapbenchError where nothing installed fits."""
    from kapbench_leaderboard.submit.reproduce import spec

    return spec(path, read_entry(path))


def reproduce_text(
    path: Path,
    n: int,
    *,
    model: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    records: Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> tuple[str, bool]:
    """A report of a run repeated on `n` pairs, and whether it agrees."""
    from kapbench_leaderboard.submit.reproduce import reproduce

    found = reproduce(
        path, n, model=model, data_root=data_root, device=device, tolerance=tolerance,
        records=records, options=options, progress=progress,
    )  # fmt: skip
    lines = [
        f"{found.n_rows:,} rows of {found.n_pairs:,} pairs run again, tolerance {found.within:g}"
    ]
    worst = sorted(found.worst.items(), key=lambda item: -item[1])
    lines += [f"  {column}: differs by up to {gap:.3g}" for column, gap in worst[:10]]
    lines.append("agrees" if found.agrees else "DOES NOT AGREE")
    return "\n".join(lines) + "\n", found.agrees


def fenced(lines: Sequence[str]) -> str:
    """Lines as they are, less signs that would end the block or steer a terminal."""
    plain = [_plain(line) for text in lines for line in text.split("\n")]
    return "\n".join(["```", *plain, "```"])


def refused(thing: object, findings: Sequence[str]) -> list[str]:
    return [f"REFUSED   {thing}", *(f"  - {f}".replace("\n", "\n    ") for f in findings)]


def boards(cards: Sequence[RunCard], new: Collection[str]) -> str:
    """The tables in which runs of these plans stand, among all that they are compared with."""
    shown = [g for g in group(cards) if any(card.plan_hash in new for card in g.cards)]
    return render(tables(shown), "markdown") if shown else ""


def _plain(line: str) -> str:
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line.replace("`", "'")
    )
