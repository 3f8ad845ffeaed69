"""One run: encode, score in chunks, join, write the run card. Stopped anywhere, it resumes."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from time import monotonic

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.features.encoding_work import Encoded
from kapbench.identity.model_identity import remember_after_run
from kapbench.isolated.load import describe
from kapbench.locks import owner_file
from kapbench.progress import Progress
from kapbench.protocols import AnnotatedModel, Encoder, HasBackbones
from kapbench.running.chunk_files import ChunkFiles
from kapbench.running.executor import Executor
from kapbench.running.join_chunks import join
from kapbench.running.local_executors import local_executor
from kapbench.running.pair_scorers import (
    EncoderScorer,
    OracleScorer,
    PairModelScorer,
    PairScorer,
    score_chunk,
)
from kapbench.running.plan import Chunk, check_answers, distinct_views
from kapbench.running.records_file import StoredRecords
from kapbench.running.request import OpenRun, RunRequest
from kapbench.running.result_set import ResultSet
from kapbench.running.results import CARD, RECORDS, save_run
from kapbench.running.run_card import make_card
from kapbench.running.run_clock import SESSIONS, session
from kapbench.running.run_folder import LOCK, only_writer
from kapbench.running.target_masks import TargetMasks
from kapbench.scoring.part_groups import find_keypoints_in_use
from kapbench.storage import file_hash
from kapbench.types import View


def run(request: RunRequest, progress: Progress | None = None) -> ResultSet:
    """`run_opened` of a request that is opened here."""
    return run_opened(request.open(), progress)


def run_opened(opened: OpenRun, progress: Progress | None = None) -> ResultSet:
    """Evaluates a model and writes the run folder; a finished run of the same plan is read back.

    Raises:
        KapbenchError: bad input, or another process is writing the same run.
    """
    progress = progress or Progress()
    folder, files, plan = opened.folder, opened.chunk_files, opened.plan
    for note in _notes(opened):
        progress.say(note)
    if opened.finished and not opened.request.force:
        return _read_back(opened, progress)
    with only_writer(folder, steal=opened.request.steal_lock, say=progress.say):
        if opened.request.force:  # the finished run stays until the new one is complete
            _remove_chunks(opened)
        elif opened.finished:  # by another process meanwhile
            return replace(_labelled(ResultSet.load(folder), opened), resumed=True)
        missing = missing_chunks(plan.chunks, files, progress)
        with session(folder) as clock:
            check_answers(opened.model, plan)
            with opened.cache() as cache:
                scorer = make_scorer(opened, cache, _views(opened, missing), missing, progress)
                executor = _executor(opened, progress)
                with progress.stage("pairs", len(plan.pairs)) as advance:
                    advance(len(plan.pairs) - sum(len(chunk.pairs) for chunk in missing))
                    for n_pairs in score_chunks(missing, scorer, files, executor):
                        advance(n_pairs)
                        clock.save()
            remove_card = partial((folder / CARD).unlink, missing_ok=True)
            join(plan, opened.needs.columns, files, folder / RECORDS, remove_card)
            records = StoredRecords(folder / RECORDS, plan.categories)
            sha256, seconds_per_image = file_hash(folder / RECORDS), scorer.seconds_per_image
            card = make_card(opened, records, sha256, clock, seconds_per_image, progress)
            save_run(folder, card)
            remember_after_run(opened.model, opened.identity)
        _remove_chunks(opened)
        return ResultSet(card, folder, resumed=len(missing) < len(plan.chunks))


def _notes(opened: OpenRun) -> Iterator[str]:
    """What the user must know of how the model is identified and isolated."""
    name, identity = opened.info.name, opened.identity
    if identity.unknown is not None:
        yield (
            f"{name} holds {identity.unknown}, whose content kapbench cannot "
            "compare with that of another object. Its features are not kept in the cache, and its "
            "run is scored anew each time. Load it by name (FILE.py:Class), or declare `options`."
        )
    if identity.declared is not None:
        yield (
            f"{name} holds {identity.declared}, whose content kapbench cannot "
            "compare with that of another object. Its declared `options` stand for that part."
        )
    if opened.protections:
        yield describe(opened.protections)


def _read_back(opened: OpenRun, progress: Progress) -> ResultSet:
    """A finished run, whose folder may be read only; clears what a killed process left of it."""
    left = (opened.chunk_files.folder, opened.folder / SESSIONS, owner_file(opened.folder / LOCK))
    if any(path.exists() for path in left):
        with (
            contextlib.suppress(KapbenchError, OSError),
            only_writer(opened.folder, steal=opened.request.steal_lock, say=progress.say),
        ):
            _remove_chunks(opened)
    return replace(_labelled(ResultSet.load(opened.folder), opened), resumed=True)


def _remove_chunks(opened: OpenRun) -> None:
    """Removes the chunks and the clock of an unfinished run."""
    (opened.folder / SESSIONS).unlink(missing_ok=True)
    shutil.rmtree(opened.chunk_files.folder, ignore_errors=True)


def _labelled(result: ResultSet, opened: OpenRun) -> ResultSet:
    """A finished run under the label of this request, if it has one."""
    label = opened.request.label
    if label in (None, result.card.label):
        return result
    card = result.card.model_copy(update={"label": label})
    save_run(opened.folder, card)
    return replace(result, card=card)


def missing_chunks(chunks: Iterable[Chunk], files: ChunkFiles, progress: Progress) -> list[Chunk]:
    """The chunks without a whole file of the present columns. Other files are removed; whole ones
    are never redone.
    """
    missing = []
    for chunk in chunks:
        for what, paths in (
            ("is damaged", files.damaged(chunk)),
            ("has the columns of another version of kapbench", files.outdated(chunk)),
        ):
            for path in paths:
                progress.say(f"A chunk file {what}; its pairs are scored again: {path}")
                path.unlink(missing_ok=True)
        if not files.has(chunk):
            missing.append(chunk)
    return missing


def _views(opened: OpenRun, chunks: Iterable[Chunk]) -> Sequence[View]:
    """The images whose features are made: all, or those of the chunks where none are kept."""
    if isinstance(opened.model, HasBackbones) and not opened.model.keeps_maps:
        return distinct_views(pair for chunk in chunks for pair in chunk.pairs)
    return opened.plan.views


def make_scorer(
    opened: OpenRun,
    cache: FeatureCache,
    views: Sequence[View],
    chunks: Iterable[Chunk],
    progress: Progress,
) -> PairScorer:
    """What scores these chunks; an encoder's features of these images are made here."""
    model, dataset, needs = opened.model, opened.dataset, opened.needs
    in_use = find_keypoints_in_use(opened.plan.pairs)
    targets = {pair.target.image_id: pair.target for chunk in chunks for pair in chunk.pairs}
    masks = TargetMasks.of(dataset, targets.values())
    if isinstance(model, AnnotatedModel):
        return OracleScorer(model, needs, keypoints_in_use=in_use, masks=masks)
    if not isinstance(model, Encoder):
        return PairModelScorer(model, dataset, needs, keypoints_in_use=in_use, masks=masks)
    started = monotonic()
    encoded = encode(opened, model, views, cache, progress)
    scorer = EncoderScorer(cache, encoded.hashes, model.similarity, needs, opened.device)
    scorer.keypoints_in_use, scorer.masks = in_use, masks
    if encoded.n_encoded and encoded.n_encoded == len(set(encoded.hashes.values())):  # no cache
        scorer.seconds_per_image = round((monotonic() - started) / encoded.n_encoded, 6)
    return scorer


