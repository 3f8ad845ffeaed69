"""Options that several commands share, and `key=value` texts turned into what a factory takes."""

import contextlib
import functools
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from kapbench import registry
from kapbench.cli.once import add_once, quoted
from kapbench.errors import KapbenchError, any_of, nearest

# Types whose values are written in JSON: their names in a message, and the form of an example.
_FROM_JSON: dict[Any, tuple[str, str]] = {
    list: ("a list", "[{}]"),
    tuple: ("a list", "[{}]"),
    set: ("a list", "[{}]"),
    frozenset: ("a list", "[{}]"),
    Sequence: ("a list", "[{}]"),
    dict: ("a dictionary", '{{"NAME": {}}}'),
    Mapping: ("a dictionary", '{{"NAME": {}}}'),
}
_Command = TypeVar("_Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True, slots=True)
class Spec:
    """A model or a data set as the user names it, with its KEY=VALUE options."""

    name: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name.rsplit("/", 1)[-1], *self.options))


def _go_offline(_ctx: click.Context, _option: click.Parameter, offline: bool) -> None:
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
        if "huggingface_hub" in sys.modules:  # it has read the environment already
            sys.modules["huggingface_hub"].constants.HF_HUB_OFFLINE = True


def _default_cache(_ctx: click.Context, _option: click.Parameter, folder: Path | None) -> Path:
    from kapbench.paths import cache_root

    return folder or cache_root()


data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Folder that holds the data sets. Default: $KAPBENCH_DATA, else the user data folder.",
)
model_options = click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the model, e.g. weights=FILE. Repeat it for more.",
)
dataset_options = click.option(
    "--dataset-option",
    "dataset_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the data set, e.g. marking=1. Repeat it for more.",
)
runs_root = click.option(
    "--runs",
    "runs_root",
    type=FOLDER,
    envvar="KAPBENCH_RUNS",
    default=Path("runs"),
    show_default=False,
    help="Folder that holds the run folders. Default: $KAPBENCH_RUNS, else ./runs.",
)
cache_folder = click.option(
    "--cache",
    "cache_root",
    type=FOLDER,
    callback=_default_cache,
    help="Folder of the feature cache. Default: $KAPBENCH_CACHE, else the user cache folder.",
)
offline = click.option(
    "--offline",
    is_flag=True,
    expose_value=False,
    callback=_go_offline,
    help="Never use the network: weights that are not on disk are an error that names them.",
)


def refuse_missing(folder: Path, parameter: str) -> None:
    """KapbenchError where the command line names a folder to read that does not exist.

    Args:
        parameter: Of the command, to which the option gives the folder.
    """
    context = click.get_current_context(silent=True)
    named = context is not None and (
        context.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE
    )
    if named and not folder.exists():
        raise KapbenchError("This folder does not exist", place=folder, fix="Correct the path")


def output_format(*names: str) -> Callable[[_Command], _Command]:
    """`--format`, the first name being the default."""
    return click.option(
        "--format", "how", type=click.Choice(names), default=names[0], help="Format of the output."
    )


