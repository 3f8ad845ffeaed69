"""`kapbench train geoaware.supervised`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.errors import KapbenchError, documentation
from kapbench_baselines.training.options import DIFFERENCES, TrainingRequest, TrainingSetup, common
from kapbench_baselines.training.settings import leave_out

if TYPE_CHECKING:
    from kapbench.types import Pair
    from kapbench_baselines.geoaware.settings import PaperSettings, Settings


@click.command("geoaware.supervised", epilog=f"{documentation(DIFFERENCES)} lists the differences.")
@common
@click.option(
    "--preset", default="lite0", show_default=True, help="Settings to start from: lite0 or paper."
)
@click.option("--width", type=click.IntRange(1), help="Channels of the head's output.")
@click.option(
    "--cells",
    type=click.IntRange(2),
    help="Cells per side of the maps that the head reads. Default: 30; paper: the backbone's own.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="LOSS",
    help="Leave a loss out: sparse or dense; with --preset paper also both_mirrored, self_mirrored.",
)
@click.option(
    "--mirror", type=click.FloatRange(0, 1), help="Share of training pairs that are mirrored."
)
def supervised(
    preset: str,
    width: int | None,
    cells: int | None,
    without: tuple[str, ...],
    mirror: float | None,
    **options: Any,
) -> None:
    """The head of GeoAware-SC (Zhang et al. 2024) over a backbone, trained on keypoints.

    With --preset paper the losses, augmentations and schedule are the published ones; --preset lite0
    is kapbench's own, shorter training.

    A backbone that says of which parts its map consists (sd_dino.stack) gets a stage for each.
    """
    from kapbench_baselines.geoaware.settings import named
    from kapbench_baselines.training import ranks

    published = preset == "paper"
    request = TrainingRequest.of(
        options, keep="best-pck" if published else "last", validate_every=5000 if published else 500
    )
    changed = {**request.changed, "mirror": mirror, "width": width, "cells": cells}
    settings = leave_out(named(preset).with_options(changed), without, "geoaware.supervised")
    ranks.finish(f"weights: {run(request, settings)}")


def run(request: TrainingRequest, settings: "Settings | PaperSettings") -> Path:
    """Trains as requested; returns the weights' path."""
    from kapbench.features.cached_encoder import CachedEncoder
    from kapbench.protocols import model_info
    from kapbench_baselines.geoaware.pairs import prepare
    from kapbench_baselines.geoaware.paper_task import PaperTask, usable
    from kapbench_baselines.geoaware.settings import PaperSettings
    from kapbench_baselines.geoaware.supervised import METHOD, with_head
    from kapbench_baselines.geoaware.task import GeoawareTask
    from kapbench_baselines.training.card import Card
    from kapbench_baselines.training.trained_weights import train_and_save

    setup = TrainingSetup.of(request)
    pairs = _pairs(setup)
    encoder = CachedEncoder.below(setup.cache, setup.encoder)
    unit = not isinstance(settings, PaperSettings)
    n_images = len({v.image_id for p in pairs for v in (p.source, p.target)})
    data = setup.prepared(
        n_images,
        pairs,
        lambda some, advance: prepare(
            setup.dataset, some, encoder, settings.cells, advance, unit=unit
        ),
    )
    rest = request.seed, setup.device, model_info(setup.encoder).parts
    task: GeoawareTask | PaperTask
    pck_rule = None
    if isinstance(settings, PaperSettings):
        settings, pck_rule = settings.for_pairs(len(usable(data))), settings.pck_rule
        task = PaperTask(data, settings, *rest)
    else:
        task = GeoawareTask(data, settings, *rest)
    shape = {**task.shape(), "cells": settings.cells} | ({} if unit else {"unit": False})
    card = Card.of(setup, METHOD, "keypoints", shape, asdict(settings))

    def model(backbone: Any, network: Any, revision: str) -> Any:
        return with_head(backbone, network, revision, setup.device, settings.cells, unit=unit)

    return train_and_save(setup, task, settings, card, model, pck_rule)


def _pairs(setup: TrainingSetup) -> "Sequence[Pair]":
    """Of the categories. KapbenchError if there are none."""
    pairs: Sequence[Pair] = setup.dataset.pairs(setup.categories)
    if not pairs:
        raise KapbenchError(
            "The data set has no pairs to train on",
            place=f"{setup.dataset.name}, split {setup.dataset.split}",
            fix="Choose another split or category",
        )
    return pairs
