"""One run is one frozen value, made once and handed on whole, to other machines as well."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.features.cache import ISOLATED, FeatureCache
from kapbench.features.open_cache import open_cache
from kapbench.identity.model_identity import Identity, identify
from kapbench.isolated.load import SECONDS, load_isolated
from kapbench.isolated.models import IsolatedModel, Protection
from kapbench.isolated.places import files_in, folders_of
from kapbench.loading import load_dataset, load_model, pick_device
from kapbench.protocols import Dataset, Model, ModelInfo
from kapbench.running.chunk_files import ChunkFiles
from kapbench.running.plan import Plan, make_plan
from kapbench.running.results import CARD
from kapbench.running.run_folder import CHUNKS, run_folder
from kapbench.running.saved_maps_fit import check_corruption
from kapbench.scoring.rules import Rule
from kapbench.scoring.schema import Needs


@dataclass(frozen=True)
class RunRequest:
    """Everything that a run is made from; rules by their content.

    A request whose model and data set are names can be pickled and opened on another machine that
    has the same folders.

    Args:
        model: A name for `load_model`, or a model.
        dataset: A name for `load_dataset`, or a data set; then `split`, `data_root` and
            `dataset_options` are not read.
        runs_root: Folder of run folders.
        cache_root: Folder of the feature cache; None keeps features only while the run lasts.
        categories: Some of the data set's categories; None: all that are present.
        device: auto, cpu or cuda.
        precision: fp32, bf16 or fp16, of an encoder's matrix products.
        batch_size: Images that the encoder gets at once; None: see `Batches`.
        workers: Processes that score an encoder's pairs. Other models run in this process.
        threads: Threads of torch's arithmetic, on which an encoder's last bits depend; None:
            torch's own choice.
        force: Encode and score again what is finished.
        steal_lock: Write the run folder even where a process of another machine holds its lock.
        intervals: Whether scores get their confidence intervals.
        limit: Score only so many pairs, evenly over the categories, for debugging.
        label: The user's name for the run; part of no identity.
        isolated: Run the model, which is then a name, in a process of its own: see `load_isolated`.
        option_texts: More options of an isolated model, KEY=VALUE as on the command line.
        model_seconds: The most that loading or one answer of an isolated model may take.
        command: The command line that makes the run, quoted for a shell.
    """

    model: str | Model
    dataset: str | Dataset
    rules: tuple[Rule, ...]
    _: KW_ONLY
    runs_root: Path
    cache_root: Path | None = None
    split: str = "test"
    categories: tuple[str, ...] | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    data_root: Path | None = None
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | None = None
    workers: int = 1
    threads: int | None = None
    force: bool = False
    steal_lock: bool = False
    intervals: bool = True
    limit: int | None = None
    label: str | None = None
    command: str | None = None
    isolated: bool = False
    option_texts: tuple[str, ...] = ()
    model_seconds: float = SECONDS

    def __post_init__(self) -> None:
        """A model or a data set that changes the current folder moves none of these."""
        for name in ("runs_root", "cache_root", "data_root"):
            folder: Path | None = vars(self)[name]
            if folder is not None:
                object.__setattr__(self, name, folder.absolute())

    def open_dataset(self) -> Dataset:
        """Raises KapbenchError: see `load_dataset`."""
        if not isinstance(self.dataset, str):
            return self.dataset
        options = {"split": self.split, "data_root": self.data_root} | dict(self.dataset_options)
        return load_dataset(self.dataset, **options)

    def open(self) -> "OpenRun":
        """Opens the data set, then the model, and makes the plan.

        Raises:
            KapbenchError: see `load_dataset`, `load_model` and `make_plan`.
        """
        dataset, model = self.open_dataset(), self.model
        if self.isolated:
            model = self._load_isolated(dataset)
        elif isinstance(model, str):
            model = load_model(
                model,
                device=self.device,
                dataset=dataset.name,
                precision=self.precision,
                **self.model_options,
            )
        elif self.model_options:
            raise KapbenchError(
                f"{', '.join(self.model_options)}: options belong to a model that is made by name",
                place=f"model {model.name}",
                fix="Leave them out, or give them to the model when you make it",
            )
        elif self.precision != "fp32":
            raise KapbenchError(
                f"Precision {self.precision} has no effect on a model that is already made",
                place=f"model {model.name}",
                fix=f"Make it with load_model(..., precision='{self.precision}')",
            )
        check_corruption(model, dataset)
        identity = identify(model)
        plan = make_plan(
            model, dataset, self.rules, self.categories, identity.info, limit=self.limit
        )
        return OpenRun(self, model, dataset, plan, identity)

    def _load_isolated(self, dataset: Dataset) -> IsolatedModel:
        if not isinstance(self.model, str):
            raise KapbenchError(
                "A model that is already made cannot be isolated: it is in this process",
                place=f"model {self.model.name}",
                fix="Give its name, or FILE.py:Class, and its options",
            )
        named = files_in([self.data_root, *self.dataset_options.values()])
        return load_isolated(
            self.model,
            device=self.device,
            dataset=dataset.name,
            precision=self.precision,
            options=self.model_options,
            texts=self.option_texts,
            annotations=(
                self.runs_root,
                *([] if self.cache_root is None else [self.cache_root]),
                *named,
                *folders_of(dataset),
            ),
            seconds=self.model_seconds,
        )


@dataclass(frozen=True)
class OpenRun:
    """A request whose model and data set are open, and what it will do."""

    request: RunRequest
    model: Model
    dataset: Dataset
    plan: Plan
    identity: Identity

    @property
    def info(self) -> ModelInfo:
        """What the model declares, with the revision that its run and features are kept by."""
        return self.identity.info

    @cached_property
    def device(self) -> str:
        """cpu or cuda."""
        return pick_device(self.request.device)

    @property
    def protections(self) -> tuple[Protection, ...]:
        """What an isolated model is kept from; empty for a model in this process."""
        return self.model.protections if isinstance(self.model, IsolatedModel) else ()

    @property
    def folder(self) -> Path:
        """A run of an isolated model has its own, so that no chunk of the other kind is in it."""
        folder = run_folder(self.request.runs_root, self.info, self.dataset, self.plan)
        return folder.with_name(f"{folder.name}{ISOLATED}") if self.protections else folder

    @property
    def finished(self) -> bool:
        """Whether the folder holds the finished run, which is then read back."""
        return (self.folder / CARD).exists()

    @property
    def chunk_files(self) -> ChunkFiles:
        return ChunkFiles(self.folder / CHUNKS, tuple(self.needs.columns))

    @property
    def needs(self) -> Needs:
        """What the rules ask of one pass over the model."""
        return Needs.of(self.plan.rules, self.info.supervised, self.info.window)

    @contextmanager
    def cache(self) -> Iterator[FeatureCache]:
        """The model's features in the cache folder, or in one that is removed afterwards.

        Features that a model made in isolation are kept apart from those that it made without.
        """
        info = self.info
        if self.protections:
            info = replace(info, revision=f"{info.revision}{ISOLATED}")
        root, is_known = self.request.cache_root, self.identity.unknown is None
        with open_cache(self.model, info, root, is_known=is_known) as cache:
            yield cache
