"""Pages in which a reader points at a point of a synthetic image and sees where a model finds it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from kapbench.errors import unknown
from kapbench_leaderboard.site.links import Links

DATASET = "synthetic.small"


def known_models(models: Sequence[str], accepted: Iterable[str], place: Path) -> tuple[str, ...]:
    """The models, each once.

    Raises:
        KapbenchError: no accepted result is of one of them, so that no page would link to it.
    """
    names = sorted(set(accepted))
    for model in models:
        if model not in names:
            raise unknown("model", model, names, place=f"accepted results in {place}")
    return tuple(dict.fromkeys(models))


def write_explore_pages(models: Sequence[str], folder: Path) -> None:
    """Writes the page of each model below the site's folder. Models and data set are loaded.

    Raises:
        KapbenchError: a model cannot be loaded here, or has no feature maps.
    """
    from kapbench.progress import Progress
    from kapbench_leaderboard.explore.dataset_page import write_dataset_page

    for model in models:
        out = folder / Links("").explore(model)
        out.parent.mkdir(exist_ok=True)
        write_dataset_page([model], DATASET, out, progress=Progress())
