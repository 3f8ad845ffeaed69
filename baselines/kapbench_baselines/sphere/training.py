"""The training loop: draws, steps, validates, keeps its state, writes the weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kapbench.errors import KapbenchError
from kapbench.files import write_atomically
from kapbench.hashing import fingerprint
from kapbench.running.progress import Progress
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.sphere.objective import NAMES, draw_batch, terms, weighted
from kapbench_baselines.sphere.settings import Settings
from kapbench_baselines.sphere.state import State, rate
from kapbench_baselines.sphere.views import TokenViews

Validate = Callable[[SphereMapper, int], dict[str, float]]
WEIGHTS, STATE = "weights.safetensors", "state.safetensors"
HISTORY, CURVE = "history.json", "curve.png"


@dataclass(frozen=True)
class Schedule:
    """When to look up from training."""

    validate_every: int = 500
    save_every: int = 100
    stop_at: int | None = None  # leave early, as if killed after this step's state was saved


def train(
    views: TokenViews,
    card: checkpoint.Card,
    settings: Settings,
    out: Path,
    *,
    device: str = "cpu",
    bf16: bool = False,
    resume: bool = False,
    validate: Validate | None = None,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> State:
    """Trains a mapper and writes weights, history and curve below `out`.

    Args:
        card: What the weights will say of themselves; scores are filled in.
        bf16: Matrix products in bfloat16; weights, losses and sphere points stay in float32.
        validate: Scores of the averaged weights at a step.

    Raises:
        KapbenchError: `out` holds a training and `resume` was not asked for, or another training's.
    """
    schedule, progress = schedule or Schedule(), progress or Progress()
    state = State.fresh(card.channels, len(card.categories), settings, card.seed, device)
    state.precision = "bf16" if bf16 else "fp32"
    identity = _identity(card, settings)
    _open(state, views, settings, out, identity, resume)
    step_once = _stepper(state, views, settings, torch.device(device), bf16)
    with progress.stage("steps", settings.steps) as advance:
        advance(state.step)
        while state.step < settings.steps:
            step_once()
            advance(1)
            last = state.step == settings.steps
            if last or state.step % schedule.validate_every == 0:
                found = validate(state.averaged, state.step) if validate else {}
                _note(state, found, out, progress)
            if last or state.step % schedule.save_every == 0:
                state.save(out / STATE, identity)
            if state.step == schedule.stop_at:
                return state
    _finish(state, replace(card, device=device), out)
    return state


def _identity(card: checkpoint.Card, settings: Settings) -> str:
    """What a training is of. Its steps belong to it: the learning rate's course hangs on them."""
    return fingerprint(
        settings.as_dict(), card.backbone, card.backbone_revision, card.dataset,
        card.dataset_revision, card.split, card.categories, card.seed,
    )  # fmt: skip


def _open(
    state: State, views: TokenViews, settings: Settings, out: Path, identity: str, resume: bool
) -> None:
    if (out / STATE).is_file():
        if not resume:
            raise KapbenchError(
                "a training is here already", place=out, fix="add --resume, or choose another --out"
            )
        state.load(out / STATE, identity)
    elif settings.standardise:
        sample = views.tokens[::5, ::5]
        state.mapper.standardise(sample.to(next(state.mapper.parameters()).device))
        state.averaged.load_state_dict(state.mapper.state_dict())


def _stepper(
    state: State, views: TokenViews, settings: Settings, device: torch.device, bf16: bool
) -> Callable[[], None]:
    constants = settings.losses

    def step_once() -> None:
        state.step += 1
        for group in state.optimiser.param_groups:
            group["lr"] = rate(settings, state.step)
        state.mapper.train()
        state.decoder.train()
        batch = draw_batch(views, settings, state.generator, device)
        values = terms(batch, state.mapper, state.decoder, constants, state.generator, bf16=bf16)
        state.optimiser.zero_grad()
        loss = weighted(values, constants)
        if not torch.isfinite(loss):
            raise KapbenchError(
                f"the loss is {loss.item()} at step {state.step}",
                fix="lower --rate, or train with --precision fp32",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(state.mapper.parameters(), settings.clip)
        state.optimiser.step()
        state.average(settings.average)
        state.note(values.detach())

    return step_once


def _note(state: State, found: dict[str, float], out: Path, progress: Progress) -> None:
    """One line of history: mean losses since the last one, and the scores found."""
    means = state.mean_losses().tolist()
    line = {"step": state.step, **dict(zip(NAMES, means, strict=True)), **found}
    state.history.append(line)
    write_atomically(out / HISTORY, json.dumps(state.history, indent=1).encode())
    words = "  ".join(f"{k} {v:.3f}" for k, v in line.items() if k not in ("step", *found))
    scores = "  ".join(f"val {k.upper()} {100 * v:.2f}" for k, v in found.items())
    progress.say(f"step {state.step}: {words}  {scores}".rstrip())


def _finish(state: State, card: checkpoint.Card, out: Path) -> None:
    from kapbench_baselines.sphere.curve import draw_curve

    scores = {k: v for k, v in state.history[-1].items() if k not in ("step", *NAMES)}
    said = replace(card, scores=scores, precision=state.precision, torch=str(torch.__version__))
    checkpoint.save(out / WEIGHTS, state.averaged.state_dict(), said)
    draw_curve(state.history, out / CURVE)
