"""Trains a spherical mapper by the shared loop and writes its weights with their card."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kapbench.hashing import fingerprint
from kapbench.running.progress import Progress
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.settings import Settings
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import TokenViews
from kapbench_baselines.training import loop, ranks
from kapbench_baselines.training.loop import WEIGHTS, Plan, Schedule
from kapbench_baselines.training.state import State


def train(
    views: TokenViews,
    card: checkpoint.Card,
    settings: Settings,
    out: Path,
    *,
    device: str = "cpu",
    bf16: bool = False,
    parts: int = 1,
    resume: bool = False,
    validate: Callable[[Any, int], dict[str, float]] | None = None,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> State:
    """Trains a mapper and writes weights, history and curve below `out`.

    Args:
        card: What the weights will say of themselves; scores are filled in.
        parts: See `loop.Plan`.
        validate: Scores of the averaged weights at a step.

    Raises:
        KapbenchError: see `loop.train`.
    """
    task = SphereTask(views, settings, len(card.categories), card.seed, device)
    plan = Plan(out, _identity(card, settings), card.seed, bf16=bf16, parts=parts, resume=resume)
    state = loop.train(
        task, settings, plan, validate=validate, schedule=schedule, progress=progress
    )
    if state.step == settings.steps and ranks.is_first():
        said = replace(
            card, device=device, scores=loop.scores(state), precision=state.precision,
            torch=str(torch.__version__),
        )  # fmt: skip
        checkpoint.save(out / WEIGHTS, state.averaged.state_dict(), said)
    return state


def _identity(card: checkpoint.Card, settings: Settings) -> str:
    return fingerprint(
        settings.as_dict(), card.backbone, card.backbone_revision, card.dataset,
        card.dataset_revision, card.split, card.categories, card.seed,
    )  # fmt: skip
