"""Trains a spherical mapper by the shared loop and writes its weights with their card."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from kapbench.progress import Progress
from kapbench.storage import fingerprint
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.settings import Settings
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import TokenViews
from kapbench_baselines.training import loop, ranks, trained_weights
from kapbench_baselines.training.loop import LAST, WEIGHTS, Plan, Schedule, Scores
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
    keep: str = LAST,
    validate: Callable[[Any, int], Scores] | None = None,
    frozen: Callable[[], Scores] | None = None,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> State:
    """Trains a mapper and writes weights, card, history and curve below `out`.

    Args:
        card: What the weights will say of themselves; scores are filled in.
        parts: See `loop.Plan`, as for keep.
        validate: See `loop.train`, as for frozen.

    Raises:
        KapbenchError: see `loop.train`.
    """
    task = SphereTask(views, settings, len(card.categories), card.seed, device)
    plan = Plan(
        out, _identity(card, settings), card.seed, bf16=bf16, parts=parts, resume=resume, keep=keep
    )
    state = loop.train(
        task, settings, plan,
        validate=validate, frozen=frozen, schedule=schedule, progress=progress,
    )  # fmt: skip
    if state.step == settings.steps and ranks.is_first():
        _finish(state, card, plan, device)
    return state


def _finish(state: State, card: checkpoint.Card, plan: Plan, device: str) -> None:
    kept, path = loop.kept(state, plan.keep), plan.out / WEIGHTS
    said = replace(
        card, device=device, scores=kept.scores, kept_step=kept.step,
        precision=state.precision, torch=str(torch.__version__),
    )  # fmt: skip
    checkpoint.save(path, kept.module.state_dict(), said)
    trained_weights.write_card(_readable(said), path, state.history)


def _readable(card: checkpoint.Card) -> trained_weights.Card:
    """What the sphere's card has in common with that of any trained method."""
    shared = {f.name for f in fields(trained_weights.Card)} & {f.name for f in fields(card)}
    return trained_weights.Card(
        method="sphere", n_images=sum(card.masks.values()), supervision=card.supervision, shape={},
        **{name: getattr(card, name) for name in shared - {"settings"}},
        settings={**card.settings, "sphere_weight": card.sphere_weight},
    )  # fmt: skip


def _identity(card: checkpoint.Card, settings: Settings) -> str:
    return fingerprint(
        settings.as_dict(), card.backbone, card.backbone_revision, card.dataset,
        card.dataset_revision, card.split, card.categories, card.seed,
    )  # fmt: skip
