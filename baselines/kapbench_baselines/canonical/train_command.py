"""`kapbench train dve` and `kapbench train asic`."""

from pathlib import Path
from typing import Any

import click

from kapbench_baselines.training.options import TrainingRequest, TrainingSetup, common, leave_out

_WARPS = click.option(
    "--warps",
    type=click.IntRange(1),
    help="Warped views of an image; with --preset paper pairs of views.",
)
_WITHOUT = click.option(
    "--without", multiple=True, metavar="LOSS", help="Leave a loss out; may be repeated."
)


@click.command("dve")
@common
@click.option(
    "--preset", default="lite0", show_default=True, help="Settings to start from: lite0 or paper."
)
@_WARPS
def dve(preset: str, warps: int | None, **options: Any) -> None:
    """Dense equivariant image labelling (after Thewlis et al. 2017) over a backbone.

    Learns labels on a sphere, one labelling a category, from synthetic warps of single images alone.
    With --preset paper it learns free vectors of 64 channels by the published loss, warps and
    schedule of descriptor vector exchange (Thewlis et al. 2019). docs/baselines.md lists the
    differences.
    """
    from kapbench_baselines.training import ranks

    ranks.finish(f"weights: {run('dve', TrainingRequest.of(options), warps, (), preset)}")


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


def run(
    method: str,
    request: TrainingRequest,
    warps: int | None,
    without: tuple[str, ...],
    preset: str = "lite0",
) -> Path:
    """Trains as requested; returns the weights' path."""
    from dataclasses import asdict, replace

    from kapbench_baselines.canonical.adapter import COSINES_FOR, CanonicalEncoder, variant
    from kapbench_baselines.canonical.settings import named
    from kapbench_baselines.canonical.warps import prepare
    from kapbench_baselines.training.trained_weights import Card, train_and_save

    settings: Any = named(method, preset).with_options(request.changed)
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
    task, settings = _task(method, settings, data, setup)
    token_grid = 3 * settings.warping.grid // 2  # the box is a part of the image that is met later
    shape = {**task.shape(len(setup.categories)), "token_grid": token_grid}
    seen = "masks" if data.masks["mask"] else "boxes"
    card = Card.of(setup, method, seen, shape, asdict(settings))

    def model(encoder: Any, heads: Any, revision: str) -> Any:
        return CanonicalEncoder(
            variant(method, card.settings),
            encoder,
            heads,
            setup.categories,
            token_grid,
            revision,
            setup.device,
        )

    return train_and_save(setup, task, settings, card, model)


def _task(method: str, settings: Any, data: Any, setup: TrainingSetup) -> tuple[Any, Any]:
    """The task, and its settings with the number of steps."""
    from kapbench_baselines.canonical.dve_paper_task import DvePaperTask
    from kapbench_baselines.canonical.settings import DvePaperSettings
    from kapbench_baselines.canonical.task import AsicTask, DveTask

    rest = len(setup.categories), setup.request.seed, setup.device
    if isinstance(settings, DvePaperSettings):
        settings = settings.for_images(len(setup.views))
        return DvePaperTask(data, settings, *rest), settings
    make = DveTask if method == "dve" else AsicTask
    return make(data, settings, *rest), settings
