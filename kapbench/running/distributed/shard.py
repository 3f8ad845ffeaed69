"""A run in turns: any number of processes on any machines, each doing its share of one run folder.

Turn i of n scores every n-th shard of whole target images, and encodes every n-th image first. What
is done is files, written whole: two machines that take one turn write the same bytes, and a turn that
is taken again does only what is missing. The run is joined by whoever runs it without a turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder, Model
from kapbench.running.chunk_files import Parts
from kapbench.running.plan import Plan, Shard, check_answers, make_plan
from kapbench.running.results import CARD
from kapbench.running.run import run_folder, scorer_of, write_part
from kapbench.scoring.rules import Rule
from kapbench.types import View


@dataclass(frozen=True, slots=True)
class Turn:
    """`number` from 1 to `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Turn":
        """From "3/8". KapbenchError where it is no such thing."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise KapbenchError(f"'{text}' is no turn", place="--shard", fix="write 1/8 to 8/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def shards(self, plan: Plan) -> tuple[Shard, ...]:
        return plan.shards[self.number - 1 :: self.of]

    def views(self, plan: Plan) -> list[View]:
        """Images to encode first; other turns do the others."""
        return plan.views[self.number - 1 :: self.of]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a turn did, and how far the run is."""

    folder: Path
    n_pairs: int  # of this turn
    n_parts: int  # of the run, that are there
    n_shards: int

    @property
    def complete(self) -> bool:
        return self.n_parts == self.n_shards


def take(
    turn: Turn,
    model: Model,
    dataset: Dataset,
    rules: Sequence[Rule],
    *,
    runs_root: Path,
    cache_root: Path,
    categories: Sequence[str] | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Taken:
    """Takes one turn of a run; see `runner.run` for the arguments.

    Raises:
        KapbenchError: bad input.
    """
    progress = progress or Progress()
    plan = make_plan(model, dataset, rules, categories)
    folder = run_folder(runs_root, model, dataset, plan)
    if (folder / CARD).exists():
        return Taken(folder, 0, len(plan.shards), len(plan.shards))
    parts = Parts(folder / "parts")
    for path in (p for shard in turn.shards(plan) for p in parts.damaged(shard)):
        progress.say(f"part damaged, scoring again: {path}")
        path.unlink(missing_ok=True)
    missing = [shard for shard in turn.shards(plan) if not parts.has(shard)]
    if missing:
        check_answers(model, plan)
        cache = FeatureCache.of(model, cache_root)
        if isinstance(model, Encoder):
            encode_images(
                model, dataset, turn.views(plan), cache, batch_size=batch_size, progress=progress,
                device=device,
            )  # fmt: skip
        needed = {v.image_id: v for s in missing for p in s.pairs for v in (p.source, p.target)}
        scorer, _ = scorer_of(
            model, dataset, plan, cache, 1, batch_size, device, progress,
            [needed[name] for name in sorted(needed)],
        )  # fmt: skip
        with progress.stage("pairs", sum(len(s.pairs) for s in missing)) as advance:
            for shard in missing:
                advance(write_part(scorer, parts, shard))
    done = sum(parts.has(shard) for shard in plan.shards)
    return Taken(folder, sum(len(s.pairs) for s in missing), done, len(plan.shards))
