"""Whether the numbers of a submission are those of its records. Imports no torch."""

from collections.abc import Iterator
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.scoring.score_table import score_requests
from kapbench.storage import file_hash
from kapbench_leaderboard.entries import schema
from kapbench_leaderboard.entries.schema import Entry
from kapbench_leaderboard.entries.untrusted_files import (
    RECORDS,
    RESAMPLES,
    read_entry,
    read_records,
    refuse_unfit,
)
from kapbench_leaderboard.submit.card_template import examples, unfilled
from kapbench_leaderboard.submit.check_controls import other_rows, wrong_control
from kapbench_leaderboard.submit.check_rows import wrong_rows
from kapbench_leaderboard.submit.check_run_card import wrong_run_card
from kapbench_leaderboard.submit.check_scores import (
    Replicated,
    wrong_remarks,
    wrong_resamples,
    wrong_scores,
)
from kapbench_leaderboard.submit.check_text import wrong_texts


def check(path: Path, records: Path | None = None, progress: Progress | None = None) -> list[str]:
    """Everything that is wrong with a submission, in sentences; empty: it can be accepted.

    Args:
        path: The entry; its other files lie beside it.
        records: The records, if they do not lie beside the entry.
    """
    try:
        entry = read_entry(path)
    except KapbenchError as error:
        return [str(error)]
    findings = [
        *wrong_texts(entry),
        *_template(entry),
        *_place(entry, path),
        *wrong_run_card(entry.run),
        *wrong_control(entry.run),
    ]
    findings += wrong_adapter(entry, path)
    if findings:  # what follows trusts names and rules
        return findings
    return [*_recomputed(entry, path, records, progress or Progress())]


def _recomputed(
    entry: Entry, path: Path, elsewhere: Path | None, progress: Progress
) -> Iterator[str]:
    place, resamples = elsewhere or schema.records_path(path), schema.resamples_path(path)
    run = entry.run
    if links := [p.name for p in (schema.records_path(path), resamples) if p.is_symlink()]:
        yield f"{', '.join(links)}: this is a link, not a file."
        return
    if entry.records.url and elsewhere is None:
        yield (
            f"The records lie elsewhere, at {entry.records.url}\n"
            "  fix: Give --fetch, or download them and give --records FILE."
        )
        return
    try:
        refuse_unfit(place, RECORDS, entry.records)
        refuse_unfit(resamples, RESAMPLES, entry.resamples)
        if entry.records.sha256 != run.provenance.records_sha256:
            yield "The run was scored from other records: their sha256 differs from that of this file."
            return
        records = read_records(place, run)
    except KapbenchError as error:
        yield str(error)
        return
    wrong = list(wrong_rows(run, records)) or list(other_rows(run, records))
    yield from wrong
    if wrong:  # other rows have other scores
        return
    rules = [run.rule(card.name) for card in run.rules]
    steps = len(score_requests(rules, scoring=run.provenance.scoring)) + 1
    with progress.stage(f"{run.dataset.name}/{run.model.name}", steps) as advance:
        known: Replicated = {}
        yield from wrong_scores(run, records, known, advance)
        yield from wrong_remarks(run, records)
        yield from wrong_resamples(run, records, resamples, known)
        advance(1)


def _place(entry: Entry, path: Path) -> Iterator[str]:
    expected = schema.entry_path(entry.run)
    if path.resolve().parts[-3:] != expected.parts:
        yield (
            f"The entry belongs at {expected}, but it lies at {path}.\n"
            "  fix: Leave files where `kapbench submit prepare` writes them."
        )


def _template(entry: Entry) -> Iterator[str]:
    if names := [*unfilled(entry.card.model_dump(mode="json")), *examples(entry.card)]:
        yield f"The submission card was not filled in: {', '.join(names)} have the template's values."


def wrong_adapter(entry: Entry, path: Path) -> list[str]:
    """Whether the adapter that came with an entry is missing, or was changed."""
    file = schema.adapter_path(path, entry)
    if file is None:
        return []
    if not file.is_file() or file.is_symlink():
        return [f"The adapter {file.name} is missing from the folder {schema.ADAPTERS}. Add it."]
    if entry.card.adapter_sha256 is None:
        return [
            "The submission card names an adapter without adapter_sha256.\n  fix: Submit the run again."
        ]
    digest = file_hash(file)
    if digest != entry.card.adapter_sha256 or not file.stem.endswith(f"-{digest[:8]}"):
        return [f"The adapter {file.name} is not the file that was submitted: its sha256 differs."]
    return []
