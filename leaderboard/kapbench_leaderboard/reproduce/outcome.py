"""Measures a published row or an entry again, and compares."""

from dataclasses import dataclass

from kapbench.errors import KapbenchError
from kapbench.identity.model_identity import is_same_revision
from kapbench.progress import Progress
from kapbench.running.result_set import ResultSet
from kapbench.running.run import run_opened
from kapbench.running.run_folder import check_writable
from kapbench.scoring.rules import PckRule
from kapbench_leaderboard.entries.schema import records_path
from kapbench_leaderboard.entries.untrusted_files import RECORDS, read_records, refuse_unfit
from kapbench_leaderboard.published.load import Repeatable
from kapbench_leaderboard.reproduce.compare_scores import Line, agree, lines_of_entry, lines_of_row
from kapbench_leaderboard.reproduce.equal_points import EqualPoints, equal_points
from kapbench_leaderboard.reproduce.requests import (
    Choices,
    Prepared,
    request_of_entry,
    request_of_row,
)
from kapbench_leaderboard.reproduce.targets import EntryTarget, Target


@dataclass(frozen=True)
class Outcome:
    """`equal_points`: of an entry whose records are here. `notes`: what a reader must know."""

    target: Target
    prepared: Prepared
    result: ResultSet
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    equal_points: EqualPoints | None = None

    @property
    def agrees(self) -> bool:
        if isinstance(self.target, EntryTarget):
            return all(line.within for line in self.lines)
        return agree(self.lines)


def prepare(target: Target, chosen: Choices) -> Prepared:
    """Raises KapbenchError: see `check_writable`, `request_of_row` and `request_of_entry`."""
    check_writable(chosen.runs_root)
    if isinstance(target, EntryTarget):
        return request_of_entry(target, chosen)
    return request_of_row(target, chosen)


def measure(
    target: Target,
    prepared: Prepared,
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Runs what was prepared, or reads it back where it is finished, and compares.

    Args:
        tolerance: In points, of every number; None: that of the row; of an entry, see
            `lines_of_entry`.

    Raises:
        KapbenchError: see `RunRequest.open` and `run_opened`; nothing can be compared.
    """
    result = run_opened(prepared.request.open(), progress)
    if isinstance(target, EntryTarget):
        outcome = _of_entry(target, prepared, result, tolerance)
    else:
        outcome = _of_row(target, prepared, result, tolerance)
    if not outcome.lines:
        raise KapbenchError(
            "The run has none of the published scores",
            place=target.name,
            fix="Complete the data set, as `kapbench list datasets` says",
        )
    return outcome


def _of_row(
    target: Repeatable, prepared: Prepared, result: ResultSet, tolerance: float | None
) -> Outcome:
    if tolerance is not None:
        changed = {"tolerance": tolerance, "category_tolerance": tolerance}
        row = Repeatable(
            target.table, target.row, target.measure.model_copy(update=changed), target.parts
        )
    else:
        row = target
    return Outcome(target, prepared, result, tuple(lines_of_row(row, result.card)), prepared.notes)


def _of_entry(
    target: EntryTarget, prepared: Prepared, result: ResultSet, tolerance: float | None
) -> Outcome:
    entry, run = target.entry.run, result.card
    rules = [rule.name for rule in prepared.request.rules]
    lines = tuple(lines_of_entry(entry, run, rules, tolerance))
    notes = list(prepared.notes)
    if not is_same_revision(entry.model.revision, run.model.revision):
        notes.append(
            f"The model has revision {run.model.revision} here, and the entry has "
            f"{entry.model.revision}: another model was measured."
        )
    if left_out := [rule.name for rule in entry.rules if rule.name not in rules]:
        notes.append(
            f"Not compared, because scoring has changed them since: {', '.join(left_out)}."
        )
    if missing := {*entry.dataset.categories} - {*run.dataset.categories}:
        notes.append(f"Categories of the entry that are not here: {', '.join(sorted(missing))}.")
    records = records_path(target.path)
    if not records.exists():
        notes.append("The entry's records are not beside it: predicted points were not compared.")
        return Outcome(target, prepared, result, lines, tuple(notes))
    refuse_unfit(records, RECORDS, target.entry.records)
    decodes = [entry.decode(r) for r in prepared.request.rules if isinstance(r, PckRule)]
    points = equal_points(read_records(records, entry), result.records, decodes)
    return Outcome(target, prepared, result, lines, tuple(notes), points)
