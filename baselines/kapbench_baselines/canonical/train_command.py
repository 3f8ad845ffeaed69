"""`kapbench train dve` and `kapbench train asic`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.errors import documentation
from kapbench_baselines.training.options import (
    DIFFERENCES,
    Command,
    TrainingRequest,
    TrainingSetup,
    common,
)
from kapbench_baselines.training.settings import leave_out

if TYPE_CHECKING:
    from kapbench_baselines.canonical.settings import AnySettings, AnyWarping
    from kapbench_baselines.canonical.warps import WarpedTokens
    from kapbench_baselines.training.task import ShapedTask

_WARPS = click.option(
    "--warps",
    type=click.IntRange(1),
    help="Warped views of an image; with dve --preset paper pairs of views.",
)
_EPILOG = f"{documentation(DIFFERENCES)} lists the differences."


def _preset(other: str) -> Callable[[Command], Command]:
    """The option --preset: lite0, or the other."""
    help_text = f"Settings to start from: lite0 or {other}."
    return click.option("--preset", default="lite0", show_default=True, help=help_text)


_WITHOUT = click.option(
    "--without", multiple=True, metavar="LOSS", help="Leave a loss out; may be repeated."
)


@click.command("dve", epilog=_EPILOG)
@common
@_preset("paper")
@_WARPS
def dve(preset: str, warps: int | None, **options: Any) -> None:
    """Dense equivariant image labelling (after Thewlis et al. 2017) over a backbone.

    Learns labels on a sphere, one labelling a category, from synthetic warps of single images alone.
    With --preset paper it learns free vectors of 64 channels by the published loss, warps and
    schedule of descriptor vector exchange (Thewlis et al. 2019).
    """
    from kapbench_baselines.training import ranks

    ranks.finish(f"weights: {run('dve', TrainingRequest.of(options), warps, (), preset)}")


@click.command("asic", epilog=_EPILOG)
@common
@_preset("paper-like")
@_WARPS
@_WITHOUT
def asic(preset: str, warps: int | None, without: tuple[str, ...], **options: Any) -> None:
    """Aligns a category's images to a flat atlas (after ASIC, Gupta et al. 2023) over a backbone.

    Losses: match (mutual nearest neighbours between images), equivariance, reconstruction,
    variation.

    --preset paper-like is the published training without the perceptual reconstruction (VGG, weight
    1), which is not implemented. Its losses are match, equivariance, variation, parts and mask, with
    the published formulas, weights and schedule, on the images of the test split.
    """
    from kapbench_baselines.training import ranks

    request = TrainingRequest.of(options, split="test" if preset == "paper-like" else "trn")
    ranks.finish(f"weights: {run('asic', request, warps, without, preset)}")


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
    from kapbench_baselines.training.card import Card
    from kapbench_baselines.training.trained_weights import train_and_save

    settings = named(method, preset).with_options(request.changed)
    if warps is not None:
        settings = settings.with_options({"warping": replace(settings.warping, n_warps=warps)})
    settings = leave_out(settings, without, method)
    setup = TrainingSetup.of(request, cosines_for=COSINES_FOR[method])
    data = _warped(setup, settings.warping)
    task, settings = _task(method, settings, data, setup)
    token_grid = _token_grid(settings)
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


def _warped(setup: TrainingSetup, warping: "AnyWarping") -> "WarpedTokens":
    """Tokens of all views of the images."""
    from kapbench_baselines.canonical.warps import prepare

    names, encoder, cache = setup.categories, setup.encoder, setup.cache / "warps"
    return setup.prepared(
        len(setup.views),
        setup.views,
        lambda views, advance: prepare(
            setup.dataset, views, names, encoder, warping, cache, advance
        ),
    )


def _task(
    method: str, settings: "AnySettings", data: "WarpedTokens", setup: TrainingSetup
) -> "tuple[ShapedTask, AnySettings]":
    """The task, and its settings with the number of steps."""
    from kapbench_baselines.canonical.asic_paper_task import AsicPaperTask
    from kapbench_baselines.canonical.dve_paper_task import DvePaperTask
    from kapbench_baselines.canonical.settings import AsicPaperSettings, DvePaperSettings
    from kapbench_baselines.canonical.task import AsicTask, DveTask

    rest = len(setup.categories), setup.request.seed, setup.device
    if isinstance(settings, DvePaperSettings):
        settings = settings.for_images(data.category.bincount().tolist())
        return DvePaperTask(data, settings, *rest), settings
    if isinstance(settings, AsicPaperSettings):
        settings = settings.for_categories(len(setup.categories))
        return AsicPaperTask(data, settings, *rest), settings
    make = DveTask if method == "dve" else AsicTask
    return make(data, settings, *rest), settings


def _token_grid(settings: "AnySettings") -> int:
    """Cells a side of the whole images that are met later, of which a box is only a part."""
    from kapbench_baselines.canonical.settings import AsicPaperSettings

    grid = settings.warping.grid
    return grid if isinstance(settings, AsicPaperSettings) else 3 * grid // 2
