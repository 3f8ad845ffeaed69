"""The content of a page: from finished runs, or from image files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.matching.photographs import Photographs
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder
from kapbench.running.results import RunCard
from kapbench.types import Pair, View
from kapbench_leaderboard.explore.content import (
    Content,
    DatasetNote,
    ExploredImage,
    ExploredModel,
    ExploredPair,
)
from kapbench_leaderboard.explore.features import check_encoder, explore_model
from kapbench_leaderboard.explore.keypoint_tables import keypoint_tables
from kapbench_leaderboard.explore.select_pairs import Selection, select_pairs
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair, model_of
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Sources

RENDERED = "synthetic"  # the data sets of images that kapbench renders


def from_runs(
    runs: Sequence[RunView],
    selection: Selection,
    sources: Sources,
    *,
    photographs: bool,
    progress: Progress,
) -> Content:
    """Pairs of a data set, with the models of runs on it side by side.

    Args:
        photographs: Whether photographs of the data set may be put into the page.

    Raises:
        KapbenchError: the runs are of different data sets; there is no such pair; photographs that
            may not be put into the page; a model without features of one image; data or a model
            that cannot be loaded.
    """
    cards = [run.card for run in runs]
    _refuse_apart(cards, sources)
    ids = select_pairs(runs, selection)
    dataset = dataset_of(cards[0], sources)
    if not photographs:
        refuse_photographs(dataset)
    every = dataset.pairs(cards[0].dataset.categories)
    pairs = [find_pair(every, pair_id, dataset.name) for pair_id in ids]
    encoders = [check_encoder(model_of(card, sources)) for card in cards]
    content = from_pairs(dataset, pairs, encoders, sources, progress)
    models = [
        replace(model, records=run.records[run.records["pair_id"].isin(ids)])
        for model, run in zip(content.models, runs, strict=True)
    ]
    return replace(content, models=models, chosen=selection.sentence(len(pairs), cards[0]))


def from_pairs(
    dataset: Dataset,
    pairs: Sequence[Pair],
    models: Sequence[Encoder],
    sources: Sources,
    progress: Progress,
) -> Content:
    """Pairs of a data set that is loaded already, for models that are."""
    views, explored = _distinct_views(pairs)
    images = [
        ExploredImage(view, view.image_id, dataset.pixels(view), _size_px(dataset, view))
        for view in views
    ]
    note = DatasetNote(
        dataset.name,
        dataset.revision,
        dataset.licence,
        dataset.has_absent,
        not is_rendered(dataset),
    )
    features = _models(models, dataset, views, sources, progress)
    return Content(images, features, note, "", explored, keypoint_tables(dataset, pairs))


def from_photographs(
    paths: Sequence[Path],
    specs: Sequence[str],
    sources: Sources,
    progress: Progress,
    *,
    weights_for: str | None = None,
) -> Content:
    """Image files without annotation.

    Args:
        weights_for: Name of the data set whose weights a model takes that is shipped with several.

    Raises:
        KapbenchError: fewer than two images; an image that cannot be read; a model that cannot be
            loaded, or that has no features of one image.
    """
    if len(paths) < 2:
        raise KapbenchError(
            "One image cannot be compared with others",
            place=paths[0] if paths else None,
            fix="Give two images or more",
        )
    dataset = Photographs(paths)
    models = [
        check_encoder(
            load_model(spec, device=sources.device, dataset=weights_for, **sources.model_options)
        )
        for spec in specs
    ]
    views = list(dataset.views())
    labels = _file_names(paths)
    images = [
        ExploredImage(view, label, dataset.pixels(view), float(max(view.size)))
        for view, label in zip(views, labels, strict=True)
    ]
    return Content(images, _models(models, dataset, views, sources, progress))


def is_rendered(dataset: Dataset) -> bool:
    """Whether the images are kapbench's own, which anybody may have."""
    return dataset.name.partition(".")[0] == RENDERED


def refuse_photographs(dataset: Dataset) -> None:
    """Raises KapbenchError: the data set's images are photographs of others."""
    if not is_rendered(dataset):
        raise KapbenchError(
            f"The page would hold photographs of {dataset.name} (licence: {dataset.licence})",
            place=dataset.name,
            fix="Give --photographs if you may pass them on to those who will read the page; it "
            "names the licence",
        )


def _models(
    models: Sequence[Encoder],
    dataset: Dataset,
    views: Sequence[View],
    sources: Sources,
    progress: Progress,
) -> list[ExploredModel]:
    return [
        explore_model(model, dataset, views, len(models), sources, progress) for model in models
    ]


def _refuse_apart(cards: Sequence[RunCard], sources: Sources) -> None:
    datasets = {(c.dataset.name, c.dataset.split, c.dataset.revision) for c in cards}
    if len(datasets) > 1:
        raise KapbenchError(
            "These runs are on different data sets, and a page shows the images of one",
            place=", ".join(f"{name}.{split}@{revision}" for name, split, revision in datasets),
            fix="Choose runs on one data set with --dataset NAME, or name their folders",
        )
    if len(cards) > 1 and sources.model is not None:
        raise KapbenchError(
            "--load-model names one model, and there are several runs",
            place="--load-model",
            fix="Make a page of the run alone",
        )


def _distinct_views(pairs: Sequence[Pair]) -> tuple[list[View], list[ExploredPair]]:
    """The images of pairs; one that two pairs annotate differently counts as two."""
    numbers: dict[tuple[str, bytes], int] = {}
    views: list[View] = []
    explored = []
    for pair in pairs:
        ends = []
        for view in (pair.source, pair.target):
            key = view.image_id, np.nan_to_num(view.keypoints.xy, nan=-1).tobytes()
            if key not in numbers:
                numbers[key] = len(views)
                views.append(view)
            ends.append(numbers[key])
        explored.append(ExploredPair(pair, *ends))
    return views, explored


def _size_px(dataset: Dataset, view: View) -> float:
    """T of an image as a target: the longer side of its box, or of the whole image."""
    x0, y0, x1, y1 = view.bbox
    return float(max(x1 - x0, y1 - y0) if dataset.size_from == "box" else max(view.size))


def _file_names(paths: Sequence[Path]) -> list[str]:
    """Names without folders, which may be private; equal ones are numbered."""
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]
