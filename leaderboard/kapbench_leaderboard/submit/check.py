"""Whether a submission says of its records what they say themselves. Imports no torch."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench.scoring.rules import load_rule, rule_names
from kapbench_leaderboard import entries
from kapbench_leaderboard.entries import Entry, load_entry
from kapbench_leaderboard.submit.manifest import digests, shipped
from kapbench_leaderboard.submit.reading import read_records, refuse_changed, refuse_large
from kapbench_leaderboard.submit.scores import EXACT, wrong_resamples, wrong_scores

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+:/@-]{0,99}")


def check(path: Path, records: Path | None = None) -> list[str]:
    """Everything that is wrong with a submission, in words; empty: it can be taken.

    Args:
        path: The entry; its other files lie beside it.
        records: The records, where the entry names an address for them.
    """
    try:
        refuse_large(path)
        entry = load_entry(path)
    except KapbenchError as error:
        return [str(error)]
    found = [*_names(entry.run), *_place(entry, path), *_origin(entry.run), *_rules(entry.run)]
    if found:  # what follows trusts names and rules
        return found
    return [*_recomputed(entry, path, records)]


def _recomputed(entry: Entry, path: Path, elsewhere: Path | None) -> Iterator[str]:
    place = elsewhere or entries.records_path(path)
    if entry.records.url and elsewhere is None:
        yield (f"records are at {entry.records.url}\n  fix: download them and give --records FILE")
        return
    try:
        for file, stored in (
            (place, entry.records),
            (entries.resamples_path(path), entry.resamples),
        ):
            refuse_large(file)
            refuse_changed(file, stored)
        if entry.records.sha256 != entry.run.provenance.records_sha256:
            yield "the run was scored from other records than these: their sha256 differ"
            return
        records = read_records(place, entry.run.dataset.categories)
    except KapbenchError as error:
        yield str(error)
        return
    asked = list(_asked(entry.run, records))
    yield from asked
    if asked:  # other questions have other scores
        return
    yield from wrong_scores(entry.run, records)
    yield from wrong_resamples(entry.run, records, entries.resamples_path(path))


def _names(run: RunCard) -> Iterator[str]:
    """Names become file names and headings."""
    data, model = run.dataset, run.model
    named = {
        "model.name": model.name,
        "model.revision": model.revision,
        "dataset.name": data.name,
        "dataset.revision": data.revision,
        "dataset.split": data.split,
        **{f"dataset.categories.{i}": c for i, c in enumerate(data.categories)},
        **{f"rules.{i}": rule.name for i, rule in enumerate(run.rules)},
        "plan_hash": run.plan_hash,
    }
    for field, name in named.items():
        if ("/" in name and field != "model.name") or ".." in name or name.startswith("/"):
            yield f"{field}: {name!r} leads to another folder"
        elif not NAME.fullmatch(name):
            yield f"{field}: {name!r} holds signs that no name needs"


def _place(entry: Entry, path: Path) -> Iterator[str]:
    expected = entries.entry_path(entry.run)
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
    for card in run.rules:
        if card.name not in rule_names():
            yield f"rule {card.name} is not shipped with kapbench: a board has named rules only"
        elif load_rule(card.name).hash != card.hash:
            yield f"rule {card.name} has hash {card.hash}, the shipped one {load_rule(card.name).hash}"


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
    try:
        found = digests(records)
    except (KeyError, ValueError, TypeError) as error:
        yield f"records have not the columns of a run: {error}"
        return
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
