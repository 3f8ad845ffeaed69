"""Names to plug-ins: entry points, the user's files, and the error for a name that does not exist."""

import ast
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.machinery import SourceFileLoader
from importlib.metadata import Distribution, entry_points
from pathlib import Path
from types import CodeType
from typing import Any, Literal, Protocol, runtime_checkable

from kapbench.errors import KapbenchError, any_of, described, nearest, unknown, with_article
from kapbench.untrusted.regular_files import is_file, is_folder, nearest_files

Kind = Literal["models", "datasets"]


def names(kind: Kind) -> list[str]:
    """Registered names, sorted; nothing is imported."""
    return sorted(entry.name for entry in _entries(kind))


def _word(kind: Kind) -> str:
    return "model" if kind == "models" else "data set"


def adapter_file(kind: Kind, spec: str) -> Path | None:
    """The file of `path/to/file.py:Class`; None where `spec` names something registered."""
    path, _, _ = spec.rpartition(":")
    return Path(path) if path.endswith(".py") and _registered(kind, spec) is None else None


def resolve(kind: Kind, spec: str) -> Callable[..., Any]:
    """The factory behind a name, a prefixed name (`features:DIR`) or `path/to/file.py:Class`.

    A name with a prefix that is registered with a trailing colon or dot (`mine.NAME`) gets the
    rest of the spec as its first argument; of two such prefixes that end in a dot the longer counts.

    Raises:
        KapbenchError: nothing has this name; the file or the attribute is missing.
    """
    if (factory := _registered(kind, spec)) is not None:
        return factory
    path, _, attribute = spec.rpartition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), attribute)
    if spec.endswith(".py"):
        raise _names_no_class(kind, Path(spec))
    raise _unknown_plugin(kind, spec)


def installed_as(name: str, options: Iterable[str]) -> str | None:
    """The spec of the installed model that a run's model name belongs to; no file is run.

    A composed model adds a part to its spec, or is named by it: the whole name is preferred to its
    beginnings, and a factory that accepts the options to one that does not. None: nothing fits.
    """
    options, parts = list(options), name.split(".")
    specs = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    factories = {spec: f for spec in specs if (f := _registered("models", spec)) is not None}
    accepting = [spec for spec, factory in factories.items() if not _refused(factory, options)]
    return next(iter([*accepting, *factories]), None)


def entry_of(kind: Kind, spec: str) -> "Entry | None":
    """The entry point behind a name or a prefixed name; None where `spec` names a file or nothing."""
    entry_and_argument = _entry_and_argument(kind, spec)
    return None if entry_and_argument is None else entry_and_argument[0]


def _registered(kind: Kind, spec: str) -> Callable[..., Any] | None:
    entry_and_argument = _entry_and_argument(kind, spec)
    if entry_and_argument is None:
        return None
    entry, argument = entry_and_argument
    return _load(entry) if argument is None else functools.partial(_load(entry), argument)


def _entry_and_argument(kind: Kind, spec: str) -> "tuple[Entry, str | None] | None":
    """The entry point of a spec, and what follows its prefix."""
    by_name = {entry.name: entry for entry in _entries(kind)}
    if spec in by_name and not spec.endswith((":", ".")):
        return by_name[spec], None
    head, colon, tail = spec.partition(":")
    if colon and head + colon in by_name:
        return by_name[head + colon], tail
    if spec.rpartition(":")[0].endswith(".py"):
        return None
    dotted = [n for n in by_name if n.endswith(".") and spec.startswith(n) and spec != n]
    if not dotted:
        return None
    longest = max(dotted, key=len)
    return by_name[longest], spec.removeprefix(longest)


def create(kind: Kind, spec: str, context: dict[str, Any], options: dict[str, Any]) -> Any:
    """Calls the factory behind `spec`.

    Args:
        context: Offered; a factory that does not name the parameter does not get it.
        options: The user's; one that the factory does not accept is an error.

    Raises:
        KapbenchError: as `resolve`; an option that is not accepted, or one that is missing.
    """
    factory = callable_with(kind, spec, context, options)
    return factory(**arguments_of(factory, context, options))


