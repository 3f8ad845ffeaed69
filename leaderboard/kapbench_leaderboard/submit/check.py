"""Whether a submission says of its records what they say themselves. Imports no torch."""

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
    refuse_changed,
    refuse_large,
)
from kapbench_leaderboard.submit.check_columns import wrong_columns
from kapbench_leaderboard.submit.check_scores import EXACT, wrong_resamples, wrong_scores
from kapbench_leaderboard.submit.check_text import wrong_words
from kapbench_leaderboard.submit.dataset_digest import Manifest, digests, shipped


def check(path: Path, records: Path | None = None, progress: Progress | None = None) -> list[str]:
    """Everything that is wrong with a submission, in words; empty: it can be taken.

    Args:
        path: The entry; its other files lie beside it.
        records: The records, where the entry names an address for them.
    """
    try:
        entry = read_entry(path)
    except KapbenchError as error:
        return [str(error)]
    found = [*wrong_words(entry), *_place(entry, path), *_origin(entry.run), *_rules(entry.run)]
    found += wrong_adapter(entry, path)
    if found:  # what follows trusts names and rules
        return found
    return [*_recomputed(entry, path, records, progress or Progress())]


def _recomputed(
    entry: Entry, path: Path, elsewhere: Path | None, progress: Progress
) -> Iterator[str]:
    place, drawn = elsewhere or schema.records_path(path), schema.resamples_path(path)
    run = entry.run
    if entry.records.url and elsewhere is None:
        yield (
            f"records are at {entry.records.url}\n"
            "  fix: give --fetch, or download them and give --records FILE"
        )
        return
    try:
        refuse_large(place, RECORDS)
        refuse_changed(place, entry.records)
        refuse_large(drawn, RESAMPLES)
        refuse_changed(drawn, entry.resamples)
        if entry.records.sha256 != run.provenance.records_sha256:
            yield "the run was scored from other records than these: their sha256 differ"
            return
        records = read_records(place, run)
    except KapbenchError as error:
        yield str(error)
        return
    wrong = list(_asked(run, records))
    yield from wrong
    if wrong:  # other questions have other scores
        return
    steps = len(score_requests([run.rule(card.name) for card in run.rules])) + 1
    with progress.stage(f"{run.dataset.name}/{run.model.name}", steps) as advance:
        yield from wrong_scores(run, records, advance)
        yield from wrong_resamples(run, records, drawn)
        advance(1)


def _place(entry: Entry, path: Path) -> Iterator[str]:
    expected = schema.entry_path(entry.run)
    if path.resolve().parts[-3:] != expected.parts:
        yield f"entry of {expected}, but it lies at {path}\n  fix: leave files where they are written"


def _origin(run: RunCard) -> Iterator[str]:
    if run.provenance.git_dirty:
        yield "the run was made with uncommitted changes to kapbench"
    unknown = set(run.dataset.categories) - set(run.dataset.categories_expected)
    if unknown:
        yield f"categories that the data set has not: {', '.join(sorted(unknown))}"
    for row in run.scores:
        if row.low is None or row.value is None or row.high is None:
            continue
        if not row.low - EXACT <= row.value <= row.high + EXACT:
            where = f"{row.rule} {row.metric}@{row.alpha:g} {row.split} {row.category}"
            yield f"{where}: the interval {row.low} … {row.high} does not hold the score {row.value}"


def _rules(run: RunCard) -> Iterator[str]:
    for name, count in Counter(card.name for card in run.rules).items():
        if count > 1:
            yield f"rule {name} is given twice"
    for card in run.rules:
        if card.name not in rule_names():
            yield f"rule {card.name} is not shipped with kapbench: a board has named rules only"
            continue
        shipped_rule = load_rule(card.name)
        for field in RuleCard.model_fields:
            mine, theirs = getattr(card, field), getattr(shipped_rule, field)
            if mine != theirs:
                yield f"rule {card.name} has {field} {mine}, the shipped one {theirs}"


def wrong_adapter(entry: Entry, path: Path) -> list[str]:
    """Whether the adapter that came with an entry is there, and still the same."""
    file = schema.adapter_path(path, entry)
    if file is None:
        return []
    if not file.is_file() or file.is_symlink():
        return [f"its adapter is not among {schema.ADAPTERS}: give {file.name} too"]
    if entry.card.adapter_sha256 is None:
        return ["its card has an adapter without adapter_sha256\n  fix: submit the run again"]
    digest = file_hash(file)
    if digest != entry.card.adapter_sha256 or not file.stem.endswith(f"-{digest[:8]}"):
        return [f"its adapter {file.name} is not the file that was submitted: its sha256 differs"]
    return []


def _asked(run: RunCard, records: pd.DataFrame) -> Iterator[str]:
    """Rows against the data set's manifest."""
    data = run.dataset
    manifest = shipped().get((data.name, data.revision, data.split))
    if manifest is None:
        yield (
            f"no manifest of {data.name}@{data.revision}, {data.split}\n"
            "  fix: a maintainer makes one by `kapbench submit --manifest RUN`"
        )
        return
    yield from _whole(data, manifest)
    if wrong := wrong_columns(run, records):
        yield f"records have not the columns of a run: {'; '.join(wrong[:10])}"
        return
    found = digests(records)
    if set(found) != set(data.categories):
        yield f"records are of {', '.join(found)}, the run of {', '.join(data.categories)}"
    for name, mine in found.items():
        theirs = manifest.categories.get(name)
        if theirs is None:
            yield f"category {name} is not in the manifest"
        elif mine.n_rows != theirs.n_rows or mine.n_pairs != theirs.n_pairs:
            yield (
                f"{name}: {mine.n_rows:,} rows of {mine.n_pairs:,} pairs, the data set has "
                f"{theirs.n_rows:,} of {theirs.n_pairs:,}"
            )
        elif mine.digest != theirs.digest:
            yield f"{name}: rows are about other pairs, keypoints or annotations than the data set's"
    n_pairs = sum(m.n_pairs for name, m in manifest.categories.items() if name in found)
    if data.n_pairs != n_pairs:
        yield f"n_pairs is {data.n_pairs:,}, the data set has {n_pairs:,} in these categories"
    pairs = fingerprint(records["pair_id"].astype(str).unique().tolist())
    if data.pairs_hash != pairs:
        yield f"pairs_hash is {data.pairs_hash}, that of the records' pairs {pairs}"


def _whole(data: DatasetCard, manifest: Manifest) -> Iterator[str]:
    """What a run says of the whole split: whether it is complete follows from it."""
    for field in ("licence", "categories_expected", "n_pairs_expected"):
        mine, theirs = getattr(data, field), getattr(manifest, field)
        if mine != theirs:
            yield f"{field} is {_shown(mine)}, the data set's {_shown(theirs)}"


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
