"""Options that every `kapbench train NAME` has, and the data and backbone that they name."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from kapbench.cli.options import data_root, dataset_options, offline, typed
from kapbench.errors import KapbenchError
from kapbench_baselines.training.output_folder import try_folder

_TRAINED = "trained"  # the folder of trainings that name none
PRECISIONS = ("auto", "fp32", "bf16")
Command = Callable[..., Any]
DIFFERENCES = "baselines.md#the-methods-here-and-as-published"  # from the published trainings
Prepared = TypeVar("Prepared")
_FOLDER = click.Path(path_type=Path, file_okay=False)

_OPTIONS = (
    click.option(
        "--backbone", default="lite0", show_default=True, help="Encoder to train over, e.g. lite0."
    ),
    click.option(
        "--backbone-weights",
        help="File or folder of the backbone's weights. Default: the backbone's own.",
    ),
    click.option(
        "--dataset",
        "dataset_name",
        default="synthetic",
        show_default=True,
        help="Data set to train on.",
    ),
    click.option(
        "--split",
        help="Split to train on. Default: trn; asic --preset paper-like: test, as published.",
    ),
    click.option(
        "--category",
        "categories",
        multiple=True,
        help="Train on this category only. Repeat it for more. Default: all categories.",
    ),
    click.option("--steps", type=click.IntRange(1), help="Training steps."),
    click.option(
        "--batch", type=click.IntRange(2), help="Images or pairs per step, over all ranks together."
    ),
    click.option(
        "--parts",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Split each rank's batch into this many pieces to save memory.",
    ),
    click.option("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate."),
    click.option(
        "--seed", default=0, show_default=True, help="Seed of all random numbers of the training."
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where to train; auto takes a GPU where there is one.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="auto",
        show_default=True,
        help="Precision of the forward pass. auto: bf16 where the GPU has it, else fp32.",
    ),
    click.option("--out", type=_FOLDER, help="Folder for the weights, card and history."),
    click.option(
        "--keep",
        type=click.Choice(["last", "best", "best-pck"]),
        help="Weights to write: the last, or those of the highest val KAP (PCK where it has none), or "
        "of the highest val PCK. Default: last; geoaware.supervised --preset paper: best-pck.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        expose_value=False,
        help="Not needed: the same command continues the training in the output folder.",
    ),
    click.option(
        "--force",
        is_flag=True,
        help="Start anew, and replace the training and the weights in the output folder.",
    ),
    data_root,
    dataset_options,
    click.option(
        "--cache",
        type=_FOLDER,
        help="Folder of the feature cache. Default: $KAPBENCH_CACHE, else the user cache folder.",
    ),
    offline,
    click.option(
        "--validate-every",
        type=click.IntRange(0),
        help="Steps between two validations; 0: never. Default: 500; geoaware.supervised --preset "
        "paper: 5000.",
    ),
)


def common(command: Command) -> Command:
    """Adds the shared options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class TrainingRequest:
    """The options that all trainers share."""

    backbone: str
    backbone_weights: str | None
    dataset_name: str
    split: str
    categories: tuple[str, ...]
    steps: int | None
    batch: int | None
    parts: int
    rate: float | None
    seed: int
    device: str
    precision: str
    out: Path | None
    keep: str
    force: bool
    data_root: Path | None
    dataset_options: tuple[str, ...]
    cache: Path | None
    validate_every: int

    @classmethod
    def of(
        cls,
        options: dict[str, Any],
        *,
        keep: str = "last",
        validate_every: int = 500,
        split: str = "trn",
    ) -> "TrainingRequest":
        """Removes the shared ones from a command's options, and leaves the method's.

        Args:
            keep, validate_every, split: Defaults of the method.
        """
        shared = {field.name: options.pop(field.name) for field in fields(cls)}
        defaults = {"keep": keep, "validate_every": validate_every, "split": split}
        unset = {name: value for name, value in defaults.items() if shared[name] is None}
        made = cls(**(shared | unset))
        # A data set or a backbone that changes the current folder moves none of these.
        folders = {name: getattr(made, name) for name in ("out", "data_root", "cache")}
        return replace(made, **{name: path and path.absolute() for name, path in folders.items()})

    @property
    def changed(self) -> dict[str, Any]:
        """Fields of a method's settings that the user set."""
        return {"steps": self.steps, "batch": self.batch, "rate": self.rate}

    @property
    def source(self) -> dict[str, Any]:
        """Data root and options of the data set. KapbenchError where an option is wrong."""
        options = typed("datasets", self.dataset_name, self.dataset_options)
        return {"data_root": self.data_root, **options}


