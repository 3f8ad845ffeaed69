"""`kapbench train sphere`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kapbench.errors import KapbenchError

PRECISIONS = ("auto", "fp32", "bf16")


@click.command("sphere")
@click.option("--backbone", default="lite0", show_default=True, help="Any encoder's name.")
@click.option("--dataset", "dataset_name", default="synthetic", show_default=True)
@click.option("--split", default="trn", show_default=True, help="Split to train on.")
@click.option("--category", "categories", multiple=True, help="Only these; default: all present.")
@click.option("--preset", help="Settings to start from: paper or lite0.  [default: lite0]")
@click.option("--steps", type=click.IntRange(1), help="Training steps.")
@click.option("--batch", type=click.IntRange(2), help="Images a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate.")
@click.option("--crops", type=click.IntRange(0), help="Crops of an image, beside it whole.")
@click.option(
    "--sphere-weight",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Sphere's share when fused.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write.")
@click.option("--resume", is_flag=True, help="Go on from what is in the folder.")
@click.option("--data-root", type=click.Path(path_type=Path))
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False))
@click.option("--validate-every", default=500, show_default=True, help="Steps; 0: never.")
def sphere(**options: Any) -> None:
    """Train the spherical mapper over a backbone; writes weights, history and curve.

    The backbone runs once over every view of the training images and its tokens are kept in the
    cache; then training itself takes minutes on a CPU.
    """
    from kapbench.running.progress import Progress

    progress = Progress(show=sys.stderr.isatty(), log=_say)
    out = run(Asked(**options), progress)
    click.echo(f"weights: {out / 'weights.safetensors'}")


@dataclass(frozen=True)
class Asked:
    """The command's options."""

    backbone: str
    dataset_name: str
    split: str
    categories: tuple[str, ...]
    preset: str | None
    steps: int | None
    batch: int | None
    rate: float | None
    crops: int | None
    sphere_weight: float
    seed: int
    device: str
    precision: str
    out: Path | None
    resume: bool
    data_root: Path | None
    cache: Path | None
    validate_every: int


def run(asked: Asked, progress: Any) -> Path:
    """Trains as asked; returns the folder."""
    from kapbench.datasets.roots import cache_root
    from kapbench.evaluation import load_dataset, load_model, pick_device
    from kapbench_baselines.sphere.adapter import as_backbone
    from kapbench_baselines.sphere.settings import named
    from kapbench_baselines.sphere.training import Schedule, train
    from kapbench_baselines.sphere.validation import CachedEncoder

    changed = {"steps": asked.steps, "batch": asked.batch, "rate": asked.rate}
    settings = named(asked.preset or "lite0").with_options(changed).with_crops(asked.crops)
    device = pick_device(asked.device)
    cache = asked.cache or cache_root()
    dataset = load_dataset(asked.dataset_name, split=asked.split, data_root=asked.data_root)
    encoder = as_backbone(load_model(asked.backbone, device=device, dataset=asked.dataset_name))
    views, card = _prepare(dataset, encoder, asked, settings, cache, progress)
    validate = None
    if asked.validate_every:
        held_out = load_dataset(asked.dataset_name, split="val", data_root=asked.data_root)
        validate = _validator(CachedEncoder.below(cache, encoder), held_out, card, device)
    out = asked.out or Path("trained") / f"sphere-{encoder.name}-{dataset.name}-seed{asked.seed}"
    train(
        views, card, settings, out,
        device=device, bf16=_bf16(asked.precision, device), resume=asked.resume,
        validate=validate, schedule=Schedule(asked.validate_every or settings.steps),
        progress=progress,
    )  # fmt: skip
    return out


def _prepare(
    dataset: Any, encoder: Any, asked: Asked, settings: Any, cache: Path, progress: Any
) -> tuple[Any, Any]:
    """Tokens of all training views, and the card of the weights to come."""
    from kapbench_baselines.sphere.checkpoint import Card
    from kapbench_baselines.sphere.views import prepare

    views = dataset.views(asked.categories or None)
    if len(views) < 2:
        raise KapbenchError(
            f"{len(views)} images to train on",
            place=f"{dataset.name}, split {dataset.split}",
            fix="choose another split or more categories",
        )
    names = tuple(sorted({v.category for v in views}))
    with progress.stage("views", len(views)) as advance:
        prepared = prepare(
            dataset, views, names, encoder, settings.augmentation, cache / "sphere", advance
        )
    card = Card(
        backbone=encoder.name, backbone_revision=encoder.revision,
        channels=prepared.tokens.shape[-1], width=settings.width, heads=settings.heads,
        depth=settings.depth, token_grid=settings.token_grid, sphere_weight=asked.sphere_weight,
        categories=names, dataset=dataset.name, dataset_revision=dataset.revision,
        split=dataset.split, seed=asked.seed, steps=settings.steps, masks=prepared.masks,
        settings=settings.as_dict(), backbone_spec=_shown_spec(asked.backbone),
    )  # fmt: skip
    return prepared, card


def _shown_spec(spec: str) -> str:
    """What to write after --backbone; of a file, its name: folders are this machine's own."""
    path, colon, attribute = spec.rpartition(":")
    return f"{Path(path).name}:{attribute}" if colon and path.endswith(".py") else spec


def _validator(encoder: Any, held_out: Any, card: Any, device: str) -> Any:
    from kapbench_baselines.sphere.adapter import SphereEncoder
    from kapbench_baselines.sphere.validation import scores

    present = [c for c in card.categories if c in held_out.categories]
    if not present:
        raise KapbenchError(
            f"no val pairs of {', '.join(card.categories)} to validate on",
            place=held_out.name,
            fix="add --validate-every 0",
        )

    def validate(mapper: Any, step: int) -> dict[str, float]:
        weights = f"in training, step {step}"
        model = SphereEncoder(encoder, mapper, card.token_grid, weights, card.sphere_weight, device)
        return scores(model, held_out, present)

    return validate


def _bf16(precision: str, device: str) -> bool:
    """Whether to multiply in bfloat16; auto: where the hardware does so natively."""
    import torch

    if precision != "auto":
        return precision == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return native is not None and bool(native())


def _say(message: str) -> None:
    click.echo(message)
