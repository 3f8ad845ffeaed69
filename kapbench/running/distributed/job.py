"""All shards of a run, done by an executor: each on any machine, a failed one a second time."""

from dataclasses import replace
from functools import partial

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.running.distributed.shard import Shard, require_cache, score_shard
from kapbench.running.executor import Executor
from kapbench.running.local_executors import InProcess, set_threads, threads
from kapbench.running.request import RunRequest


def score_all_shards(
    request: RunRequest,
    n_shards: int,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> None:
    """Scores every shard; one that fails is repeated once.

    Args:
        request: Of a model and a data set by their names.

    Raises:
        KapbenchError: a request without a cache folder; shards that failed twice, by number. What
            the others did is kept.
    """
    executor, progress = executor or InProcess(), progress or Progress()
    require_cache(request)
    if request.threads is None:
        request = replace(request, threads=threads())
    waiting = [Shard(number, n_shards) for number in range(1, n_shards + 1)]
    errors: dict[Shard, Exception] = {}
    with progress.stage("shards", n_shards) as advance:
        for _ in range(2):
            errors = {}
            for outcome in executor.run(partial(_score_elsewhere, request), waiting):
                if outcome.error is None:
                    advance(1)
                else:
                    errors[outcome.task] = outcome.error
                    progress.say(f"Shard {outcome.task} failed: {outcome.error}")
            waiting = sorted(errors, key=lambda shard: shard.number)
            if not waiting:
                return
    raise _failure(waiting, errors[waiting[0]], request)


def _score_elsewhere(request: RunRequest, shard: Shard) -> None:
    """Runs in a separate process. An exception class of a model may not unpickle; its text does."""
    if request.threads is not None:
        set_threads(request.threads)
    try:
        score_shard(request, shard)
    except KapbenchError:
        raise
    except Exception as error:
        raise KapbenchError(f"{type(error).__name__}: {error}") from error


def _failure(shards: list[Shard], error: Exception, request: RunRequest) -> KapbenchError:
    names = ", ".join(map(str, shards))
    cause = error if isinstance(error, KapbenchError) else KapbenchError(str(error))
    return KapbenchError(
        f"Shards {names} failed twice: {cause.thing}",
        place=cause.place or request.runs_root,
        fix=f"{cause.fix or 'Correct the cause'}; the run is incomplete, and the same command "
        "scores what is missing",
    )