def arguments_of(
    factory: Callable[..., Any], context: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What `create` calls a factory with."""
    parameters = inspect.signature(factory).parameters
    offered = {k: v for k, v in context.items() if k in parameters and k not in options}
    return offered | dict(options)


def callable_with(
    kind: Kind, spec: str, context: Iterable[str], options: Iterable[str]
) -> Callable[..., Any]:
    """The factory behind `spec`, checked to accept these names; it is not called.

    Raises:
        KapbenchError: see `create`.
    """
    factory = resolve(kind, spec)
    parameters = inspect.signature(factory).parameters
    for option in _refused(factory, options):
        raise unknown("option", option, parameters, place=f"{_word(kind)} {spec}")
    known = {*context, *options}
    missing = [k for k, p in parameters.items() if _is_required(p) and k not in known]
    if missing:
        option = "-o" if kind == "models" else "--dataset-option"
        raise KapbenchError(
            f"{_word(kind).capitalize()} '{spec}' needs a value for its argument '{missing[0]}'",
            place=spec,
            fix=f"Add {option} {missing[0]}=VALUE, or give the argument a default",
        )
    return factory


def _refused(factory: Callable[..., Any], options: Iterable[str]) -> list[str]:
    """Options that the factory does not accept."""
    parameters = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return [] if takes_any else [option for option in options if option not in parameters]


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and parameter.kind not in variadic


@runtime_checkable
class Entry(Protocol):
    """An entry point: Python's own, or importlib_metadata's, which takes its place once imported."""

    name: str
    value: str

    @property
    def module(self) -> str: ...

    @property
    def dist(self) -> Distribution | None: ...

    def load(self) -> Any: ...


def _entries(kind: Kind) -> tuple[Entry, ...]:
    return tuple(entry_points(group=f"kapbench.{kind}"))


def _load(entry: Entry) -> Callable[..., Any]:
    from kapbench.untrusted.plugin_calls import plugin_call  # imports numpy

    try:
        with plugin_call(f"'{entry.name}'", entry.value, "its import"):
            loaded: Callable[..., Any] = entry.load()
    except (ImportError, AttributeError) as error:
        raise KapbenchError(
            f"'{entry.name}' cannot be imported: {error}",
            place=entry.value,
            fix="Install the packages that it needs, e.g. pip install 'kapbench[hf]'",
        ) from error
    return loaded


class _Uncached(SourceFileLoader):
    """Compiles the file itself: Python's cached bytecode overlooks an edit within one second."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return self.source_to_code(self.get_data(self.path), self.path)


def _names_no_class(kind: Kind, path: Path) -> KapbenchError:
    """The error for a file without a class: lists those of the file, which is not run."""
    if not is_file(path):
        return _missing_file(path)
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    wanted = {"encode", "match"} if kind == "models" else {"pairs"}
    classes: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if methods & wanted or bases & {*classes}:
                classes.append(node.name)
    specs = [f"{path}:{name}" for name in classes or ["Class"]]
    return KapbenchError(f"The file {path} names no class", fix=f"Write {any_of(specs)}")


def _unknown_plugin(kind: Kind, spec: str) -> KapbenchError:
    """The error for a spec that nothing is registered for; a file or a folder may be meant."""
    word = _word(kind)
    if is_file(Path(f"{spec}.py")):
        return _names_no_class(kind, Path(f"{spec}.py"))
    fix = _meant_file(spec)
    if fix is None and kind == "models" and is_folder(Path(spec)):
        fix = f"Write features:{spec} or similarity:{spec} for saved maps"
    if fix is None and kind == "datasets" and is_file(Path(spec)):
        fix = f"Write manifest:{spec}, or coco:{spec} for a file of COCO keypoints"
    if fix is not None:
        return KapbenchError(f"Unknown {word} '{spec}'", fix=fix)
    known = [spelled(kind, entry.name) for entry in _entries(kind)]
    if nearest(spec, known):
        return unknown(word, spec, known)
    return KapbenchError(
        f"Unknown {word} '{spec}'",
        fix=f"Choose one that `kapbench list {kind}` shows, or write FILE.py:Class for your own",
    )


def _meant_file(spec: str) -> str | None:
    """What to write for file:Class, file.Class and file.py.Class."""
    for separator in ":.":
        path, _, attribute = spec.rpartition(separator)
        if path and attribute and is_file(Path(file := f"{path.removesuffix('.py')}.py")):
            return f"Write {file}:{attribute} for the class of that file"
    return None


_AFTER = {"features:": "DIR", "similarity:": "DIR", "fuse:": "A+B"}


def spelled(kind: Kind, name: str) -> str:
    """A registered name as a user writes it: a prefix with what follows, e.g. `sphere.NAME`."""
    if not name.endswith((":", ".")):
        return name
    return name + ("FILE" if kind == "datasets" else _AFTER.get(name, "NAME"))


def _missing_file(path: Path) -> KapbenchError:
    near = nearest_files(path)
    fix = f"Did you mean {any_of(near)}?" if near else "Write path/to/file.py:Class"
    return KapbenchError("The adapter file does not exist", place=path, fix=fix)


def _from_file(path: Path, attribute: str) -> Callable[..., Any]:
    from kapbench.untrusted.plugin_calls import plugin_call  # imports numpy

    if not is_file(path):
        raise _missing_file(path)
    name = f"kapbench_user_{path.stem}"
    loader = _Uncached(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with plugin_call("The adapter file", path, "its import"):
            loader.exec_module(module)
    except KapbenchError:
        raise
    except Exception as error:
        raise KapbenchError(
            f"The adapter file cannot be imported: {described(error)}",
            place=path,
            fix=f"Run `python {path}` and correct what it reports",
        ) from error
    if not hasattr(module, attribute):
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == name]
        raise unknown("class", attribute, own, path)
    factory: Callable[..., Any] = getattr(module, attribute)
    if not callable(factory):
        raise KapbenchError(
            f"'{attribute}' is {with_article(type(factory).__name__)}, not a class or a function",
            place=path,
            fix="Name a class, or a function that returns a model or data set",
        )
    return factory
