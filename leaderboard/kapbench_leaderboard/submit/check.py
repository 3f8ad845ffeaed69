"""Whether the numbers of a submission are those of its records. Imports no torch."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.running.results import DatasetCard, RuleCard, RunCard
from kapbench.scoring.rules import load_rule, rule_names
from kapbench.scoring.score_table import score_requests
from kapbench.storage import file_hash, fingerprint
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
from kapbench_leaderboard.submit.check_columns import wrong_columns
from kapbench_leaderboard.submit.check_scores import (
    EXACT,
    wrong_remarks,
    wrong_resamples,
    wrong_scores,
)
from kapbench_leaderboard.submit.check_text import wrong_texts
from kapbench_leaderboard.submit.dataset_digest import Manifest, digests, shipped


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
        *_origin(entry.run),
        *_rules(entry.run),
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
    wrong = list(_wrong_rows(run, records))
    yield from wrong
    if wrong:  # other rows have other scores
        return
    steps = len(score_requests([run.rule(card.name) for card in run.rules])) + 1
    with progress.stage(f"{run.dataset.name}/{run.model.name}", steps) as advance:
        yield from wrong_scores(run, records, advance)
        yield from wrong_remarks(run, records)
        yield from wrong_resamples(run, records, resamples)
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


def _origin(run: RunCard) -> Iterator[str]:
    if run.provenance.git_dirty:
        yield "The run was made with uncommitted changes to kapbench."
    if run.dataset.limit is not None:
        yield f"The run scored only some pairs (--limit {run.dataset.limit}), for debugging."
    unknown = set(run.dataset.categories) - set(run.dataset.categories_expected)
    if unknown:
        yield f"The data set has no such categories: {', '.join(sorted(unknown))}."
    for row in run.scores:
        if row.low is None or row.value is None or row.high is None:
            continue
        if not row.low - EXACT <= row.value <= row.high + EXACT:
            where = f"{row.rule} {row.metric}@{row.alpha:g} {row.split} {row.category}"
            yield f"{where}: the interval {row.low} … {row.high} does not contain the score {row.value}."


def _rules(run: RunCard) -> Iterator[str]:
    for name, count in Counter(card.name for card in run.rules).items():
        if count > 1:
            yield f"Rule {name} is listed {count} times."
    for card in run.rules:
        if card.name not in rule_names():
            yield f"Rule {card.name} is not shipped with kapbench, as a leaderboard's rules must be."
            continue
        shipped_card = RuleCard.of(load_rule(card.name))
        for field in RuleCard.model_fields:
            mine, theirs = getattr(card, field), getattr(shipped_card, field)
            if mine != theirs:
                yield f"Rule {card.name} has {field} {mine}, but the shipped rule has {theirs}."


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


def _wrong_rows(run: RunCard, records: pd.DataFrame) -> Iterator[str]:
    """Rows that differ from the data set's manifest."""
    data = run.dataset
    manifest = shipped().get((data.name, data.revision, data.split))
    if manifest is None:
        yield (
            f"There is no manifest of {data.name}@{data.revision}, {data.split} split.\n"
            "  fix: A maintainer writes one with `kapbench submit manifest RUN --to FOLDER`."
        )
        return
    yield from _whole(data, manifest)
    if wrong := wrong_columns(run, records):
        yield f"The columns of the records are not those of a run: {'; '.join(wrong[:10])}."
        return
    of_records = digests(records)
    if set(of_records) != set(data.categories):
        yield (
            f"The records have the categories {', '.join(of_records)}, but the run has "
            f"{', '.join(data.categories)}."
        )
    for name, mine in of_records.items():
        theirs = manifest.categories.get(name)
        if theirs is None:
            yield f"Category {name} is not in the manifest."
        elif mine.n_rows != theirs.n_rows or mine.n_pairs != theirs.n_pairs:
            yield (
                f"{name}: there are {mine.n_rows:,} rows of {mine.n_pairs:,} pairs, but the data set "
                f"has {theirs.n_rows:,} rows of {theirs.n_pairs:,} pairs."
            )
        elif mine.digest != theirs.digest:
            yield f"{name}: the rows have other pairs, keypoints or annotations than the data set."
    n_pairs = sum(m.n_pairs for name, m in manifest.categories.items() if name in of_records)
    if data.n_pairs != n_pairs:
        yield f"n_pairs is {data.n_pairs:,}, but the data set has {n_pairs:,} in these categories."
    pairs = fingerprint(records["pair_id"].astype(str).unique().tolist())
    if data.pairs_hash != pairs:
        yield f"pairs_hash is {data.pairs_hash}, but that of the records is {pairs}."


def _whole(data: DatasetCard, manifest: Manifest) -> Iterator[str]:
    """What a run states about the whole split, which decides whether the run is complete."""
    for field in ("licence", "categories_expected", "n_pairs_expected"):
        mine, theirs = getattr(data, field), getattr(manifest, field)
        if mine != theirs:
            yield f"{field} is {_text(mine)}, but the data set has {_text(theirs)}."


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
