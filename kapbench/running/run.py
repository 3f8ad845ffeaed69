"""One run: encode, score in shards, join, write the card. Interrupted anywhere, it resumes."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from time import monotonic

import pandas as pd
from filelock import FileLock, Timeout

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.progress import Progress
from kapbench.protocols import AnnotatedModel, Dataset, Encoder, Executor, Model
from kapbench.running.chunk_files import Parts
from kapbench.running.join_chunks import join
from kapbench.running.local_executors import InProcess, Processes
from kapbench.running.pair_scorers import (
    EncoderScorer,
    OracleScorer,
    PairModelScorer,
    PairScorer,
    score_shard,
)
from kapbench.running.plan import Plan, Shard, check_answers, make_plan, supervised
from kapbench.running.records_file import StoredRecords
from kapbench.running.results import (
    CARD,
    RECORDS,
    RunCard,
    check_records,
    load_card,
    load_records,
    save_run,
)
from kapbench.running.run_card import make_card
from kapbench.running.run_clock import SESSIONS, Clock, session
from kapbench.scoring.rules import Rule
from kapbench.scoring.schema import Needs
from kapbench.storage import UNFINISHED, file_hash, fingerprint
from kapbench.types import View

PARTS = "parts"
_DEPTH = 3  # folders between a run's own and the folder of runs
_LONGEST_NAME = 80  # of at most three bytes each, below every file system's 255


@dataclass(frozen=True)
class Finished:
    """A run folder and what is in it."""

    folder: Path
    card: RunCard
    resumed: bool  # whether anything was there already

    @cached_property
    def records(self) -> pd.DataFrame:
        """The whole table, read when it is first asked for."""
        return load_records(self.folder)


def run(
    model: Model,
    dataset: Dataset,
    rules: Sequence[Rule],
    *,
    runs_root: Path,
    cache_root: Path | None = None,
    categories: Sequence[str] | None = None,
    workers: int = 1,
    batch_size: int | None = None,
    device: str = "cpu",
    force: bool = False,
    intervals: bool = True,
    progress: Progress | None = None,
) -> Finished:
    """Evaluates a model and writes the run folder; a finished run of the same plan is read back.

    Args:
        cache_root: Folder of the feature cache; None keeps features only while the run lasts.
        workers: Processes that score. Pair models run in this one.
        batch_size: Images that the encoder gets at once; None: see `Batches`.
        force: Score again what is finished. Features that are in the cache are kept: their encoder
            and image are in their name.

    Raises:
        KapbenchError: bad input, or another process is writing the same run.
    """
    progress = progress or Progress()
    plan = make_plan(model, dataset, rules, categories)
    folder = run_folder(runs_root, model, dataset, plan)
    parts = Parts(folder / PARTS)
    with _only_writer(folder):
        if force:
            for name in (CARD, RECORDS, SESSIONS):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(parts.folder, ignore_errors=True)
        if (folder / CARD).exists():
            check_records(folder)
            return Finished(folder, load_card(folder), True)
        resumed = any(parts.has(shard) for shard in plan.shards)
        with session(folder) as clock:
            check_answers(model, plan)
            with _cache(model, cache_root) as cache:
                scorer, executor = scorer_of(
                    model, dataset, plan, cache, workers, batch_size, device, progress
                )
                _score(plan, scorer, executor, parts, progress, clock)
            join(plan, parts, folder / RECORDS)
            records = StoredRecords(folder / RECORDS, plan.categories)
            card = make_card(
                model, dataset, plan, records, device=device, started=clock.started,
                seconds=clock.seconds, records_sha256=file_hash(folder / RECORDS),
                intervals=intervals, progress=progress,
                seconds_per_image=getattr(scorer, "seconds_per_image", None),
            )  # fmt: skip
            save_run(folder, card)
        shutil.rmtree(parts.folder, ignore_errors=True)
        return Finished(folder, card, resumed)


def run_folder(runs_root: Path, model: Model, dataset: Dataset, plan: Plan) -> Path:
    """`<dataset>@<rev>/<model>@<rev>/<rules>/<plan>`: one plan, one place."""
    names = [rule.name for rule in plan.rules]
    joined = "+".join(names) if len(names) <= 2 else f"{len(names)}-rules-{fingerprint(names)[:8]}"
    data = f"{dataset.name}.{dataset.split}@{dataset.revision[:12]}"
    parts = data, f"{model.name}@{model.revision[:12]}", joined, plan.hash
    return runs_root.joinpath(*map(_folder_name, parts))


def _folder_name(words: str) -> str:
    """A legal name of one folder on any system, near to the words; hashes tell equal ones apart."""
    legal = re.sub(r"[^\w.@+-]", "_", words)[:_LONGEST_NAME]
    return legal if legal.strip(".") else "_"


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise KapbenchError(
            "another process is writing this run",
            place=folder,
            fix="wait for it to end, or give this one another --runs folder",
        ) from error
    except OSError as error:
        raise KapbenchError(
            f"cannot write: {error.strerror or error}",
            place=folder,
            fix="make room, or give another --runs folder",
        ) from error
    try:
        for left in list(folder.rglob(f"{UNFINISHED}*")):  # a killed process's half-written files
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        yield
    except Exception:  # not Ctrl-C: the clock of a run that will go on is kept
        _leave_nothing(folder)
        raise
    finally:
        lock.release()


def _leave_nothing(folder: Path) -> None:
    """Removes a run folder without results, and the folders above that held nothing else."""
    with contextlib.suppress(OSError):
        (folder / PARTS).rmdir()
    with contextlib.suppress(OSError):  # in use elsewhere, or not empty: it stays
        if {path.name for path in folder.iterdir()} <= {".lock", SESSIONS}:
            for path in folder.iterdir():
                path.unlink()
            for above in (folder, *list(folder.parents)[:_DEPTH]):
                above.rmdir()


@contextmanager
def _cache(model: Model, cache_root: Path | None) -> Iterator[FeatureCache]:
    if cache_root is not None:
        yield FeatureCache.of(model, cache_root)
        return
    with tempfile.TemporaryDirectory(prefix="kapbench-") as folder:
        yield FeatureCache.of(model, Path(folder))


def scorer_of(
    model: Model,
    dataset: Dataset,
    plan: Plan,
    cache: FeatureCache,
    workers: int,
    batch_size: int | None,
    device: str,
    progress: Progress,
    views: Sequence[View] | None = None,
) -> tuple[PairScorer, Executor]:
    """What scores pairs, its features made; and where it runs.

    Args:
        views: Images to encode; None: all of the plan's.
    """
    needs = Needs.of(plan.rules, supervised(model))
    if workers > 1 and not isinstance(model, Encoder):
        progress.say(f"--workers is not used: {model.name} is asked in one process")
    if isinstance(model, AnnotatedModel):
        return OracleScorer(model, needs), InProcess()
    if not isinstance(model, Encoder):
        return PairModelScorer(model, dataset, needs), InProcess()
    since = monotonic()
    encoded = encode_images(
        model,
        dataset,
        plan.views if views is None else views,
        cache,
        batch_size=batch_size,
        progress=progress,
        device=device,
    )
    scorer = EncoderScorer(cache, encoded.hashes, model.similarity, needs, device)
    if encoded.n_encoded and encoded.n_encoded == len(set(encoded.hashes.values())):  # no cache
        scorer.seconds_per_image = round((monotonic() - since) / encoded.n_encoded, 6)
    return scorer, Processes(workers) if workers > 1 else InProcess()


def _score(
    plan: Plan,
    scorer: PairScorer,
    executor: Executor,
    parts: Parts,
    progress: Progress,
    clock: Clock,
) -> None:
    """Writes the parts that are missing; a finished part is never redone, a damaged one is."""
    for path in (p for shard in plan.shards for p in parts.damaged(shard)):
        progress.say(f"part damaged, scoring again: {path}")
        path.unlink()
    missing = [shard for shard in plan.shards if not parts.has(shard)]
    with progress.stage("pairs", len(plan.pairs)) as advance:
        advance(len(plan.pairs) - sum(len(s.pairs) for s in missing))
        for n_pairs in executor.run(partial(write_part, scorer, parts), missing):
            advance(n_pairs)
            clock.save()


def write_part(scorer: PairScorer, parts: Parts, shard: Shard) -> int:
    """Scores a shard and writes its part; returns its number of pairs."""
    parts.write(shard, score_shard(shard, scorer))
    return len(shard.pairs)
