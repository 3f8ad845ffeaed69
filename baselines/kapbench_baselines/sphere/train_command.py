"""`kapbench train sphere`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.errors import KapbenchError
from kapbench_baselines.training.options import TrainingRequest, TrainingSetup, common
from kapbench_baselines.training.settings import leave_out

if TYPE_CHECKING:
    from kapbench_baselines.sphere.settings import Settings


@click.command("sphere")
@common
@click.option("--preset", help="Settings to start from: paper or lite0.  [default: lite0]")
@click.option(
    "--crops", type=click.IntRange(0), help="Crops of each image, in addition to the whole image."
)
@click.option(
    "--without", multiple=True, metavar="LOSS", help="Leave this loss out. Repeat it for more."
)
@click.option("--normed-tokens", is_flag=True, help="Let the mapper read layer-normalised tokens.")
@click.option(
    "--sphere-weight",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Weight of the sphere's cosine in the similarity, 0 to 1.",
)
def sphere(
    preset: str | None,
    crops: int | None,
    without: tuple[str, ...],
    normed_tokens: bool,
    sphere_weight: float,
    **options: Any,
) -> None:
    """Train the spherical mapper over a backbone; writes weights, card, history and curve.

    Losses: reconstruction, relative_distance, orientation, viewpoint. The backbone runs once over
    every view of the training images and its tokens are kept in the cache; then training itself
    takes minutes on a CPU. The sphere of sd_dino reads DINOv2's tokens: with --backbone sd_dino the
    mapper is trained over dinov2.vitb14, and --backbone-weights are DINOv2's.
    """
    from kapbench_baselines.sphere.settings import MAPPED, named
    from kapbench_baselines.training import ranks

    request = TrainingRequest.of(options)
    request = replace(request, backbone=MAPPED.get(request.backbone, request.backbone))
    settings = named(preset or "lite0").with_options(request.changed).with_crops(crops)
    settings = settings.with_options({"normed": normed_tokens or None})
    settings = leave_out(settings, without, "sphere")
    ranks.finish(f"weights: {run(TrainingSetup.of(request), settings, sphere_weight)}")


def run(setup: TrainingSetup, settings: "Settings", sphere_weight: float) -> Path:
    """Trains as requested; returns the weights' path."""
    from kapbench_baselines.sphere import checkpoint
    from kapbench_baselines.sphere.adapter import SphereEncoder
    from kapbench_baselines.sphere.task import SphereTask
    from kapbench_baselines.sphere.views import prepare
    from kapbench_baselines.training.card import Card
    from kapbench_baselines.training.trained_weights import train_and_save

    backbone, names = seen_by(setup.encoder, settings, setup), setup.categories
    views = setup.prepared(
        len(setup.views),
        setup.views,
        lambda views, advance: prepare(
            setup.dataset,
            views,
            names,
            backbone,
            settings.augmentation,
            setup.cache / "sphere",
            advance,
        ),
    )
    task = SphereTask(views, settings, len(names), setup.request.seed, setup.device)
    shape = {
        "channels": views.tokens.shape[-1],
        "width": settings.width,
        "heads": settings.heads,
        "depth": settings.depth,
        "token_grid": settings.token_grid,
    } | ({"normed": True} if settings.normed else {})
    kept = {**asdict(settings), "sphere_weight": sphere_weight}
    seen = checkpoint.supervision(views.masks)
    card = Card.of(setup, checkpoint.METHOD, seen, shape, kept)

    def model(encoder: Any, mapper: Any, revision: str) -> Any:
        grid = settings.token_grid
        return SphereEncoder(encoder, mapper, grid, revision, sphere_weight, setup.device)

    return train_and_save(setup, task, settings, card, model)


def seen_by(encoder: Any, settings: "Settings", setup: TrainingSetup) -> Any:
    """The backbone as it sees the views of training: at another size, where the settings say so.

    Raises:
        KapbenchError: a backbone whose size cannot be chosen.
    """
    if settings.backbone_px is None:
        return encoder
    from kapbench.loading import load_model
    from kapbench_baselines.training.backbones import as_backbone

    request = setup.request
    own = {} if request.backbone_weights is None else {"weights": request.backbone_weights}
    try:
        model = load_model(
            request.backbone,
            device=setup.device,
            dataset=request.dataset_name,
            image_px=settings.backbone_px,
            **own,
        )
        return as_backbone(model)
    except KapbenchError as error:
        if "option 'image_px'" not in error.thing:
            raise
        raise KapbenchError(
            f"This preset shows the backbone images of {settings.backbone_px} px, but the size of "
            f"{encoder.name} cannot be chosen",
            place="kapbench train sphere --preset",
            fix="Choose --preset lite0, or a backbone that takes image_px, e.g. dinov2.vitb14",
        ) from error
