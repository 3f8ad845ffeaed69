"""The folder of one run: its name, the lock of its one writer, and what a stopped run leaves."""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kapbench.datasets.altering.altered import alterations_of
from kapbench.errors import KapbenchError
from kapbench.locks import Lock, owner_file
from kapbench.processes.unfinished import UNFINISHED, is_abandoned, remove
from kapbench.protocols import Dataset, Model, ModelInfo
from kapbench.running.plan import Plan
from kapbench.running.run_clock import SESSIONS
from kapbench.storage import FULL, fingerprint

LOCK = ".lock"
CHUNKS = "parts"  # the folder of chunk files, by the name that stored runs have
_DEPTH = 3  # folders between a run's own and the folder of runs
_LONGEST_NAME = 80  # of at most three bytes each, below every file system's 255


def run_folder(runs_root: Path, model: Model | ModelInfo, dataset: Dataset, plan: Plan) -> Path:
    """`<dataset>@<rev>/<model>@<rev>/<rules>/<plan>`: one plan, one place."""
    names = [rule.name for rule in plan.rules]
    rules = "+".join(names) if len(names) <= 2 else f"{len(names)}-rules-{fingerprint(names)[:8]}"
    altered = "".join(f"-{alteration}" for alteration in alterations_of(dataset))
    original = dataset.revision.removesuffix(altered)
    data = f"{dataset.name}.{dataset.split}@{original[:12]}{altered}"
    folders = data, f"{model.name}@{model.revision[:12]}", rules, plan.hash
    return runs_root.joinpath(*map(legal_name, folders))


def legal_name(text: str) -> str:
    """A folder name that every system allows, close to the text; the plan's hash keeps it unique."""
    legal = re.sub(r"[^\w.@+-]", "_", text)[:_LONGEST_NAME]
    return legal if legal.strip(".") else "_"


@contextmanager
def only_writer(
    folder: Path, *, steal: bool = False, say: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Makes and locks the folder, and clears what killed processes left half-written.

    Args:
        steal: See `Lock.held`.
        say: See `Lock.held`.

    Raises:
        KapbenchError: another process holds the lock, or the folder cannot be written.
    """
    lock = Lock(
        folder / LOCK,
        "Another process is writing this run",
        folder,
        "Wait until it ends, or choose another folder with --runs. If it is of a machine that has "
        "stopped, add --steal-lock",
    )
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.held(steal=steal, say=say))
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            for path in list(folder.rglob(f"{UNFINISHED}*")):
                if is_abandoned(path):  # a shard on another machine may be writing now
                    remove(path)
            yield
        except Exception:  # not Ctrl-C: the clock of a run that will be resumed is kept
            _remove_if_empty(folder)
            raise


def check_writable(runs_root: Path) -> None:
    """Writes a file that vanishes at once where runs will be written, before a model is loaded.

    A folder that already holds runs may be read only: a finished run is only read.

    Raises:
        KapbenchError: the folder cannot be written, and holds no run.
    """
    place = next(path for path in (runs_root, *runs_root.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"run")
    except OSError as error:
        if next(runs_root.rglob("run.json"), None) is None:
            raise _unwritable(runs_root, error) from error


def _unwritable(folder: Path, error: OSError) -> KapbenchError:
    return KapbenchError(
        f"The folder cannot be written: {error.strerror or error}",
        place=folder,
        fix="Free disk space, or name another folder with --runs"
        if error.errno in FULL
        else "Name a folder that can be written with --runs",
    )


def _remove_if_empty(folder: Path) -> None:
    """Removes a run folder without results, and the folders above that held nothing else."""
    with contextlib.suppress(OSError):
        (folder / CHUNKS).rmdir()
    with contextlib.suppress(OSError):  # in use by another process, or not empty: it stays
        own = {LOCK, owner_file(folder / LOCK).name, SESSIONS}
        if {path.name for path in folder.iterdir()} <= own:
            for path in folder.iterdir():
                path.unlink()
            for parent in (folder, *list(folder.parents)[:_DEPTH]):
                parent.rmdir()