def encode(
    opened: OpenRun, model: Encoder, views: Sequence[View], cache: FeatureCache, progress: Progress
) -> Encoded:
    return encode_images(
        model,
        opened.dataset,
        views,
        cache,
        batch_size=opened.request.batch_size,
        progress=progress,
        device=opened.device,
        again=opened.request.force,
    )


def _executor(opened: OpenRun, progress: Progress) -> Executor:
    workers = opened.request.workers
    if workers == 1 or isinstance(opened.model, Encoder):
        return local_executor(workers)
    progress.say(
        f"--workers {workers} has no effect: {opened.model.name} is not an encoder, and only an "
        "encoder's pairs are scored in several processes."
    )
    return local_executor(1)


def score_chunks(
    chunks: Sequence[Chunk], scorer: PairScorer, files: ChunkFiles, executor: Executor
) -> Iterator[int]:
    """Scores chunks and writes their files, in any order; yields each one's number of pairs.

    Raises:
        Exception: the first error of a chunk; those that have not started are cancelled.
    """
    with closing(executor.run(partial(_write_chunk, scorer, files), chunks)) as outcomes:
        for outcome in outcomes:
            yield outcome.value()


def _write_chunk(scorer: PairScorer, files: ChunkFiles, chunk: Chunk) -> int:
    files.write(chunk, score_chunk(chunk, scorer))
    return len(chunk.pairs)
