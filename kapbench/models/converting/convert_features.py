"""From a lab's files to a folder of saved features: `kapbench convert features`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.models.converting.axes import Axes, Shape, decide_axes, drop_batch
from kapbench.models.converting.entries import Entry, list_entries, list_sd_dino
from kapbench.models.converting.file_names import Matched
from kapbench.models.converting.image_names import match_images
from kapbench.models.converting.report import FeatureReport
from kapbench.models.converting.sd_dino import Part
from kapbench.models.converting.stored_features import channels_first, place_of, stored_features
from kapbench.models.converting.written_maps import MapsFolder
from kapbench.models.saved_maps_folder import Settings
from kapbench.progress import Progress
from kapbench.protocols import Dataset
from kapbench.storage import file_hash, fingerprint

REVISION = 1  # changes with the values that are written


@dataclass(frozen=True, slots=True)
class Choices:
    """What the files do not say, as the user states it.

    Args:
        settings: Grid, side and what made the maps.
        axes: Of the files that are read; None: as their shapes show.
        key: Name of the array in files of several.
        suffix: What stands behind the image's id in every name.
        sd_dino: Which part of files `NAME_sd.pt` and `NAME_dino.pt` is read; None: plain files.
        allow_missing: Whether images of the data set may be without features.
    """

    settings: Settings = field(default_factory=Settings)
    axes: Axes | None = None
    key: str | None = None
    suffix: str = ""
    sd_dino: Part | None = None
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is read for each image, and as what."""

    entries: dict[str, Entry]
    matched: Matched
    shapes: dict[str, Shape]  # as stored, by image
    axes: Axes
    axes_reason: str


def convert_features(
    source: Path,
    out: Path,
    dataset: Dataset,
    choices: Choices,
    *,
    categories: Sequence[str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> FeatureReport:
    """Writes a folder that `features:DIR` reads, and conversion.json with what it was made of.

    A conversion that was interrupted goes on where it stopped; until it is complete, the folder is
    refused as a model.

    Args:
        source: A folder of one file an image, or one file of an array an image.
        categories: Whose images are needed; None: of all.
        force: Whether what another conversion wrote to `out` is replaced.

    Raises:
        KapbenchError: files that cannot be read, names that are missing or ambiguous, axes that the
            shapes leave open, values that are no finite numbers; `out` holds something else.
    """
    progress = progress or Progress()
    source, out = source.expanduser(), out.expanduser()
    if out.resolve() == source.resolve():
        raise KapbenchError(
            "The folder is both read and written", place=out, fix="Choose another -o FOLDER"
        )
    plan = _plan(source, out, dataset, choices, categories, progress)
    settings = choices.settings.model_copy(update={"axes": "chw"})
    folder = MapsFolder(out, settings, plan.axes, force=force)
    types = _write(plan, folder, choices, progress)
    report = _report(plan, source, dataset, choices, settings, types)
    folder.complete(report)
    return report


def _plan(
    source: Path,
    out: Path,
    dataset: Dataset,
    choices: Choices,
    categories: Sequence[str] | None,
    progress: Progress,
) -> _Plan:
    part = choices.sd_dino
    listed = _list(source, out, choices)
    by_name = {entry.name: entry for entry in listed}
    matched = match_images(
        list(by_name),
        dataset,
        categories,
        suffix=choices.suffix,
        allow_missing=choices.allow_missing,
        source=source,
    )
    entries = {image: by_name[name] for image, name in sorted(matched.name_of.items())}
    shapes = {}
    with progress.stage("shapes", len(entries)) as advance:
        for image_id, stored in stored_features(entries, part):
            shapes[image_id] = stored.shape
            advance(1)
    places = {place_of(entries[i]): drop_batch(shape) for i, shape in shapes.items()}
    axes, reason = decide_axes(
        places,
        "chw" if part is not None else choices.axes,
        letterbox=choices.settings.grid == "letterbox",
    )
    reason = "as preprocess_map.py writes them" if part is not None else reason
    return _Plan(entries, matched, shapes, axes, reason)


def _list(source: Path, out: Path, choices: Choices) -> list[Entry]:
    if choices.sd_dino is not None:
        return list_sd_dino(source, out, choices.sd_dino)
    return list_entries(source, out, choices.key)


def _write(
    plan: _Plan, folder: MapsFolder, choices: Choices, progress: Progress
) -> "Counter[str | None]":
    """Writes what is not written yet; returns how many maps of each type, None: kept."""
    hash_of = cache(file_hash)
    types = Counter[str | None]()
    with progress.stage("maps", len(plan.entries)) as advance:
        for image_id, stored in stored_features(plan.entries, choices.sd_dino):
            entry = stored.entry
            hashes = [hash_of(path) for path in entry.paths.values()]
            made_from = fingerprint(REVISION, hashes, entry.key, plan.axes, choices.sd_dino)
            if folder.has(image_id, made_from):
                types[None] += 1
            else:
                values = channels_first(stored, plan.axes)
                folder.write(image_id, values, made_from)
                types[str(values.dtype)] += 1
            advance(1)
    return types


def _report(
    plan: _Plan,
    source: Path,
    dataset: Dataset,
    choices: Choices,
    settings: Settings,
    types: Mapping[str | None, int],
) -> FeatureReport:
    plain = [drop_batch(shape) for shape in plan.shapes.values()]
    cells = [shape[1:] if plan.axes == "chw" else shape[:2] for shape in plain]
    paths = {path for entry in plan.entries.values() for path in entry.paths.values()}
    return FeatureReport(
        source=str(source),
        dataset=dataset.name,
        split=dataset.split,
        formats=dict(Counter(path.suffix for path in sorted(paths))),
        layout="plain" if choices.sd_dino is None else f"sd-dino, {choices.sd_dino}",
        axes=plan.axes,
        axes_reason=plan.axes_reason,
        dropped_axes=max(len(shape) for shape in plan.shapes.values()) - 3,
        channels=plain[0][0 if plan.axes == "chw" else 2],
        fewest_cells=(min(h for h, _ in cells), min(w for _, w in cells)),
        most_cells=(max(h for h, _ in cells), max(w for _, w in cells)),
        types=tuple(sorted(name for name in types if name is not None)),
        settings=settings.model_dump(mode="json"),
        spellings=dict(plan.matched.spellings),
        examples={i: place_of(entry) for i, entry in list(plan.entries.items())[:3]},
        n_written=sum(n for name, n in types.items() if name is not None),
        n_kept=types.get(None, 0),
        missing=plan.matched.missing,
        unused=plan.matched.unused,
    )
