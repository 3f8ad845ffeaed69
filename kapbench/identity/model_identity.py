"""What a model's revision cannot know: the code and the arguments that it was made from.

A revision is what the author writes by hand. Where kapbench does not maintain it, digits are added:
`-` for a model that is made by name, `+` for an object of the caller's.
"""

import contextlib
import inspect
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any
from weakref import ref

from kapbench.identity.content_hash import UnknownContentError, content_hash
from kapbench.identity.installed_code import distribution_of, is_own, source_hashes
from kapbench.protocols import Encoder, Model, ModelInfo, PairModel, model_info

DIGITS = 8
_made_by_name: dict[int, ref[Model]] = {}
_after_run: dict[int, tuple[ref[Model], str, str]] = {}  # content after a run, and before the first


@dataclass(frozen=True)
class Identity:
    """What a model declares, with the digits added to its revision.

    `unknown`: the type of what a model holds that cannot be compared with another process's; its
    features are not kept, and its run is never taken for another's. None: everything is known.
    """

    info: ModelInfo
    unknown: str | None = None


def source_digits(
    source: Path | None,
    distribution: str | None,
    factory: Callable[..., Any],
    arguments: Mapping[str, Any],
) -> str | None:
    """Digits of a model that is made by name; None where an argument's content cannot be read.

    Args:
        source: Its file; of an installed package, the file of its entry point.
        distribution: Name and version of the installed package.
        factory: Made the model from `arguments`.

    Raises:
        KapbenchError: see `source_hashes`.
    """
    sources = [] if source is None else source_hashes(source)
    chosen = _chosen(factory, arguments)
    if len(sources) == 1 and distribution is None and not chosen:
        return sources[0][:DIGITS]
    try:
        return content_hash(sources, distribution, chosen)[:DIGITS]
    except UnknownContentError:
        return None


def _chosen(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that differ from the defaults, which are part of the source; and all files."""
    parameters = inspect.signature(factory).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    values = {k: v for k, v in {**defaults, **arguments}.items() if k != "device"}
    return {
        k: v for k, v in values.items() if _is_file(v) or not _equal(v, defaults.get(k, values))
    }


def _is_file(value: object) -> bool:
    return isinstance(value, str | PurePath) and os.path.isfile(value)  # noqa: PTH113  any text


def _equal(value: object, default: object) -> bool:
    try:
        return content_hash(value) == content_hash(default)
    except UnknownContentError:
        return value is default


def mark_made_by_name(model: Model) -> None:
    """Has `identify` take the model's revision as it is."""
    key = id(model)
    with contextlib.suppress(TypeError):  # of an object that accepts no weak reference
        _made_by_name[key] = ref(model, lambda _: _made_by_name.pop(key, None))


def is_made_by_name(model: Model) -> bool:
    """Whether `mark_made_by_name` was called with this object."""
    known = _made_by_name.get(id(model))
    return known is not None and known() is model


def identify(model: Model) -> Identity:
    """The identity of a model object that somebody hands over."""
    info = model_info(model)
    if is_made_by_name(model) or not is_of_caller(model):
        return Identity(info)
    installed = distribution_of(type(model).__module__)
    unknown = None
    try:
        digits = _before_run(model, content_hash(model, installed))
    except UnknownContentError as error:
        unknown, digits = str(error), uuid.uuid4().hex
        if info.options:
            with contextlib.suppress(UnknownContentError):
                digits = content_hash(type(model), dict(info.options), installed)
                unknown = None
    return Identity(replace(info, revision=f"{info.revision}+{digits[:DIGITS]}"), unknown)


def remember_after_run(model: Model, identity: Identity) -> None:
    """Has `identify` overlook what a run itself changed in the object, e.g. a network loaded late."""
    _, plus, digits = identity.info.revision.rpartition("+")
    if not plus or identity.unknown is not None:
        return
    key = id(model)
    with contextlib.suppress(TypeError, UnknownContentError):
        after = content_hash(model, distribution_of(type(model).__module__))
        _after_run[key] = ref(model, lambda _: _after_run.pop(key, None)), after, digits


def _before_run(model: Model, content: str) -> str:
    known = _after_run.get(id(model))
    if known is None or known[0]() is not model or known[1] != content:
        return content
    return known[2]


def is_of_caller(model: object) -> bool:
    """Whether a model, or one that it stands on, is of a class that is not kapbench's."""
    if not is_own(type(model).__module__):
        return True
    parts = vars(model).values() if hasattr(model, "__dict__") else ()
    models = (part for part in parts if isinstance(part, Encoder | PairModel))
    return any(is_of_caller(part) and not is_made_by_name(part) for part in models)


def declared_revision(revision: str) -> str:
    """A revision without the digits that were added to it."""
    return re.sub(rf"([-+][0-9a-f]{{{DIGITS}}})+$", "", revision)


def is_same_revision(of_run: str, here: str) -> bool:
    """Whether a run is of the model that is made by name here.

    A run of an object has digits of another kind, and an old one none: its declared revision counts.
    """
    is_object = re.search(rf"\+[0-9a-f]{{{DIGITS}}}$", of_run) is not None
    declared = declared_revision(of_run) if is_object else of_run
    return of_run == here or declared == declared_revision(here)
