"""Options of commands that load the model and the data set of a run again, and where they run."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kapbench import registry
from kapbench.cli.options import FOLDER, data_root, typed

_Command = TypeVar("_Command", bound=Callable[..., Any])
model_option = click.option(
    "--model-option",
    "model_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the model, of each where there are several, e.g. weights=FILE. Repeat it for "
    "more.",
)
dataset_option = click.option(
    "--dataset-option",
    "dataset_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the data set. Repeat it for more.",
)
LOADING = (
    click.option(
        "--load-dataset",
        metavar="SPEC",
        help="Load the run's data set by this, if its name is not registered, e.g. manifest:FILE.",
    ),
    dataset_option,
    click.option(
        "--load-model",
        metavar="SPEC",
        help="Load the run's model by this, if its name is not registered, e.g. FILE.py:CLASS.",
    ),
    model_option,
)
model_device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to run the model on.",
)
MACHINE = (
    data_root,
    click.option("--cache", type=FOLDER, help="Folder of the feature cache."),
    model_device,
)


def loading_options(command: _Command) -> _Command:
    """--load-dataset, --load-model and their options."""
    return added(command, *LOADING)


def machine_options(command: _Command) -> _Command:
    """--data-root, --cache and --device."""
    return added(command, *MACHINE)


def added(command: _Command, *options: Callable[[_Command], _Command]) -> _Command:
    """The command with these options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def options_of(kind: registry.Kind, spec: str | None, texts: tuple[str, ...]) -> dict[str, Any]:
    """Options of a model or data set that is loaded by `spec`.

    Raises:
        click.UsageError: nothing is loaded that could take them.
        KapbenchError: as `typed`.
    """
    if texts and spec is None:
        thing = "model" if kind == "models" else "dataset"
        raise click.UsageError(f"--{thing}-option needs --load-{thing} too.")
    return typed(kind, spec, texts) if spec else {}
