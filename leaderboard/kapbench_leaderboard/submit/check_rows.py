"""Whether the rows of a submission are those of its data set, and could have been computed."""

from collections.abc import Iterator

import pandas as pd

from kapbench.running.results import DatasetCard, RunCard
from kapbench.scoring.bootstrap import images_by_category
from kapbench.scoring.record_laws import broken_laws
from kapbench.scoring.schema import EXTENT, Needs
from kapbench.storage import fingerprint
from kapbench_leaderboard.submit.check_columns import lacks_columns_since_4, wrong_columns
from kapbench_leaderboard.submit.check_text import wrong_texts_of_records
from kapbench_leaderboard.submit.dataset_digest import (
    CategoryManifest,
    Manifest,
    digests,
    grouping,
    shipped,
)


def wrong_rows(run: RunCard, records: pd.DataFrame) -> Iterator[str]:
    """Rows that differ from the data set's manifest, or that contradict themselves."""
    data = run.dataset
    manifest = shipped().get((data.name, data.revision, data.split))
    if manifest is None:
        yield (
            f"There is no manifest of {data.name}@{data.revision}, {data.split} split.\n"
            "  fix: A maintainer writes one with `kapbench submit manifest RUN --to FOLDER`."
        )
        return
    yield from _whole(data, manifest)
    if lacks_columns_since_4(run, records):
        yield (
            "The records are of an earlier version of kapbench: they lack the columns that scoring "
            f"version 4 added, such as {EXTENT.name}.\n"
            "  fix: Run the model again with the present version of kapbench, and submit that run."
        )
        return
    if wrong := wrong_columns(run, records):
        yield f"The columns of the records are not those of a run: {'; '.join(wrong[:10])}."
        return
    if texts := list(wrong_texts_of_records(records)):
        yield from texts
        return
    yield from _other_annotations(run, records, manifest)
    yield from _other_counts(data, records, manifest)
    rules = [run.rule(card.name) for card in run.rules]
    yield from broken_laws(records, Needs.of(rules, run.model.supervised, run.model.window))


def _other_annotations(run: RunCard, records: pd.DataFrame, manifest: Manifest) -> Iterator[str]:
    of_records = digests(records, grouping(run.provenance.scoring))
    if set(of_records) != set(run.dataset.categories):
        yield (
            f"The records have the categories {', '.join(of_records)}, but the run has "
            f"{', '.join(run.dataset.categories)}."
        )
    for name, rows in of_records.items():
        expected = manifest.categories.get(name)
        if expected is None:
            yield f"Category {name} is not in the manifest."
        elif rows.n_rows != expected.n_rows or rows.n_pairs != expected.n_pairs:
            yield (
                f"{name}: there are {rows.n_rows:,} rows of {rows.n_pairs:,} pairs, but the data set "
                f"has {expected.n_rows:,} rows of {expected.n_pairs:,} pairs."
            )
        elif rows.digest != expected.digest:
            yield f"{name}: the rows have other pairs, keypoints or annotations than the data set."
        else:
            yield from _other_points(name, rows, expected)


def _other_points(name: str, rows: CategoryManifest, expected: CategoryManifest) -> Iterator[str]:
    if expected.points is None:
        yield (
            f"{name}: the manifest has no digest of the keypoints' positions.\n"
            "  fix: A maintainer writes it again with `kapbench submit manifest RUN --to FOLDER`."
        )
    elif rows.points != expected.points:
        yield f"{name}: keypoints lie elsewhere in the images than in the data set."
    for version, digest in rows.renumbered.items():
        known = expected.renumbered.get(version)
        if known is None:
            yield (
                f"{name}: the manifest does not know the groups of `geo-published-point` as scoring "
                f"version {version} has them.\n"
                "  fix: Run the model again with the present version of kapbench."
            )
        elif digest != known:
            yield f"{name}: group_visible_renumbered differs from that of the data set."


def _other_counts(data: DatasetCard, records: pd.DataFrame, manifest: Manifest) -> Iterator[str]:
    present = set(records["category"].astype(str).unique())
    n_pairs = sum(m.n_pairs for name, m in manifest.categories.items() if name in present)
    if data.n_pairs != n_pairs:
        yield f"n_pairs is {data.n_pairs:,}, but the data set has {n_pairs:,} in these categories."
    images = {*records["source_image"].unique(), *records["target_image"].unique()}
    if data.n_images != len(images):
        yield f"n_images is {data.n_images:,}, but the records have {len(images):,}."
    by_category = images_by_category(records)
    if data.images_by_category != by_category:
        yield (
            f"images_by_category is {_counts(data.images_by_category)}, but the records have "
            f"{_counts(by_category)}."
        )
    pairs = fingerprint(records["pair_id"].astype(str).unique().tolist())
    if data.pairs_hash != pairs:
        yield f"pairs_hash is {data.pairs_hash}, but that of the records is {pairs}."


def _whole(data: DatasetCard, manifest: Manifest) -> Iterator[str]:
    """What a run states about the whole split, which decides whether the run is complete."""
    for field in ("licence", "categories_expected", "n_pairs_expected"):
        stated, expected = getattr(data, field), getattr(manifest, field)
        if stated != expected:
            yield f"{field} is {_text(stated)}, but the data set has {_text(expected)}."


def _counts(by_category: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in by_category.items()) or "missing"


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
