"""A training in progress: everything that the next step depends on, to disk and back."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import json_value
from kapbench_baselines.training.task import Course, Task
from kapbench_baselines.training.tensor_files import read_tensors, write_tensors

FORMAT = "kapbench-training-1"
BETAS = 0.9, 0.999  # of AdamW, where no schedule moves the first
ONE_CYCLE = "one_cycle"
AVERAGED, BEST = "averaged", "best."


@dataclass
class State:
    task: Task
    averaged: nn.Module  # moving average of the main module's weights: what is evaluated and saved
    optimiser: torch.optim.AdamW
    generator: torch.Generator
    sums: Tensor  # of losses since they were last read, and of steps
    precision: str = "fp32"  # of matrix products; bf16 would go on to other weights
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)  # averaged weights, where they are kept
    best_by: str = ""  # what `best` is the best by

    @classmethod
    def fresh(cls, task: Task, course: Course, seed: int, precision: str = "fp32") -> "State":
        optimiser = torch.optim.AdamW(
            parameter_groups(task, course),
            lr=course.rate,
            betas=BETAS,
            weight_decay=course.weight_decay,
            amsgrad=course.amsgrad,
        )
        averaged = copy.deepcopy(task.modules[task.main]).eval()
        sums = torch.zeros(len(task.names) + 1)
        generator = torch.Generator().manual_seed(seed)
        return cls(task, averaged, optimiser, generator, sums, precision)

    @property
    def main(self) -> nn.Module:
        return self.task.modules[self.task.main]

    def average(self, decay: float) -> None:
        """Moves the average towards the weights; faster at first, when they still travel."""
        decay = min(decay, (self.step + 1) / (self.step + 10)) if decay else 0.0
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self.main.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - decay)
            buffers = zip(self.averaged.buffers(), self.main.buffers(), strict=True)
            for kept, buffer in buffers:
                kept.copy_(buffer)

    def note(self, losses: Float[Tensor, "n"]) -> None:
        self.sums += torch.cat([losses.cpu(), torch.ones(1)])

    def mean_losses(self) -> Float[Tensor, "n"]:
        """Mean losses since the last call."""
        *sums, n_steps = self.sums
        self.sums = torch.zeros_like(self.sums)
        means: Tensor = torch.stack(sums) / n_steps
        return means

    def save(self, path: Path, identity: str) -> None:
        """`identity` names what is being trained: a state of anything else is refused."""
        tensors = dict(self._tensors())
        metadata = {"format": FORMAT, "identity": identity, "step": str(self.step)}
        metadata |= {"history": json.dumps(self.history), "precision": self.precision}
        metadata |= {"best_by": self.best_by}
        write_tensors(path, tensors, metadata)

    def load(self, path: Path, identity: str) -> None:
        """
        Raises:
            KapbenchError: not a training state, that of another training, or in another precision.
        """
        tensors, metadata = read_tensors(path, "Add --force to start anew, or choose another --out")
        if metadata.get("format") != FORMAT or metadata.get("identity") != identity:
            raise KapbenchError(
                "The training in this folder has other settings, data or seed",
                place=path,
                fix="Repeat its options, add --force to replace it, or choose another --out",
            )
        before = metadata.get("precision", self.precision)
        if before != self.precision:
            raise KapbenchError(
                f"The training in this folder is in {before}, not in {self.precision}",
                place=path,
                fix=f"Add --precision {before}, add --force to replace it, or choose another --out",
            )
        self.step, self.history = int(metadata["step"]), json_value(metadata["history"])
        for name, module in self._modules():
            prefix = f"{name}."
            own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(own)
        self._load_optimiser(tensors)
        self.best_by = metadata.get("best_by", "best")  # older files know one kind
        self.best = {k[len(BEST) :]: t for k, t in tensors.items() if k.startswith(BEST)}
        self.sums = tensors["losses"]
        self.generator.set_state(tensors["random.draws"])
        torch.set_rng_state(tensors["random.global"])

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield from self.task.modules.items()
        yield AVERAGED, self.averaged

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, module in self._modules():
            yield from ((f"{name}.{key}", value) for key, value in module.state_dict().items())
        for number, moments in self.optimiser.state_dict()["state"].items():
            yield from ((f"optimiser.{number}.{key}", value) for key, value in moments.items())
        yield from ((BEST + key, value) for key, value in self.best.items())
        yield "losses", self.sums
        yield "random.draws", self.generator.get_state()
        yield "random.global", torch.get_rng_state()

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, number, moment = key.split(".")
                state.setdefault(int(number), {})[moment] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def parameter_groups(task: Task, course: Course) -> list[dict[str, Any]]:
    """All parameters; biases apart where they have a rate of their own. `share`: of `course.rate`."""
    named = [p for module in task.modules.values() for p in module.named_parameters()]
    if course.bias_rate is None:
        return [{"params": [p for _, p in named], "share": 1.0}]
    biases = [p for name, p in named if name.endswith("bias")]
    others = [p for name, p in named if not name.endswith("bias")]
    share = course.bias_rate / course.rate
    return [{"params": others, "share": 1.0}, {"params": biases, "share": share}]


def rate(course: Course, step: int) -> float:
    """Learning rate of a step (from 1): one cycle; or linear warm-up, and then by the schedule."""
    if course.schedule == ONE_CYCLE:
        start = course.rate / 25
        return _one_cycle(course, step, start, course.rate, start / 1e4)
    done = step / course.steps
    if done < course.warm_up:
        return course.rate * done / course.warm_up
    if course.schedule == "constant":
        return course.rate
    if course.schedule == "steps":
        return course.rate * 0.1 ** ((done > 0.7) + (done > 0.9))
    if course.schedule == "restarts":
        return _restarts(course, step)
    left = (done - course.warm_up) / (1 - course.warm_up)
    return course.rate * (1 + math.cos(math.pi * left)) / 2


def betas(course: Course, step: int) -> tuple[float, float]:
    """Of AdamW at a step (from 1): one cycle moves the first down and up again."""
    if course.schedule != ONE_CYCLE:
        return BETAS
    return _one_cycle(course, step, 0.95, 0.85, 0.95), BETAS[1]


def _one_cycle(course: Course, step: int, start: float, middle: float, end: float) -> float:
    """Half a cosine from start to middle over the warm-up, then another to the end.

    As torch.optim.lr_scheduler.OneCycleLR, where the first step has the number 0.
    """
    turn, last = course.warm_up * course.steps - 1, course.steps - 1
    number = step - 1
    if number <= turn:
        one, two, share = start, middle, number / turn if turn else 0.0
    else:
        one, two, share = middle, end, (number - turn) / (last - turn)
    return two + (one - two) * (1 + math.cos(math.pi * share)) / 2


def _restarts(course: Course, step: int) -> float:
    """Half a cosine over half of the steps, then, from nine tenths, one that takes twice as long."""
    cycles = 2 * (step - 1) / course.steps
    first = cycles < 1
    top, share = (course.rate, cycles) if first else (0.9 * course.rate, (cycles - 1) / 2)
    return top * (1 + math.cos(math.pi * share)) / 2
