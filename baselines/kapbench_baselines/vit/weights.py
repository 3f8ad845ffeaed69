"""Weights of a published model: from the hub, a folder in transformers' format, or one file.

A file has either transformers' names or upstream's.
"""

import hashlib
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.storage import file_hash
from kapbench.untrusted import strict_text
from kapbench_baselines.vit.checkpoint import Checkpoint
from kapbench_baselines.vit.hub_cache import UNLOADABLE, check_cached

UNUSED = ("mask_token",)  # tensors that may be missing: no feature depends on them
_PICKLE, _TORCH_MAGIC = b"\x80", b"\x80\x02\x8a\nl\xfc\x9c"  # first bytes; torch's before 1.6
FAILURES = (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError)


def load(checkpoint: Checkpoint, weights: str | None) -> tuple[Any, str]:
    """The network in float32, and a short name for exactly these weights.

    Raises:
        KapbenchError: transformers or the weights are missing, or the weights are another model's.
    """
    if weights is None and checkpoint.hub:
        check_cached(checkpoint.hub, checkpoint.hub_file, fix=checkpoint.whereabouts())
    kind = getattr(imported(checkpoint.name), checkpoint.kind)
    if weights is None and checkpoint.hub and checkpoint.hub_file is None:
        arguments = {**checkpoint.forced, **checkpoint.arguments}
        net = from_hub(kind, checkpoint.hub, fix=checkpoint.whereabouts(), **arguments)
        origin = getattr(net.config, "_commit_hash", None) or state_hash(net)
    else:
        path = _downloaded(checkpoint) if weights is None else Path(weights).expanduser()
        with quiet():
            make = _from_folder if path.is_dir() else _from_file
            net = make(kind, checkpoint, path)
        origin = hash_of(path)
    checkpoint.check(net.config, weights or origin)
    return net, origin[:12]


def imported(place: str) -> Any:
    """Raises KapbenchError: transformers is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise KapbenchError(
            "transformers is not installed",
            place=place,
            fix="Install it: pip install 'kapbench[hf]'",
        ) from error
    return transformers


def from_hub(kind: Any, hub: str, *, fix: str, **arguments: Any) -> Any:
    """`pretrained`, of a repository whose weights may be safetensors or, if it is older, a .bin."""
    try:
        return pretrained(kind, hub, fix=fix, **arguments)
    except KapbenchError as error:
        if "model.safetensors" not in error.thing:
            raise
    # Nothing but tensors is read from it.
    return pretrained(kind, hub, fix=fix, use_safetensors=False, weights_only=True, **arguments)


def _downloaded(checkpoint: Checkpoint) -> Path:
    """Upstream's own file, which a repository of the hub holds."""
    if not checkpoint.hub or checkpoint.hub_file is None:
        raise KapbenchError(
            f"The weights of {checkpoint.name} are on no hub",
            place=checkpoint.name,
            fix=checkpoint.whereabouts(),
        )
    from huggingface_hub import hf_hub_download

    with explained(UNLOADABLE, checkpoint.hub, checkpoint.whereabouts()):
        return Path(hf_hub_download(checkpoint.hub, checkpoint.hub_file))


def _from_folder(kind: Any, checkpoint: Checkpoint, folder: Path) -> Any:
    check_folder(folder, binary=checkpoint.family == "DINO")
    checkpoint.check_type(read_json(folder / "config.json").get("model_type", "nameless"), folder)
    safe = bool(list_files(folder, "*.safetensors"))
    return pretrained(
        kind,
        str(folder),
        fix="Download the folder again",
        local_files_only=True,
        use_safetensors=safe,
        weights_only=True,
        **checkpoint.forced,
        **checkpoint.arguments,
    )


def _from_file(kind: Any, checkpoint: Checkpoint, path: Path) -> Any:
    state = checkpoint.hub_names(read_tensors(path, checkpoint.inside))
    checkpoint.check_file(state, path)
    checkpoint.check_type(checkpoint.model_type(state), path)
    config = kind.config_class(**{**checkpoint.settings(state), **checkpoint.forced})
    return pretrained(
        kind,
        None,
        fix="Give the file of a whole backbone",
        config=config,
        state_dict=state,
        place=path,
        **checkpoint.arguments,
    )


