"""Names to data sets, models and devices: `load_dataset`, `load_model`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from kapbench import registry
from kapbench.datasets.altering.alter import ALTERING_OPTIONS, alter
from kapbench.errors import KapbenchError, described
from kapbench.identity.installed_code import is_own, last_user_line, user_file
from kapbench.identity.model_identity import is_made_by_name, mark_made_by_name, source_digits
from kapbench.protocols import Dataset, Encoder, Model, model_info
from kapbench.untrusted.plugin_calls import plugin_call


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
        options: What the data set accepts, e.g. root or marking (synthetic), and what every data set
            accepts: see `alter`.

    Raises:
        KapbenchError: unknown name or option; data that is missing or damaged.
    """
    altering = {key: options.pop(key) for key in ALTERING_OPTIONS if key in options}
    context = {"build": build} | ({} if data_root is None else {"root": data_root})
    options = {"split": split, **options}
    factory = registry.callable_with("datasets", name, context, options)
    arguments = registry.arguments_of(factory, context, options)
    return alter(cast("Dataset", _call("datasets", name, factory, arguments)), **altering)


def load_model(
    name: str,
    *,
    device: str = "auto",
    dataset: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> Model:
    """A registered model, `features:DIR`, `similarity:DIR` or `path/to/file.py:Class`.

    The revision of a model that is not kapbench's ends in digits for what its author may change
    without raising it: the file of the class and the files that it imports, the version of an
    installed package, and the options. An attribute that is changed afterwards adds more digits.

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
    factory = registry.callable_with("models", name, context, options)
    arguments = registry.arguments_of(factory, context, options)
    model = _call("models", name, factory, arguments)
    if model is None:
        raise KapbenchError(
            f"{name.rpartition(':')[2]}() returned None, not a model",
            place=name,
            fix="Return the model that it makes",
        )
    model_info(model)  # raises where it is not a model
    identified = _identified(cast("Model", model), name, factory, arguments)
    made = in_precision(identified, precision, device)
    if made is not identified and is_made_by_name(identified):
        mark_made_by_name(made)
    return made


def _call(
    kind: registry.Kind, name: str, factory: Callable[..., Any], arguments: Mapping[str, Any]
) -> Any:
    """What a factory returns.

    Raises:
        KapbenchError: code that is not kapbench's raised an error.
    """
    thing = "model" if kind == "models" else "data set"
    try:
        with plugin_call(f"The {thing}", name, "its constructor"):
            return factory(**arguments)
    except KapbenchError:
        raise
    except Exception as error:
        entry = registry.entry_of(kind, name)
        if entry is not None and is_own(entry.module):
            raise  # a defect of kapbench
        raise KapbenchError(
            f"The {thing} '{name}' cannot be made: {described(error)}",
            place=last_user_line(error) or name,
            fix=f"Correct the {thing}'s code or its options; `kapbench --debug` before the command "
            "prints the traceback",
        ) from error


def _identified(
    model: Model, name: str, factory: Callable[..., Any], arguments: Mapping[str, Any]
) -> Model:
    """The model with digits in its revision for what may change without it.

    Those are the files of an adapter, the version of an installed package (and its files where they
    can be edited), and arguments. kapbench's own models need none.

    Raises:
        KapbenchError: the revision cannot be set, and the model is not an encoder.
    """
    file, entry = registry.adapter_file("models", name), registry.entry_of("models", name)
    package = None
    if entry is not None:
        if is_own(entry.module):
            return model
        file = user_file(entry.module)
        package = None if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    digits = source_digits(file, package, factory, arguments)
    if digits is None:  # an argument of unknown content: a run identifies the object
        return model
    model = _with_digits(model, f"-{digits}", file or name)
    mark_made_by_name(model)
    return model


def _with_digits(model: Model, digits: str, place: object) -> Model:
    info = model_info(model)
    if info.revision.endswith(digits):  # made before, and returned again
        return model
    revision = f"{info.revision}{digits}"
    try:
        model.revision = revision
    except AttributeError as error:  # a property, a slot or a frozen class
        if not isinstance(model, Encoder):
            raise KapbenchError(
                f"Attribute revision of {info.name} cannot be set",
                place=place,
                fix="Make it a plain attribute, so that kapbench can add digits to it",
            ) from error
        from kapbench.models.wrapper import WrappedEncoder

        return WrappedEncoder(model, replace(info, revision=revision))
    return model


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
