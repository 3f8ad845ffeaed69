"""The training loop: draws, steps, validates, keeps its state; what is saved is the method's."""

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.storage import write_atomically
from kapbench_baselines.training import ranks
from kapbench_baselines.training.history_plot import draw_curve
from kapbench_baselines.training.state import State, betas, rate
from kapbench_baselines.training.task import Course, Task

Scores = dict[str, float]
Validate = Callable[[nn.Module, int], Scores]
LAST, BEST, BEST_PCK = "last", "best", "best-pck"
WEIGHTS, STATE = "weights.safetensors", "state.safetensors"
HISTORY, CURVE, CARD = "history.json", "curve.png", "card.md"


@dataclass(frozen=True)
class Schedule:
    """When to look up from training."""

    validate_every: int = 500
    save_every: int = 100
    stop_at: int | None = None  # leave early, as if killed after this step's state was saved
    save_after_s: float = 60.0  # steps may be slow: a state is saved at least this often


@dataclass
class _Saves:
    """When a state has to be saved: after so many steps, or so many seconds."""

    schedule: Schedule
    last: float = field(default_factory=time.monotonic)

    def due(self, step: int) -> bool:
        waited = time.monotonic() - self.last >= self.schedule.save_after_s
        due = waited or step % self.schedule.save_every == 0
        if due:
            self.last = time.monotonic()
        return due


@dataclass(frozen=True)
class Plan:
    """Where and how one training runs.

    Attributes:
        identity: Names what is trained: method, settings, data, backbone, seed. Its steps belong
            to it, as the learning rate's course hangs on them.
        bf16: Matrix products in bfloat16; weights and losses stay in float32.
        parts: That a batch goes through the networks in, for want of memory.
        force: Replace what the folder holds; otherwise a training with this identity is continued.
        keep: LAST, or the weights with `best_line`'s scores: BEST, or BEST_PCK by PCK alone.
    """

    out: Path
    identity: str
    seed: int
    bf16: bool = False
    parts: int = 1
    force: bool = False
    keep: str = LAST

    @property
    def precision(self) -> str:
        return "bf16" if self.bf16 else "fp32"


