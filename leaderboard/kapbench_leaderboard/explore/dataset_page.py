"""A page of a data set's own images for models that stand side by side, without a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kapbench.loading import load_dataset, load_model
from kapbench.progress import Progress
from kapbench_leaderboard.explore.features import check_encoder
from kapbench_leaderboard.explore.gather import from_pairs, refuse_photographs
from kapbench_leaderboard.explore.write_page import ExploreSummary, write_page
from kapbench_leaderboard.figures.sources import Sources


def write_dataset_page(
    models: Sequence[str],
    dataset: str,
    out: Path,
    *,
    n_pairs: int = 4,
    progress: Progress,
    sources: Sources | None = None,
) -> ExploreSummary:
    """Writes a page of pairs that are spread evenly over a data set of rendered images.

    Args:
        models: Names of models, as `kapbench run` takes them.
        dataset: Name of a data set whose images may be passed on.
        out: The file.
        sources: Where data and features are; None: where they are by default.

    Raises:
        KapbenchError: the data set's images are photographs; a model that cannot be loaded, or that
            has no features of one image.
    """
    sources = sources or Sources()
    opened = load_dataset(dataset, data_root=sources.data_root, **sources.dataset_options)
    refuse_photographs(opened)
    every = opened.pairs()
    n = min(n_pairs, len(every))
    pairs = [every[i] for i in ((np.arange(n) + 0.5) / n * len(every)).astype(int)]
    encoders = [
        check_encoder(load_model(spec, device=sources.device, dataset=opened.name))
        for spec in models
    ]
    return write_page(from_pairs(opened, pairs, encoders, sources, progress), out)
