"""Names to data sets, models and devices: `load_dataset`, `load_model`."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from kapbench import registry
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset, Encoder, Model, model_info
from kapbench.storage import file_hash


def load_dataset(
    name: str,
    *,
    split: str = "test",
    data_root: str | Path | None = None,
    build: bool = True,
    **options: Any,
) -> Dataset:
    """A split of a registered data set, or of `path/to/file.py:Class`.

    Args:
        data_root: Folder that holds the data sets, for those that are kept on disk. None:
            KAPBENCH_DATA, else the user data folder.
        build: Whether a data set that renders its images may render them now.
        options: What the data set accepts, e.g. root or marking (synthetic).

    Raises:
        KapbenchError: unknown name or option; data that is missing or damaged.
    """
    context = {"build": build} | ({} if data_root is None else {"root": data_root})
    return cast("Dataset", registry.create("datasets", name, context, {"split": split, **options}))


def load_model(
    name: str,
    *,
    device: str = "auto",
    dataset: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> Model:
    """A registered model, `features:DIR`, `similarity:DIR` or `path/to/file.py:Class`.

    The revision of a model from a file ends in the first digits of the file's hash, so that an
    edited file is another revision; other files that it imports are not part of it.

    Args:
        device: auto, cpu or cuda, for models that take one.
        dataset: Name of the data set to score, for models that ship weights for some data sets.
        precision: fp32, bf16 or fp16: of an encoder's matrix products.
        options: What the model accepts, e.g. weights.

    Raises:
        KapbenchError: unknown name or option, weights that do not fit, or an object that is not a
            model.
    """
    from kapbench.models.mixed_precision import in_precision

    device = pick_device(device)
    context = {"device": device, "dataset": dataset}
    model = registry.create("models", name, context, options)
    if model is None:
        raise KapbenchError(
            f"{name.rpartition(':')[2]}() returned None, not a model",
            place=name,
            fix="Return the model that it makes",
        )
    model_info(model)  # raises where it is not a model
    if (file := registry.adapter_file("models", name)) is not None:
        model = _with_file_revision(model, file)
    return in_precision(cast("Model", model), precision, device)


def _with_file_revision(model: Model, file: Path) -> Model:
    """The model with the file's hash in its revision.

    Raises:
        KapbenchError: the revision cannot be set, and the model is not an encoder.
    """
    info = model_info(model)
    digest = file_hash(file)[:8]
    if info.revision.endswith(f"-{digest}"):  # made before, and returned again
        return model
    revision = f"{info.revision}-{digest}"
    try:
        model.revision = revision
    except AttributeError as error:  # a property, a slot or a frozen class
        if not isinstance(model, Encoder):
            raise KapbenchError(
                f"Attribute revision of {info.name} cannot be set",
                place=file,
                fix="Make it a plain attribute, so that kapbench can add the hash of the file",
            ) from error
        from kapbench.models.wrapper import WrappedEncoder

        return WrappedEncoder(model, replace(info, revision=revision))
    return model


def declared_revision(revision: str) -> str:
    """A revision without the hash of the model's file."""
    return re.sub(r"-[0-9a-f]{8}$", "", revision)


def is_same_revision(of_run: str, here: str) -> bool:
    """Whether a run is of this revision; a run of a model object has no hash of a file."""
    return of_run in (here, declared_revision(here))


def check_model(name: str, options: Iterable[str]) -> None:
    """Raises KapbenchError where `load_model` would refuse the name or an option; makes nothing."""
    registry.callable_with("models", name, ("device", "dataset"), options)


def pick_device(device: str) -> str:
    """cpu or cuda; auto is cuda where torch finds a CUDA device."""
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise KapbenchError(
            "torch finds no CUDA device", fix="Use --device cpu, or install a CUDA build of torch"
        )
    return "cpu"
