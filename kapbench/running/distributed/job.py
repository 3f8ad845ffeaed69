"""A run by names, whose shards any machine can take, and the taking of all of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset, load_model, pick_device
from kapbench.progress import Progress
from kapbench.protocols import Executor
from kapbench.running.distributed.shard import Turn, take
from kapbench.running.local_executors import InProcess, set_threads
from kapbench.scoring.rules import load_rule


@dataclass(frozen=True)
class Job:
    """A run by names alone, so that another machine with the same folders can take its turns."""

    model: str
    dataset: str
    rules: tuple[str, ...]
    runs_root: Path
    cache_root: Path
    of: int
    split: str = "test"
    data_root: Path | None = None
    categories: tuple[str, ...] | None = None
    batch_size: int | None = None
    device: str = "auto"
    precision: str = "fp32"
    model_options: dict[str, Any] = field(default_factory=dict)
    dataset_options: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None  # of arithmetic: an encoder's last bits hang on it

    def __call__(self, number: int) -> str | None:
        """Takes a turn; returns what went wrong in words, None where nothing did."""
        if self.threads is not None:
            set_threads(self.threads)
        try:
            dataset = load_dataset(
                self.dataset, split=self.split, data_root=self.data_root, **self.dataset_options
            )
            model = load_model(
                self.model,
                device=self.device,
                dataset=dataset.name,
                precision=self.precision,
                **self.model_options,
            )
            take(
                Turn(number, self.of), model, dataset, [load_rule(name) for name in self.rules],
                runs_root=self.runs_root, cache_root=self.cache_root, categories=self.categories,
                batch_size=self.batch_size, device=pick_device(self.device),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  told by the turn's number, and tried again
            return f"{type(error).__name__}: {error}"
        return None


def take_all(job: Job, executor: Executor | None = None, progress: Progress | None = None) -> None:
    """Takes every turn, one that fails a second time too.

    Raises:
        KapbenchError: turns that failed twice, by number. What others did is kept.
    """
    executor, progress = executor or InProcess(), progress or Progress()
    waiting = list(range(1, job.of + 1))
    failed: dict[int, str] = {}
    with progress.stage("shards", job.of) as advance:
        for _ in range(2):
            failed = {}
            for number, said in executor.run(_Numbered(job), waiting):
                if said is None:
                    advance(1)
                else:
                    failed[number] = said
                    progress.say(f"shard {number}/{job.of} failed: {said}")
            waiting = sorted(failed)
            if not waiting:
                return
    names = ", ".join(f"{n}/{job.of}" for n in waiting)
    raise KapbenchError(
        f"shards {names} failed twice: {failed[waiting[0]]}", place=job.runs_root,
        fix="the run is incomplete; mend that, and the same command does what is missing",
    )  # fmt: skip


@dataclass(frozen=True)
class _Numbered:
    """A job that says which turn its answer is of."""

    job: Job

    def __call__(self, number: int) -> tuple[int, str | None]:
        return number, self.job(number)
