"""What a model's revision cannot know: the code and the arguments that it was made from.

A revision is what the author writes by hand. Where kapbench does not maintain it, digits are added:
`-` for a model that is made by name, `+` for an object of the caller's.
"""

import contextlib
import inspect
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, TypeGuard
from weakref import ref

from kapbench.errors import KapbenchError
from kapbench.identity.content_hash import content_hash, readable_hash
from kapbench.identity.imported_sources import source_hashes
from kapbench.identity.installed_code import distribution_of, is_own
from kapbench.identity.named_files import UnknownContentError
from kapbench.protocols import Encoder, Model, ModelInfo, PairModel, model_info

DIGITS = 8
_made_by_name: dict[int, tuple[ref[Model], str]] = {}  # with the content that it was made with
_after_run: dict[int, tuple[ref[Model], str, str]] = {}  # content after a run, and before the first


@dataclass(frozen=True)
class Identity:
    """What a model declares, with the digits added to its revision.

    `unknown`: the type of what a model holds that cannot be compared with another process's; its
    features are not kept, and its run is never taken for another's. None: everything is known.

    `declared`: The same, where the model declares `options`, which stand for that part. Everything
    that can be read counts as well.
    """

    info: ModelInfo
    unknown: str | None = None
    declared: str | None = None


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
    """Arguments that differ from the defaults, which are part of the source; and all paths."""
    parameters = inspect.signature(factory).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    values = {k: v for k, v in {**defaults, **arguments}.items() if k != "device"}
    paths = {k: Path(v) for k, v in values.items() if k != "dataset" and _is_path(v)}
    changed = {k: v for k, v in values.items() if not _equal(v, defaults.get(k, values))}
    return changed | paths


def _is_path(value: object) -> TypeGuard[str | PurePath]:
    """Whether an argument names a file or a folder that exists."""
    if not isinstance(value, str | PurePath) or not str(value):
        return False
    try:
        return Path(value).exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def _equal(value: object, default: object) -> bool:
    try:
        return content_hash(value) == content_hash(default)
    except UnknownContentError:
        return value is default


def mark_made_by_name(model: Model) -> None:
    """Has `identify` take the model's revision as it is, while the object keeps its content."""
    key = id(model)
    # TypeError: of an object that accepts no weak reference.
    with contextlib.suppress(TypeError, UnknownContentError):
        content, _ = _content(model)
        _made_by_name[key] = ref(model, lambda _: _made_by_name.pop(key, None)), content


def is_made_by_name(model: Model) -> bool:
    """Whether `mark_made_by_name` was called with this object, which has not changed since."""
    if not _is_marked(model):
        return False
    try:
        return _content(model)[0] == _made_by_name[id(model)][1]
    except UnknownContentError:
        return False


def _is_marked(model: object) -> bool:
    marked = _made_by_name.get(id(model))
    return marked is not None and marked[0]() is model


def identify(model: Model) -> Identity:
    """The identity of a model object that somebody hands over.

    Raises:
        KapbenchError: a module that the object's code imports was edited after its import.
    """
    info = model_info(model)
    if is_made_by_name(model) or not is_of_caller(model):
        return Identity(info)
    unknown = declared = None
    try:
        content, unreadable = _content(model)
        digits = _before_run(model, content)
    except UnknownContentError as error:
        unknown = str(error)
    else:
        if unreadable is not None and _stand_for_content(info.options):
            declared = unreadable
        else:
            unknown = unreadable
    if unknown is not None:
        digits = uuid.uuid4().hex
    return Identity(replace(info, revision=f"{info.revision}+{digits[:DIGITS]}"), unknown, declared)


def _content(model: Model) -> tuple[str, str | None]:
    """Hash of an object and its class, and the type of a part that cannot be read.

    Where there is such a part, the options that the model declares count too.
    """
    content, unreadable = readable_hash(model, distribution_of(type(model).__module__))
    if unreadable is not None:
        content, _ = readable_hash(content, dict(model_info(model).options))
    return content, unreadable


def _stand_for_content(options: Mapping[str, Any]) -> bool:
    """Whether declared options can be read, so that they tell two objects apart."""
    return bool(options) and readable_hash(dict(options))[1] is None


def remember_after_run(model: Model, identity: Identity) -> None:
    """Has `identify` overlook what a run itself changed in the object, e.g. a network loaded late."""
    if identity.unknown is not None:
        return
    key, revision = id(model), identity.info.revision
    # KapbenchError: a module was edited during the run; the next one reports it.
    with contextlib.suppress(TypeError, UnknownContentError, KapbenchError):
        if _is_of_object(revision):
            remembered = ref(model, lambda _: _after_run.pop(key, None))
            _after_run[key] = remembered, _content(model)[0], revision[-DIGITS:]
            return
        for part in _with_parts(model):
            if _is_marked(part):
                mark_made_by_name(part)


def _before_run(model: Model, content: str) -> str:
    known = _after_run.get(id(model))
    if known is None or known[0]() is not model or known[1] != content:
        return content
    return known[2]


def is_of_caller(model: object) -> bool:
    """Whether a model, or one that it stands on, is of a class that is not kapbench's."""
    if not is_own(type(model).__module__):
        return True
    return any(is_of_caller(part) and not is_made_by_name(part) for part in _models_in(model))


def _with_parts(model: Model) -> Iterator[Model]:
    """A model, and all that it stands on, each once."""
    parts, met = [model], {id(model)}
    while parts:
        yield (part := parts.pop())
        below = [p for p in _models_in(part) if id(p) not in met]
        met |= {id(p) for p in below}
        parts += below


def _models_in(model: object) -> list[Encoder | PairModel]:
    """Models that an object holds as attributes, or in a tuple that is one."""
    values = vars(model).values() if hasattr(model, "__dict__") else ()
    parts = chain.from_iterable(v if type(v) is tuple else (v,) for v in values)
    return [part for part in parts if isinstance(part, Encoder | PairModel)]


def declared_revision(revision: str) -> str:
    """A revision without the digits that were added to it."""
    return re.sub(rf"([-+][0-9a-f]{{{DIGITS}}})+$", "", revision)


def is_same_revision(of_run: str, here: str) -> bool:
    """Whether a run is of the model that is made by name here.

    A run of an object has digits of another kind, and an old one none: its declared revision counts.
    """
    declared = declared_revision(of_run) if _is_of_object(of_run) else of_run
    return of_run == here or declared == declared_revision(here)


def _is_of_object(revision: str) -> bool:
    """Whether a revision ends in the digits of an object's content."""
    return re.search(rf"\+[0-9a-f]{{{DIGITS}}}$", revision) is not None
