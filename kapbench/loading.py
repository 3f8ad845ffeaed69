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
    model_info(model)  # raises where it is not a model
    return in_precision(cast("Model", model), precision, device)


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
