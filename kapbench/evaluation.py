"""The main job in Python: `evaluate(model, dataset) -> ResultSet`."""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd

from kapbench import registry
from kapbench.datasets.roots import cache_root
from kapbench.errors import KapbenchError
from kapbench.protocols import AnnotatedModel, Dataset, Encoder, Model, PairModel
from kapbench.running.plan import rules_named
from kapbench.running.progress import Progress
from kapbench.running.results import RunCard, check_records, load_card, load_records


@dataclass(frozen=True)
class ResultSet:
    """A finished run: its card, its records, and its scores as a table.

    `folder` is None where nothing was kept on disk.
    """

    card: RunCard
    folder: Path | None
    _records: pd.DataFrame | None = field(default=None, repr=False)  # where there is no folder

    @classmethod
    def load(cls, folder: str | Path) -> "ResultSet":
        """Reads a run folder. Raises KapbenchError where it is none, or was changed."""
        folder = Path(folder)
        check_records(folder)
        return cls(load_card(folder), folder)

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a pair and source keypoint, see docs/records.md; read when first asked for.

        Raises:
            KapbenchError: the folder was changed or went since.
        """
        if self.folder is None:
            if self._records is None:
                raise KapbenchError(
                    "no records were kept of this run", fix="give evaluate() a folder: runs=..."
                )
            return self._records
        return load_records(self.folder)

    @property
    def scores(self) -> pd.DataFrame:
        """All scores in long form; the columns are those of kapbench.scoring.table.Score."""
        return pd.DataFrame([row.model_dump() for row in self.card.scores])

    def headline(self, rule: str, alpha: float = 0.10) -> float:
        """The number that a rule is quoted by, averaged over categories; NaN where undefined.

        Args:
            rule: A rule's name or file.

        Raises:
            KapbenchError: the run was not scored by this rule at this alpha.
        """
        from kapbench.scoring.rules import load_rule

        chosen = load_rule(rule)
        average, over = chosen.headline
        scored = any((r.name, r.hash) == (chosen.name, chosen.hash) for r in self.card.rules)
        row = self.card.score(chosen.name, chosen.metric, alpha, over, average=average)
        if row is None or not scored:
            raise KapbenchError(
                f"this run has no {chosen.name} at alpha {alpha:g}",
                place=self.folder,
                fix=f"evaluate with rule={rule!r}, at one of its alphas: "
                + ", ".join(f"{a:g}" for a in chosen.alphas),
            )
        return float("nan") if row.value is None else row.value


def load_dataset(
    name: str,
    *,
    split: str = "test",
    data_root: str | Path | None = None,
    build: bool = True,
    **options: Any,
) -> Dataset:
    """A registered data set's split, or that of `path/to/file.py:Class`.

    Args:
        data_root: Folder that holds the data sets; offered to those that are kept under one. None:
            KAPBENCH_DATA, else the user data folder.
        build: Whether a data set that makes its images may make them now; offered to those.
        options: What the data set accepts, e.g. root or marking (synthetic).

    Raises:
        KapbenchError: unknown name or option; data that is missing or damaged.
    """
    context = {"build": build} | ({} if data_root is None else {"root": data_root})
    found = registry.create("datasets", name, context, {"split": split, **options})
    return cast("Dataset", found)


def load_model(
    name: str,
    *,
    device: str = "auto",
    dataset: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> Model:
    """A registered model, `features:DIR`, `similarity:DIR` or `path/to/file.py:Class`.

    Args:
        device: auto, cpu or cuda; offered to models that take one.
        dataset: Name of the data set it will meet; offered to models that ship weights for some.
        precision: fp32, bf16 or fp16: of an encoder's matrix products.
        options: What the model accepts, e.g. weights.

    Raises:
        KapbenchError: unknown name or option, weights that do not fit, or an object that is no
            model.
    """
    from kapbench.features.precision import in_precision

    where = pick_device(device)
    context = {"device": where, "dataset": dataset}
    model = registry.create("models", name, context, options)
    if not isinstance(model, Encoder | PairModel | AnnotatedModel):
        raise KapbenchError(
            f"'{name}' is no model: it needs name, revision, conditions_on, and encode (with "
            "similarity) or match",
            fix="see docs/adapters.md",
        )
    return cast("Model", in_precision(model, precision, where))


def check_model(name: str, options: Iterable[str]) -> None:
    """KapbenchError where `load_model` would refuse the name or an option's name; makes nothing."""
    registry.callable_with("models", name, ("device", "dataset"), options)


def pick_device(device: str) -> str:
    """cpu or cuda; auto takes cuda where there is one."""
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise KapbenchError(
            "no CUDA device found", fix="use --device cpu, or install a CUDA build of torch"
        )
    return "cpu"


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
    from kapbench.running.runner import run

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
