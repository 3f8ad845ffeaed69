"""The training loop: draws, steps, validates, keeps its state; what is saved is the method's."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from kapbench.errors import KapbenchError
from kapbench.files import write_atomically
from kapbench.running.progress import Progress
from kapbench_baselines.training import ranks
from kapbench_baselines.training.curve import draw_curve
from kapbench_baselines.training.state import State, rate
from kapbench_baselines.training.task import Course, Task

Validate = Callable[[nn.Module, int], dict[str, float]]
WEIGHTS, STATE = "weights.safetensors", "state.safetensors"
HISTORY, CURVE = "history.json", "curve.png"


@dataclass(frozen=True)
class Schedule:
    """When to look up from training."""

    validate_every: int = 500
    save_every: int = 100
    stop_at: int | None = None  # leave early, as if killed after this step's state was saved


@dataclass(frozen=True)
class Plan:
    """Where and how one training runs.

    Attributes:
        identity: Names what is trained: method, settings, data, backbone, seed. Its steps belong
            to it, as the learning rate's course hangs on them.
        bf16: Matrix products in bfloat16; weights and losses stay in float32.
        parts: That a batch goes through the networks in, for want of memory.
    """

    out: Path
    identity: str
    seed: int
    bf16: bool = False
    parts: int = 1
    resume: bool = False

    @property
    def precision(self) -> str:
        return "bf16" if self.bf16 else "fp32"


def train(
    task: Task,
    course: Course,
    plan: Plan,
    *,
    validate: Validate | None = None,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> State:
    """Trains to the last step; writes state, history and curve below `plan.out`.

    Args:
        validate: Scores of the averaged main module at a step.

    Raises:
        KapbenchError: the folder holds a training and `resume` was not asked for, or another
            training's; a loss that is not finite.
    """
    schedule, progress = schedule or Schedule(), progress or Progress()
    state = State.fresh(task, course, plan.seed, plan.precision)
    _open(state, plan)
    with progress.stage("steps", course.steps) as advance:
        advance(state.step)
        while state.step < course.steps:
            _step(state, course, plan)
            advance(1)
            last = state.step == course.steps
            if ranks.is_first():
                if last or state.step % schedule.validate_every == 0:
                    found = validate(state.averaged, state.step) if validate else {}
                    _note(state, found, plan.out, progress)
                if last or state.step % schedule.save_every == 0:
                    state.save(plan.out / STATE, plan.identity)
            if state.step == schedule.stop_at:
                return state
    if ranks.is_first():
        draw_curve(state.history, task.names, plan.out / CURVE)
    ranks.wait()
    return state


def scores(state: State) -> dict[str, float]:
    """What the last validation found."""
    return {k: v for k, v in state.history[-1].items() if k not in ("step", *state.task.names)}


def _open(state: State, plan: Plan) -> None:
    path = plan.out / STATE
    if not path.is_file():
        state.task.prepare()
        state.averaged.load_state_dict(state.main.state_dict())
    elif plan.resume:
        state.load(path, plan.identity)
    else:
        raise KapbenchError(
            "a training is here already",
            place=plan.out,
            fix="add --resume, or choose another --out",
        )
    ranks.wait()


def _step(state: State, course: Course, plan: Plan) -> None:
    task = state.task
    state.step += 1
    for group in state.optimiser.param_groups:
        group["lr"] = rate(course, state.step)
    for module in task.modules.values():
        module.train()
    values = task.losses(state.generator, bf16=plan.bf16, parts=plan.parts)
    state.optimiser.zero_grad()
    loss = task.weighted(values)
    if not torch.isfinite(loss):
        raise KapbenchError(
            f"the loss is {loss.item()} at step {state.step}",
            fix="lower --rate, or train with --precision fp32",
        )
    loss.backward()  # type: ignore[no-untyped-call]
    ranks.average_gradients(list(task.modules.values()))
    if course.clip:
        torch.nn.utils.clip_grad_norm_(state.main.parameters(), course.clip)
    state.optimiser.step()
    state.average(course.average)
    state.note(values.detach())


def _note(state: State, found: dict[str, float], out: Path, progress: Progress) -> None:
    """One line of history: mean losses since the last one, and the scores found."""
    means = state.mean_losses().tolist()
    line = {"step": state.step, **dict(zip(state.task.names, means, strict=True)), **found}
    state.history.append(line)
    write_atomically(out / HISTORY, json.dumps(state.history, indent=1).encode())
    words = "  ".join(f"{k} {v:.3f}" for k, v in line.items() if k not in ("step", *found))
    scored = "  ".join(f"val {k.upper()} {100 * v:.2f}" for k, v in found.items())
    progress.say(f"step {state.step}: {words}  {scored}".rstrip())
