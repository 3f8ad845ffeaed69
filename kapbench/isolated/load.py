"""`load_isolated`: `load_model` in a process of its own."""

import json
import shutil
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kapbench import registry
from kapbench.errors import KapbenchError, any_of
from kapbench.identity.installed_code import is_own
from kapbench.isolated.models import (
    PROTECTIONS,
    IsolatedEncoder,
    IsolatedModel,
    IsolatedPairModel,
    Protection,
    checked,
    read_info,
)
from kapbench.isolated.places import environment_for, files_in, places_for
from kapbench.isolated.process import ModelProcess
from kapbench.isolated.wire import Message
from kapbench.loading import pick_device
from kapbench.processes.jail import protections
from kapbench.processes.jail.command import Limits, isolation, jailed_command
from kapbench.processes.unfinished import make_temporary_folder, scratch_root
from kapbench.protocols import ModelInfo

SECONDS = 600.0
_WORDS = (sys.executable, "-P", "-m", "kapbench.isolated_model")
_OF_JAIL: dict[str, Protection] = {
    protections.FILES: "files",
    protections.NETWORK: "network",
    protections.SIGNALS: "processes",
}
LIMITS = Limits(memory_bytes=None, n_threads=2**14)
_OF_THE_EVALUATOR = "kapbench.models."  # controls and saved maps


def load_isolated(
    name: str,
    *,
    device: str = "auto",
    dataset: str | None = None,
    precision: str = "fp32",
    options: Mapping[str, Any] | None = None,
    texts: Sequence[str] = (),
    annotations: Iterable[Path] = (),
    seconds: float = SECONDS,
    limits: Limits = LIMITS,
) -> IsolatedModel:
    """The model that `load_model` makes, in a process that ends with the returned object.

    None of the model's code is loaded in this process.

    Args:
        name: As of `load_model`.
        options: What the model accepts: values of JSON, or paths.
        texts: More options, KEY=VALUE as on the command line.
        annotations: Files and folders that the process must not see, where the system allows that.
        seconds: The most that loading or one answer may take.
        limits: Of its process. What it sees of the machine is decided here.

    Raises:
        KapbenchError: see `load_model`; a model that cannot be isolated; the process failed.
    """
    check_isolated(name)
    options, texts = dict(options or {}), [_with_absolute_path(text) for text in texts]
    device = pick_device(device)
    enforced = isolation().enforced
    files = files_in([*options.values(), *(text.partition("=")[2] for text in texts)])
    process = _start(files + _own_files(name), annotations, seconds, enforced, limits)
    fields = {
        "model": _absolute(name),
        "device": device,
        "dataset": dataset,
        "precision": precision,
        "options": {key: _sendable(key, value) for key, value in options.items()},
        "texts": texts,
        "threads": _threads(),
        "search_path": _search_path(),
    }
    info: ModelInfo = checked(process, Message("load", fields), "info", read_info)
    if info.kind == "oracle" or info.reads_image_id:
        process.close()
        raise _cannot_be_isolated(name)
    kept: tuple[Protection, ...] = ("process", *(p for k, p in _OF_JAIL.items() if k in enforced))
    kind = IsolatedEncoder if info.kind == "encoder" else IsolatedPairModel
    return kind(process, info, kept)


def check_isolated(name: str) -> None:
    """KapbenchError where nothing has this name, or it cannot be isolated; no file is run."""
    if (file := registry.adapter_file("models", name)) is not None and file.is_file():
        return
    entry = registry.entry_of("models", name)
    if entry is None:
        registry.resolve("models", name)  # raises: nothing has this name
    elif entry.module.startswith(_OF_THE_EVALUATOR):
        raise _cannot_be_isolated(name)


def runs_other_code(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a model's code is not kapbench's own: a file, another package, or a file in an option."""
    entry = registry.entry_of("models", name)
    if entry is None or not is_own(entry.module):
        return True
    return any(".py:" in text for text in map(str, options.values()))


def describe(kept: Iterable[str]) -> str:
    """What a system kept an isolated model from, and what it did not, as sentences."""
    kept = set(kept)
    away = [text for name, text in PROTECTIONS.items() if name in kept]
    reached = [text for name, text in PROTECTIONS.items() if name not in kept]
    sentence = f"The model runs in a process of its own, without access to {any_of(away)}."
    return sentence + (f" This system does not keep it from {any_of(reached)}." if reached else "")


def _start(
    own: Iterable[Path],
    annotations: Iterable[Path],
    seconds: float,
    enforced: frozenset[str],
    limits: Limits,
) -> ModelProcess:
    """A process that waits for the message by which it loads its model."""
    folder = make_temporary_folder(scratch_root()).resolve()
    words: Sequence[str] = _WORDS
    if enforced:
        places = places_for(own, _search_path(), annotations)
        hidden = protections.FILES in enforced
        limits = replace(
            limits, hidden=places.hidden if hidden else (), visible=places.visible if hidden else ()
        )
        words = jailed_command(_WORDS, folder, limits)
    process = ModelProcess(words, folder, environment_for(folder), seconds)
    weakref.finalize(process, shutil.rmtree, folder, ignore_errors=True)
    return process


def _own_files(name: str) -> list[Path]:
    file = registry.adapter_file("models", name)
    return [] if file is None else [file, file.absolute().parent]


def _absolute(name: str) -> str:
    file = registry.adapter_file("models", name)
    return name if file is None else f"{file.absolute()}:{name.rpartition(':')[2]}"


def _with_absolute_path(text: str) -> str:
    key, equals, value = text.partition("=")
    return f"{key}{equals}{files_in([value])[0]}" if files_in([value]) else text


def _sendable(key: str, value: Any) -> tuple[str, Any]:
    """A value of an option, as the child reads it. KapbenchError where JSON has no form for it."""
    if isinstance(value, str | Path):
        existing = files_in([value])
        return "path" if isinstance(value, Path) else "value", str(
            existing[0] if existing else value
        )
    try:
        if json.loads(json.dumps(value, allow_nan=False)) == value:
            return "value", value
    except (TypeError, ValueError):
        pass
    raise KapbenchError(
        f"Option {key} has a value of type {type(value).__name__}, which cannot be sent to the "
        "process of an isolated model",
        fix="Give a text, a number, a path, or a list or dictionary of these",
    )


def _search_path() -> list[str]:
    return [str(Path(entry).absolute()) for entry in sys.path]


def _threads() -> int | None:
    """Of torch's arithmetic, on which last bits depend; None: torch's own choice, there as here."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _cannot_be_isolated(name: str) -> KapbenchError:
    return KapbenchError(
        f"The model '{name}' cannot be isolated: controls read annotations, and saved maps are "
        "found by the name of an image, neither of which an isolated model gets",
        place="--isolated",
        fix="Score it without --isolated",
    )
