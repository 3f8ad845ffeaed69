"""The main job in Python: `evaluate(model, dataset) -> ResultSet`."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from kapbench.datasets.altering.alter import alter, altering_options
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset
from kapbench.paths import cache_root
from kapbench.processes.unfinished import temporary_folder
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model
from kapbench.running.plan import rules_named
from kapbench.running.result_set import ResultSet


def evaluate(
    model: Model | str,
    dataset: Dataset | str,
    *,
    rule: str | Sequence[str] = (),
    categories: Sequence[str] | None = None,
    split: str = "test",
    reverse: bool = False,
    corrupt: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    runs: str | Path | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    batch_size: int | None = None,
    force: bool = False,
    intervals: bool = True,
    limit: int | None = None,
    label: str | None = None,
    isolated: bool = False,
    model_seconds: float = 600.0,
    progress: Progress | None = None,
    **options: Any,
) -> ResultSet:
    """Scores a model on a data set under one or more rules.

    Args:
        model: A model, or a name for `load_model`, which gets `options`.
        dataset: A data set, or a name for `load_dataset`, which gets `split`.
        rule: Names or files of rules; without one, every rule that one pass over the model serves.
        categories: Some of the data set's categories; None: all that are present.
        reverse: Whether keypoints are matched from the target to the source.
        corrupt: A corruption of every image and its severity from 1 to 5: fog:3.
        precision: fp32, bf16 or fp16: of an encoder's matrix products, where the model is a name.
        runs: Folder of run folders. A finished run of the same plan is read back, a stopped one is
            resumed. None: nothing is kept on disk.
        cache: Folder of the feature cache; None: the user cache folder.
        batch_size: Images that the encoder gets at once; None: 4 on a CPU, 32 on a GPU; halved when
            memory runs out.
        workers: Processes that score an encoder's pairs. With more than one, a script must call
            this below `if __name__ == "__main__":`, because each process imports the script.
        intervals: Whether scores get their 95 % confidence intervals, which take most of the time
            where pairs are few.
        limit: Score only so many pairs, evenly over the categories, for debugging; such a run
            cannot be submitted.
        label: Your name for the run, which lists and tables show.
        isolated: Run the model, which is then a name, in a process of its own that gets pictures
            and query points over a pipe; see "The model in a process of its own" in adapters.md.
        model_seconds: The most that loading or one answer of an isolated model may take.

    Raises:
        KapbenchError: bad input, named with its place and a fix.
    """
    from kapbench.running.request import RunRequest
    from kapbench.running.run import run

    altering = altering_options(reverse=reverse, corrupt=corrupt)
    opened = _open(dataset, split, altering)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder()) if runs is None else runs
        request = RunRequest(
            model,
            dataset,
            rules_named([rule] if isinstance(rule, str) else rule, opened),
            runs_root=Path(folder),
            cache_root=cache_root() if cache is None else Path(cache),
            split=split,
            dataset_options=altering,
            categories=None if categories is None else tuple(categories),
            model_options=options,
            device=device,
            precision=precision,
            batch_size=batch_size,
            workers=workers,
            force=force,
            intervals=intervals,
            limit=limit,
            label=label,
            isolated=isolated,
            model_seconds=model_seconds,
        )
        result = run(replace(request, dataset=opened), progress)
        return result if runs is not None else ResultSet(result.card, None, _records=result.records)


def _open(dataset: Dataset | str, split: str, altering: Mapping[str, Any]) -> Dataset:
    """A data set by name or as it is, altered. KapbenchError for another split of a loaded one."""
    if isinstance(dataset, str):
        return load_dataset(dataset, split=split, **altering)
    if split not in ("test", dataset.split):
        raise KapbenchError(
            f"split={split!r} has no effect on a data set that is already loaded",
            place=f"data set {dataset.name}, split {dataset.split}",
            fix=f"Load it with load_dataset(..., split={split!r}), or leave split out",
        )
    return alter(dataset, **altering)
