"""The main job in Python: `evaluate(model, dataset) -> ResultSet`."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kapbench.loading import load_dataset, load_model, pick_device
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model
from kapbench.running.plan import rules_named
from kapbench.running.results import ResultSet


def evaluate(
    model: Model | str,
    dataset: Dataset | str,
    *,
    rule: str | Sequence[str] = (),
    categories: Sequence[str] | None = None,
    split: str = "test",
    device: str = "auto",
    runs: str | Path | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    batch_size: int | None = None,
    force: bool = False,
    intervals: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> ResultSet:
    """Scores a model on a data set under one or more rules.

    Args:
        model: A model, or a name for `load_model` (which gets `options`).
        dataset: A data set, or a name for `load_dataset`.
        rule: Names of rules; none: every rule that one pass over the model serves.
        categories: Some of the data set's categories; None: all that are present.
        runs: Folder of run folders; a finished run of the same plan is read back, an interrupted
            one resumed. None: nothing is kept.
        cache: Folder of the feature cache; None: the user cache folder.
        batch_size: Images that the encoder gets at once; None: 4 on a CPU, 32 on a GPU; halved where
            memory ends.
        workers: Processes that score an encoder's pairs. With more than one, a script must call
            this below `if __name__ == "__main__":`, for each process imports the script.
        intervals: Whether scores get their 95 % intervals, which take most of the time of few pairs.

    Raises:
        KapbenchError: bad input, named with its place and a fix.
    """
    from kapbench.running.run import run

    if isinstance(dataset, str):
        dataset = load_dataset(dataset, split=split)
    if isinstance(model, str):
        model = load_model(model, device=device, dataset=dataset.name, **options)
    rules = rules_named([rule] if isinstance(rule, str) else rule, dataset)
    with ExitStack() as stack:
        kept = runs is not None
        root = runs if kept else stack.enter_context(tempfile.TemporaryDirectory())
        done = run(
            model,
            dataset,
            rules,
            runs_root=Path(str(root)),
            cache_root=cache_root() if cache is None else Path(cache),
            categories=categories,
            workers=workers,
            batch_size=batch_size,
            device=pick_device(device),
            force=force,
            intervals=intervals,
            progress=progress,
        )
        if kept:
            return ResultSet(done.card, done.folder)
        return ResultSet(done.card, None, done.records)
