"""A run in shards: any number of processes on any machines, each scoring its chunks into one folder.

Shard i of n encodes every n-th image first, and then scores every n-th chunk. Finished work is files,
each written whole: two machines that score the same shard write the same bytes, and a shard that is
repeated does only what is missing. The run without a shard joins the chunks.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.protocols import Encoder
from kapbench.running.local_executors import InProcess
from kapbench.running.plan import Chunk, Plan, check_answers, distinct_views
from kapbench.running.request import OpenRun, RunRequest
from kapbench.running.results import CARD
from kapbench.running.run import encode, make_scorer, missing_chunks, score_chunks
from kapbench.types import View


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of a run that one machine does: `number` from 1 to `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From "3/8". Raises KapbenchError for another text."""
        numbers = re.fullmatch(r"(\d+)/(\d+)", text)
        if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
            raise KapbenchError(
                f"'{text}' is not a shard", place="--shard", fix="Write I/N, from 1/8 to 8/8"
            )
        return cls(int(numbers[1]), int(numbers[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def chunks(self, plan: Plan) -> tuple[Chunk, ...]:
        return plan.chunks[self.number - 1 :: self.of]

    def views(self, plan: Plan) -> list[View]:
        """The images to encode first; the other shards encode the others."""
        return plan.views[self.number - 1 :: self.of]


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What a shard did, and how far the run is."""

    folder: Path
    n_pairs: int  # scored now
    n_scored: int  # chunks of the whole run that are scored
    n_chunks: int

    @property
    def complete(self) -> bool:
        return self.n_scored == self.n_chunks


def score_shard(request: RunRequest, shard: Shard, progress: Progress | None = None) -> ShardResult:
    """Scores one machine's share of a run.

    Raises:
        KapbenchError: bad input, or a request without a cache folder.
    """
    progress = progress or Progress()
    require_cache(request)
    opened = replace(request, force=False).open()  # the run that joins the chunks has no shard
    plan, folder, files = opened.plan, opened.folder, opened.chunk_files
    if (folder / CARD).exists():
        return ShardResult(folder, 0, len(plan.chunks), len(plan.chunks))
    missing = missing_chunks(shard.chunks(plan), files, progress)
    if missing:
        check_answers(opened.model, plan)
        _score(opened, shard, missing, progress)
    n_scored = sum(files.has(chunk) for chunk in plan.chunks)
    return ShardResult(folder, sum(len(c.pairs) for c in missing), n_scored, len(plan.chunks))


def require_cache(request: RunRequest) -> None:
    """Raises KapbenchError: a request without a cache folder."""
    if request.cache_root is None:
        raise KapbenchError(
            "The shards of a run share one feature cache, and this run keeps none",
            place="--no-cache",
            fix="Leave --no-cache out, or name a folder that all machines share: --cache FOLDER",
        )


def _score(opened: OpenRun, shard: Shard, missing: list[Chunk], progress: Progress) -> None:
    pairs = [pair for chunk in missing for pair in chunk.pairs]
    with opened.cache() as cache:
        if isinstance(opened.model, Encoder):
            encode(opened, opened.model, shard.views(opened.plan), cache, progress)
        scorer = make_scorer(opened, cache, distinct_views(pairs), missing, progress)
        with progress.stage("pairs", len(pairs)) as advance:
            for n_pairs in score_chunks(missing, scorer, opened.chunk_files, InProcess()):
                advance(n_pairs)
