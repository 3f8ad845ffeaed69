"""`kapbench train sphere`."""

from pathlib import Path
from typing import Any

import click

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
    """Train the spherical mapper over a backbone; writes weights, history and curve.

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
    from kapbench_baselines.sphere.adapter import SphereEncoder
    from kapbench_baselines.sphere.training import train
    from kapbench_baselines.training.loop import Schedule

    asked = ground.asked
    views, card = _prepare(ground, settings, sphere_weight)

    def model(encoder: Any, mapper: Any, revision: str) -> Any:
        grid, share = card.token_grid, card.sphere_weight
        return SphereEncoder(encoder, mapper, grid, revision, share, ground.device)

    out = ground.out("sphere")
    train(
        views, card, settings, out,
        device=ground.device, bf16=ground.bf16, parts=asked.parts, resume=asked.resume,
        validate=ground.validator(model), schedule=Schedule(asked.validate_every or settings.steps),
        progress=ground.progress,
    )  # fmt: skip
    return out


def _prepare(ground: Ground, settings: Any, sphere_weight: float) -> tuple[Any, Any]:
    """Tokens of all training views, and the card of the weights to come."""
    from kapbench_baselines.sphere.checkpoint import Card
    from kapbench_baselines.sphere.views import prepare

    dataset, encoder, names = ground.dataset, ground.encoder, ground.categories
    prepared = ground.prepared(
        len(ground.views), ground.views,
        lambda views, advance: prepare(
            dataset, views, names, encoder, settings.augmentation, ground.cache / "sphere", advance
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