def train(
    task: Task,
    course: Course,
    plan: Plan,
    *,
    validate: Validate | None = None,
    frozen: Callable[[], Scores] | None = None,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> State:
    """Trains to the last step; writes state, history and curve below `plan.out`.

    Args:
        validate: Scores of the averaged main module at a step.
        frozen: Scores of the backbone alone: step 0 of the history.

    Raises:
        KapbenchError: the folder holds another training, or one that has not kept its best
            weights; no scores to keep the best by; a loss that is not finite.
    """
    schedule, progress = schedule or Schedule(), progress or Progress()
    if plan.keep != LAST and validate is None:
        raise KapbenchError(
            "There are no val scores to choose the best weights by",
            place=f"--keep {plan.keep}",
            fix="Leave --validate-every 0 out, or add --keep last",
        )
    state = State.fresh(task, course, plan.seed, plan.precision)
    state.best_by = plan.keep
    _open(state, plan, course.steps, progress)
    if frozen is not None and ranks.is_first():
        _note_frozen(state, frozen, plan, progress)
    saves = _Saves(schedule)
    with progress.stage("steps", course.steps) as advance:
        advance(state.step)
        while state.step < course.steps:
            _step(state, course, plan)
            advance(1)
            last = state.step == course.steps
            if ranks.is_first():
                if last or state.step % schedule.validate_every == 0:
                    _note(state, validate, plan, progress)
                if last or saves.due(state.step):
                    state.save(plan.out / STATE, plan.identity)
            if state.step == schedule.stop_at:
                return state
    if ranks.is_first():
        draw_curve(state.history, task.names, plan.out / CURVE)
    ranks.wait()
    return state


@dataclass(frozen=True)
class Kept:
    """The weights of a finished training that are to be written."""

    module: nn.Module
    step: int
    scores: Scores


def kept(state: State, keep: str) -> Kept:
    """The last weights, or the best, with their val scores."""
    line, module = state.history[-1], state.averaged
    if keep != LAST:
        line, module = best_line(state.history, keep) or line, copy.deepcopy(module)
        module.load_state_dict(state.best)
    scores = {k: v for k, v in line.items() if k not in ("step", *state.task.names)}
    return Kept(module, int(line["step"]), scores)


def best_line(history: Sequence[dict[str, float]], keep: str = BEST) -> dict[str, float] | None:
    """The first with the highest KAP, or PCK if there is no KAP; None if nothing was scored.

    With BEST_PCK, the first with the highest PCK.

    The frozen backbone is not a candidate, and NaN is below every number.
    """

    def score(line: dict[str, float]) -> float:
        value = line["pck"] if keep == BEST_PCK else line.get("kap", line["pck"])
        return -math.inf if math.isnan(value) else value

    return max(
        (line for line in history if line["step"] and "pck" in line), key=score, default=None
    )


def _open(state: State, plan: Plan, n_steps: int, progress: Progress) -> None:
    """Continues the training that the folder holds, and says so; else prepares a fresh one."""
    if plan.force and ranks.is_first():
        for name in (STATE, WEIGHTS, CARD, HISTORY, CURVE):
            (plan.out / name).unlink(missing_ok=True)
    ranks.wait()
    path = plan.out / STATE
    if path.is_file():
        state.load(path, plan.identity)
        _check_best(state, plan, n_steps)
        progress.say(_continued(state.step, n_steps, plan.out))
    else:
        state.task.prepare()
        state.averaged.load_state_dict(state.main.state_dict())
    ranks.wait()


def _continued(step: int, n_steps: int, out: Path) -> str:
    if step == n_steps:
        return (
            f"The training in {out} is finished: all {n_steps:,} steps are done. "
            "Add --force to train anew."
        )
    return f"The training in {out} continues after step {step:,} of {n_steps:,}."


def _check_best(state: State, plan: Plan, n_steps: int) -> None:
    finished = state.step == n_steps
    if plan.keep != state.best_by:
        state.best, state.best_by = {}, plan.keep
    if plan.keep != LAST and (finished or best_line(state.history)) and not state.best:
        raise KapbenchError(
            "The training in this folder did not keep its best weights",
            place=plan.out,
            fix="Add --keep last, or choose another --out",
        )


def _step(state: State, course: Course, plan: Plan) -> None:
    task = state.task
    state.step += 1
    for group in state.optimiser.param_groups:
        group["lr"] = rate(course, state.step) * group["share"]
        group["betas"] = betas(course, state.step)
    for module in task.modules.values():
        module.train()
    values = task.losses(state.generator, bf16=plan.bf16, parts=plan.parts)
    state.optimiser.zero_grad()
    loss = task.weighted(values)
    if not torch.isfinite(loss):
        raise KapbenchError(
            f"The loss is {loss.item()} at step {state.step}",
            fix="Lower --rate, or train with --precision fp32",
        )
    loss.backward()  # type: ignore[no-untyped-call]
    ranks.average_gradients(list(task.modules.values()))
    if course.clip:
        torch.nn.utils.clip_grad_norm_(state.main.parameters(), course.clip)
    state.optimiser.step()
    state.average(course.average)
    state.note(values.detach())


def _note_frozen(
    state: State, frozen: Callable[[], Scores], plan: Plan, progress: Progress
) -> None:
    """Step 0 of the history, where it has none yet."""
    if state.history and state.history[0]["step"] == 0:
        return
    scores = frozen()
    state.history.insert(0, {"step": 0, **scores})
    _write(state.history, plan.out)
    progress.say(f"step 0: the frozen backbone  {_scores_text(scores)}")
    if state.step:  # a training from before this line was written
        state.save(plan.out / STATE, plan.identity)


def _note(state: State, validate: Validate | None, plan: Plan, progress: Progress) -> None:
    """One line of history: mean losses since the last one, and the scores now."""
    scores = validate(state.averaged, state.step) if validate else {}
    means = state.mean_losses().tolist()
    line = {"step": state.step, **dict(zip(state.task.names, means, strict=True)), **scores}
    state.history.append(line)
    if plan.keep != LAST and best_line(state.history, plan.keep) is line:
        state.best = {k: t.detach().clone() for k, t in state.averaged.state_dict().items()}
    _write(state.history, plan.out)
    words = "  ".join(f"{k} {v:.3f}" for k, v in line.items() if k not in ("step", *scores))
    progress.say(f"step {state.step}: {words}  {_scores_text(scores)}".rstrip())


def _scores_text(scores: Scores) -> str:
    return "  ".join(f"val {k.upper()} {100 * v:.2f}" for k, v in scores.items())


def _write(history: list[dict[str, float]], out: Path) -> None:
    write_atomically(out / HISTORY, json.dumps(history, indent=1).encode())
