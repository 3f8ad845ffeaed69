"""`kapbench train dve` and `kapbench train asic`."""

from pathlib import Path
from typing import Any

import click

from kapbench_baselines.training.options import TrainingRequest, TrainingSetup, common, leave_out

_WARPS = click.option("--warps", type=click.IntRange(1), help="Warped views of an image.")
_WITHOUT = click.option(
    "--without", multiple=True, metavar="LOSS", help="Leave a loss out; may be repeated."
)


@click.command("dve")
@common
@_WARPS
def dve(warps: int | None, **options: Any) -> None:
    """Dense equivariant image labelling (Thewlis et al. 2017) over a backbone.

    Learns labels on a sphere, one labelling a category, from synthetic warps of single images alone.
    """
    from kapbench_baselines.training import ranks

    ranks.finish(f"weights: {run('dve', TrainingRequest.of(options), warps, ())}")


@click.command("asic")
@common
@_WARPS
@_WITHOUT
def asic(warps: int | None, without: tuple[str, ...], **options: Any) -> None:
    """Aligns a category's images to a flat atlas (after ASIC, Gupta et al. 2023) over a backbone.

    Losses: match (mutual nearest neighbours between images), equivariance, reconstruction,
    variation.
    """
    from kapbench_baselines.training import ranks

    ranks.finish(f"weights: {run('asic', TrainingRequest.of(options), warps, without)}")


def run(method: str, request: TrainingRequest, warps: int | None, without: tuple[str, ...]) -> Path:
    """Trains as requested; returns the weights' path."""
    from dataclasses import asdict, replace

    from kapbench_baselines.canonical.adapter import COSINES_FOR, CanonicalEncoder
    from kapbench_baselines.canonical.settings import ASIC, DVE
    from kapbench_baselines.canonical.task import AsicTask, DveTask
    from kapbench_baselines.canonical.warps import prepare
    from kapbench_baselines.training.trained_weights import Card, train_and_save

    settings = (DVE if method == "dve" else ASIC).with_options(request.changed)
    if warps is not None:
        settings = replace(settings, warping=replace(settings.warping, n_warps=warps))
    settings = leave_out(settings, without, method)
    setup = TrainingSetup.of(request, cosines_for=COSINES_FOR[method])
    data = setup.prepared(
        len(setup.views),
        setup.views,
        lambda views, advance: prepare(
            setup.dataset,
            views,
            setup.categories,
            setup.encoder,
            settings.warping,
            setup.cache / "warps",
            advance,
        ),
    )
    make = DveTask if method == "dve" else AsicTask
    task = make(data, settings, len(setup.categories), request.seed, setup.device)
    token_grid = 3 * settings.warping.grid // 2  # the box is a part of the image that is met later
    shape = {**task.shape(len(setup.categories)), "token_grid": token_grid}
    seen = "masks" if data.masks["mask"] else "boxes"
    card = Card.of(setup, method, seen, shape, asdict(settings))

    def model(encoder: Any, heads: Any, revision: str) -> Any:
        return CanonicalEncoder(
            method, encoder, heads, setup.categories, token_grid, revision, setup.device
        )

    return train_and_save(setup, task, settings, card, model)
