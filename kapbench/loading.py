"""Names to data sets, models and devices: `load_dataset`, `load_model`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from kapbench import registry
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset, Model, model_info


def load_dataset(
    name: str,
    *,
    split: str = "test",
    data_root: str | Path | None = None,
    build: bool = True,
    **options: Any,
) -> Dataset:
    """A registered data set's split, or that of `path/to/file.py:Class`.

    Args:
        data_root: Folder that holds the data sets; offered to those that are kept under one. None:
            KAPBENCH_DATA, else the user data folder.
        build: Whether a data set that makes its images may make them now; offered to those.
        options: What the data set accepts, e.g. root or marking (synthetic).

    Raises:
        KapbenchError: unknown name or option; data that is missing or damaged.
    """
    context = {"build": build} | ({} if data_root is None else {"root": data_root})
    found = registry.create("datasets", name, context, {"split": split, **options})
    return cast("Dataset", found)


def load_model(
    name: str,
    *,
    device: str = "auto",
    dataset: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> Model:
    """A registered model, `features:DIR`, `similarity:DIR` or `path/to/file.py:Class`.

    Args:
        device: auto, cpu or cuda; offered to models that take one.
        dataset: Name of the data set it will meet; offered to models that ship weights for some.
        precision: fp32, bf16 or fp16: of an encoder's matrix products.
        options: What the model accepts, e.g. weights.

    Raises:
        KapbenchError: unknown name or option, weights that do not fit, or an object that is not a
            model.
    """
    from kapbench.models.mixed_precision import in_precision

    where = pick_device(device)
    context = {"device": where, "dataset": dataset}
    model = registry.create("models", name, context, options)
    model_info(model)  # raises where it is not a model
    return in_precision(cast("Model", model), precision, where)


def check_model(name: str, options: Iterable[str]) -> None:
    """KapbenchError where `load_model` would refuse the name or an option's name; makes nothing."""
    registry.callable_with("models", name, ("device", "dataset"), options)


def pick_device(device: str) -> str:
    """cpu or cuda; auto takes cuda where there is one."""
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise KapbenchError(
            "no CUDA device found", fix="use --device cpu, or install a CUDA build of torch"
        )
    return "cpu"