def check_folder(folder: Path, *, binary: bool) -> None:
    """
    Args:
        binary: Whether pytorch_model.bin will do, which is read by weights_only.

    Raises:
        KapbenchError: there is no model in transformers' format.
    """
    config, wanted = folder / "config.json", "*.safetensors"
    has_weights = bool(list_files(folder, wanted)) or (
        binary and (folder / "pytorch_model.bin").is_file()
    )
    if not config.is_file() or not has_weights:
        wanted += " (or pytorch_model.bin)" if binary else ""
        raise KapbenchError(
            "The folder does not hold a model in transformers' format",
            place=folder,
            fix=f"Give a folder with config.json and {wanted}",
        )


def read_json(path: Path) -> dict[str, Any]:
    """Raises KapbenchError: it does not hold a dictionary."""
    content = strict_text.read_json(path, "Download the folder again")
    if not isinstance(content, dict):
        raise KapbenchError(
            "The file is not a model's configuration", place=path, fix="Download the folder again"
        )
    return content


def read_tensors(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """
    Args:
        inside: A key of a .pth file whose value is read instead of the whole, if it exists.

    Raises:
        KapbenchError: no such file, or one that holds anything but tensors.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise KapbenchError(
            "The weights do not exist",
            place=path,
            fix="Give a folder in transformers' format, or a file",
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the error below says once
            with torch.serialization.safe_globals([Namespace]):  # a bag of the trainer's options
                state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged archive makes torch.load raise whatever it meets
        raise _unreadable(path) from error
    if inside is not None and isinstance(state, dict):
        state = state.get(inside, state)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _unreadable(path)
    return state


def _unreadable(path: Path) -> KapbenchError:
    """Replaces torch's message, which advises the user to open the file unsafely."""
    with path.open("rb") as file:
        head = file.read(len(_TORCH_MAGIC))
    bare = head[:1] == _PICKLE and head != _TORCH_MAGIC
    return KapbenchError(
        "The file is a pickle that torch did not save: it can run code when it is opened"
        if bare
        else "The file is damaged, or not a plain dictionary of tensors",
        place=path,
        fix="Give safetensors, or a .pth file that holds tensors and nothing else",
    )


def pretrained(
    kind: Any,
    source: str | None,
    *,
    fix: str,
    place: object = None,
    unused: tuple[str, ...] = UNUSED,
    **options: Any,
) -> Any:
    """transformers' loader; tensors that it would fill with random numbers are an error.

    Args:
        unused: Parts of names of tensors that may be missing.
    """
    place = place or source
    arguments: Mapping[str, Any] = {"use_safetensors": True, "dtype": torch.float32, **options}
    try:
        # What the library would warn of is raised here, or does not matter.
        with explained(UNLOADABLE, place, fix), silent(_transformers_log()):
            net, report = kind.from_pretrained(source, output_loading_info=True, **arguments)
    except KapbenchError:
        raise
    except Exception as error:  # torch.load of a damaged .bin raises whatever it meets
        message = f"{UNLOADABLE}: {type(error).__name__}, the file is damaged"
        raise KapbenchError(message, place=place, fix=fix) from error
    lost = sorted(k for k in report["missing_keys"] if not any(part in k for part in unused))
    if lost:
        raise KapbenchError(
            f"{len(lost)} tensors are missing, the first is {lost[0]}", place=place, fix=fix
        )
    return net


@contextmanager
def explained(
    what: str, place: object, fix: str, failures: tuple[type[Exception], ...] = FAILURES
) -> Iterator[None]:
    """Turns whatever a library raises into a KapbenchError: `what`, and the library's first line."""
    try:
        yield
    except failures as error:
        reason = str(error).strip().splitlines()[0]
        raise KapbenchError(f"{what}: {reason}", place=place, fix=fix) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar while a local file is read."""
    import transformers

    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _transformers_log() -> Any:
    import transformers

    return transformers.utils.logging


@contextmanager
def silent(log: Any) -> Iterator[None]:
    """`log` is the logging module of transformers or diffusers."""
    level = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(level)


def hash_of(path: Path) -> str:
    """Of a file, or of a folder's configuration and weights."""
    if path.is_file():
        return file_hash(path)
    files = list_files(path, "*.safetensors") or [path / "pytorch_model.bin"]
    digest = hashlib.sha256()
    for part in [path / "config.json", *files]:
        digest.update(file_hash(part).encode())
    return digest.hexdigest()


def state_hash(net: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()