def typed(kind: registry.Kind, spec: str, texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as arguments of the factory behind `spec`, by its type hints.

    Every data set takes the options of `alter` beside its own.

    Raises:
        KapbenchError: as `key_values`, or a value that the factory's hint excludes.
    """
    if not texts:
        return {}
    option = "-o" if kind == "models" else "--dataset-option"
    hints = _hints(registry.resolve(kind, spec))
    if kind == "datasets":
        from kapbench.datasets.altering.alter import ALTERING_OPTIONS

        hints = {**hints, **ALTERING_OPTIONS}
    return {
        key: _value(key, text, hints.get(key, str), spec, option)
        for key, text in key_values(kind, spec, texts).items()
    }


def key_values(kind: registry.Kind, spec: str, texts: Sequence[str]) -> dict[str, str]:
    """`key=value` texts as a dictionary.

    Raises:
        KapbenchError: a text without a key or "=", or two texts with the same key.
    """
    option = "-o" if kind == "models" else "--dataset-option"
    values: dict[str, str] = {}
    for key, equals, value in (text.partition("=") for text in texts):
        if not equals or not key:
            raise KapbenchError(
                f"Option '{key}' has no value",
                place=spec,
                fix=f"Write {option} KEY=VALUE"
                + (", or --runs FOLDER for where the run is written" if kind == "models" else ""),
            )
        add_once(values, key, value, option=option, place=spec)
    return values


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    if isinstance(factory, functools.partial):
        factory = factory.func
    function = factory.__init__ if inspect.isclass(factory) else factory
    return get_type_hints(function)


def _value(key: str, text: str, hint: Any, spec: str, option: str) -> Any:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    value = _from_json(text, hint)
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(
            value
        )
    except PydanticUserError:  # the type has its own configuration
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        near = nearest(text, _texts(hint))
        fix = f"Write {option} {quoted(f'{key}={_example(hint)}')}"
        raise KapbenchError(
            f"{key}={text}: give {_describe(hint)}",
            place=spec,
            fix=f"Did you mean {any_of(near)}?" if near else fix,
        ) from error


def _texts(hint: Any) -> list[str]:
    """The texts that a Literal in a type hint accepts."""
    literals = [h for h in _alternatives(hint) if get_origin(h) is Literal]
    return [value for h in literals for value in get_args(h) if isinstance(value, str)]


def _from_json(text: str, hint: Any) -> Any:
    """A list, a dictionary or null (None) where the hint accepts one and no text; else the text."""
    kinds = {get_origin(h) or h for h in _alternatives(hint)}
    is_null = text == "null" and _reads_null(hint)
    if is_null or (kinds & _FROM_JSON.keys() and text.lstrip()[:1] in ("[", "{")):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union; else the one type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _reads_null(hint: Any) -> bool:
    """Whether None is accepted, and no text or path, of which "null" may be one."""
    kinds = {*_alternatives(hint)}
    return type(None) in kinds and not kinds & {str, Path}


def _item(hint: Any) -> str:
    """Items of an example in JSON."""
    items = [h for h in get_args(hint) if h is not Ellipsis]
    if get_origin(hint) in (dict, Mapping):
        items = items[1:]
    elif get_origin(hint) is not tuple or Ellipsis in get_args(hint):
        items *= 2
    texts = [_example(h) for h in items] or ["1", "2"]
    plain = [t if t[:1] in "[{0123456789" or t == "true" else f'"{t}"' for t in texts]
    return ", ".join(plain)


def _describe(hint: Any) -> str:
    """What a type hint accepts, in words: the values of a Literal, the names of types."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(hint))
    alternatives = _alternatives(hint)
    if len(alternatives) > 1:
        words = [_describe(h) for h in alternatives if h is not type(None)]
        return " or ".join([*words, "null"] if _reads_null(hint) else words)
    if (kind := get_origin(hint) or hint) in _FROM_JSON:
        return f"{_FROM_JSON[kind][0]} in JSON"
    known = {int: "a whole number", float: "a number", bool: "true or false"}
    return known.get(hint, f"a value of type {getattr(hint, '__name__', hint)}")


def _example(hint: Any) -> str:
    """A value that a type hint accepts, as it is written on the command line."""
    if get_origin(hint) is Literal:
        return str(get_args(hint)[0])
    alternatives = _alternatives(hint)
    if len(alternatives) > 1:
        return next(_example(h) for h in alternatives if h is not type(None))
    if (kind := get_origin(hint) or hint) in _FROM_JSON:
        return _FROM_JSON[kind][1].format(_item(hint))
    return {int: "16", float: "0.5", bool: "true"}.get(hint, "VALUE")


def shown_path(path: Path) -> str:
    """A path for the screen: relative where it lies below the current folder."""
    try:
        return os.fspath(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)
