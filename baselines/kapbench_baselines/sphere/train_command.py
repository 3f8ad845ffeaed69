"""`kapbench train sphere`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kapbench.errors import KapbenchError
from kapbench_baselines.training.options import Asked, Ground, common, leave_out


@click.command("sphere")
@common
@click.option("--preset", help="Settings to start from: paper or lite0.  [default: lite0]")
@click.option("--crops", type=click.IntRange(0), help="Crops of an image, beside it whole.")
@click.option("--without", multiple=True, metavar="LOSS", help="Leave a loss out; may be repeated.")
@click.option(
    "--sphere-weight",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Sphere's share when fused.",
)
def sphere(
    preset: str | None,
    crops: int | None,
    without: tuple[str, ...],
    sphere_weight: float,
    **options: Any,
) -> None:
    """Train the spherical mapper over a backbone; writes weights, card, history and curve.

    Losses: reconstruction, relative_distance, orientation, viewpoint. The backbone runs once over
    every view of the training images and its tokens are kept in the cache; then training itself
    takes minutes on a CPU.
    """
    from kapbench_baselines.sphere.settings import named
    from kapbench_baselines.training import ranks

    asked = Asked.of(options)
    settings = named(preset or "lite0").with_options(asked.changed).with_crops(crops)
    settings = leave_out(settings, without, "sphere")
    out = run(Ground.of(asked), settings, sphere_weight)
    ranks.finish(f"weights: {out / 'weights.safetensors'}")


def run(ground: Ground, settings: Any, sphere_weight: float) -> Path:
    """Trains as asked; returns the folder."""
    from kapbench_baselines.sphere.training import train
    from kapbench_baselines.training.loop import Schedule

    asked = ground.asked
    views, card = _prepare(ground, settings, sphere_weight)
    validate = ground.validator(build=_in_training(ground, card))

    out = ground.out("sphere")
    train(
        views, card, settings, out,
        device=ground.device, bf16=ground.bf16, parts=asked.parts, resume=asked.resume,
        keep=asked.keep, validate=validate, frozen=validate and validate.frozen,
        schedule=Schedule(asked.validate_every or settings.steps),
        progress=ground.progress,
    )  # fmt: skip
    return out


def _in_training(ground: Ground, card: Any) -> Callable[[Any, Any, str], Any]:
    from kapbench_baselines.sphere.adapter import SphereEncoder

    def model(encoder: Any, mapper: Any, revision: str) -> Any:
        grid, share = card.token_grid, card.sphere_weight
        return SphereEncoder(encoder, mapper, grid, revision, share, ground.device)

    return model


def seen_by(encoder: Any, settings: Any, ground: Ground) -> Any:
    """The backbone as it sees the views of training: at another size, where the settings say so.

    Raises:
        KapbenchError: a backbone whose size cannot be chosen.
    """
    if settings.backbone_px is None:
        return encoder
    from kapbench.loading import load_model
    from kapbench_baselines.training.backbones import as_backbone

    asked = ground.asked
    own = {} if asked.backbone_weights is None else {"weights": asked.backbone_weights}
    try:
        found = load_model(
            asked.backbone, device=ground.device, dataset=asked.dataset_name,
            image_px=settings.backbone_px, **own,
        )  # fmt: skip
        return as_backbone(found)
    except KapbenchError as error:
        if "option 'image_px'" not in error.thing:
            raise
        raise KapbenchError(
            f"these settings show the backbone {settings.backbone_px} px, and {encoder.name} has "
            "one size alone", place="kapbench train sphere --preset",
            fix="choose --preset lite0, or a backbone that takes image_px, e.g. dinov2.vitb14",
        ) from error  # fmt: skip


def _prepare(ground: Ground, settings: Any, sphere_weight: float) -> tuple[Any, Any]:
    """Tokens of all training views, and the card of the weights to come."""
    from kapbench_baselines.sphere.checkpoint import Card
    from kapbench_baselines.sphere.views import prepare

    dataset, encoder, names = ground.dataset, ground.encoder, ground.categories
    shown = seen_by(encoder, settings, ground)
    prepared = ground.prepared(
        len(ground.views), ground.views,
        lambda views, advance: prepare(
            dataset, views, names, shown, settings.augmentation, ground.cache / "sphere", advance
        ),
    )  # fmt: skip
    card = Card(
        backbone=encoder.name, backbone_revision=encoder.revision,
        channels=prepared.tokens.shape[-1], width=settings.width, heads=settings.heads,
        depth=settings.depth, token_grid=settings.token_grid, sphere_weight=sphere_weight,
        categories=names, dataset=dataset.name, dataset_revision=dataset.revision,
        split=dataset.split, seed=ground.asked.seed, steps=settings.steps, masks=prepared.masks,
        settings=settings.as_dict(), backbone_spec=ground.backbone_spec,
    )  # fmt: skip
    return prepared, card