@dataclass(frozen=True)
class TrainingSetup:
    """Data and backbone of one training, opened and checked."""

    request: TrainingRequest
    dataset: Any
    views: Sequence[Any]
    categories: tuple[str, ...]
    encoder: Any
    cache: Path
    device: str
    progress: Any

    @classmethod
    def of(
        cls, request: TrainingRequest, *, cosines_for: str | None = "the fusion"
    ) -> "TrainingSetup":
        """
        Args:
            cosines_for: See `backbones.as_backbone`.

        Raises:
            KapbenchError: data or backbone cannot be loaded, there are fewer than two images, or the
                output folder cannot be written.
        """
        from kapbench.loading import load_dataset, pick_device
        from kapbench.paths import cache_root
        from kapbench.progress import Progress
        from kapbench_baselines.training import ranks
        from kapbench_baselines.training.backbones import open_backbone

        device = ranks.start(pick_device(request.device))
        talks = ranks.is_first()
        if talks:
            try_folder(request.out or Path(_TRAINED))
        progress = Progress(
            show=talks and sys.stderr.isatty(), log=click.echo if talks else lambda _: None
        )
        dataset = load_dataset(request.dataset_name, split=request.split, **request.source)
        encoder = open_backbone(
            request.backbone,
            request.backbone_weights,
            device,
            request.dataset_name,
            cosines_for=cosines_for,
        )
        views = dataset.views(request.categories or None)
        if len(views) < 2:
            raise KapbenchError(
                f"There are {len(views)} images to train on; at least 2 are needed",
                place=f"{dataset.name}, split {dataset.split}",
                fix="Choose another split or more categories",
            )
        names = tuple(sorted({v.category for v in views}))
        cache = request.cache or cache_root()
        return cls(request, dataset, views, names, encoder, cache, device, progress)

    def prepared(
        self,
        n_images: int,
        items: Sequence[Any],
        prepare: Callable[[Any, Callable[[int], None]], Prepared],
    ) -> Prepared:
        """`prepare(items, advance)`, after each rank has done its share for the cache."""
        from kapbench_baselines.training import ranks

        n_ranks = ranks.count()
        with self.progress.stage("images", n_images) as advance:
            if n_ranks > 1:
                prepare(items[ranks.number() :: n_ranks], lambda _: None)
                ranks.wait()
            return prepare(items, advance)

    def out(self, method: str) -> Path:
        name = f"{method}-{self.encoder.name}-{self.dataset.name}-seed{self.request.seed}"
        return self.request.out or Path(_TRAINED).absolute() / name

    @property
    def bf16(self) -> bool:
        """Whether to multiply in bfloat16; auto: if the hardware supports it natively."""
        import torch

        if self.request.precision != "auto":
            return self.request.precision == "bf16"
        if self.device.startswith("cuda"):
            return bool(torch.cuda.is_bf16_supported())
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        return native is not None and bool(native())

    def validator(self, build: Callable[[Any, Any, str], Any], pck_rule: str | None = None) -> Any:
        """A `Validator` on val; None if the user wants no scores.

        Args:
            build: A model of the backbone (its maps cached), the module and a revision.
            pck_rule: None: that of every training.

        Raises:
            KapbenchError: the val split has none of the categories.
        """
        if not self.request.validate_every:
            return None
        from kapbench.features.cached_encoder import CachedEncoder
        from kapbench.loading import load_dataset
        from kapbench_baselines.training.validation import RULES, Validator

        held_out = load_dataset(self.request.dataset_name, split="val", **self.request.source)
        present = [c for c in self.categories if c in held_out.categories]
        if not present:
            raise KapbenchError(
                f"The val split has no pairs of {', '.join(self.categories)}",
                place=held_out.name,
                fix="Add --validate-every 0",
            )
        encoder = CachedEncoder.below(self.cache, self.encoder)
        rules = RULES | ({"pck": pck_rule} if pck_rule else {})
        return Validator(encoder, held_out, present, build, rules)

    @property
    def backbone_spec(self) -> str:
        """What to write after --backbone; a file is named without this machine's folder."""
        spec = self.request.backbone
        path, colon, attribute = spec.rpartition(":")
        return f"{Path(path).name}:{attribute}" if colon and path.endswith(".py") else spec
