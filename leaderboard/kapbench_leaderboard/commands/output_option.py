"""`-o`: where a command writes. It is refused where it looks like an option of a model."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kapbench.cli.options import shown_path

_Command = TypeVar("_Command", bound=Callable[..., Any])


def output_option(
    keyword: str,
    kind: click.Path,
    help_text: str,
    *,
    default: str | None = None,
    required: bool = False,
) -> Callable[[_Command], _Command]:
    """`-o, --output`: in `run` and `submit reproduce`, -o is an option of the model instead."""
    return click.option(
        "-o",
        "--output",
        keyword,
        type=kind,
        default=default,
        required=required,
        show_default=default is not None,
        callback=_refuse_option,
        help=f"{help_text} (In `kapbench run`, -o is an option of the model.)",
    )


def outputs_option(keyword: str, help_text: str) -> Callable[[_Command], _Command]:
    """`-o, --output` for several files."""
    return click.option(
        "-o",
        "--output",
        keyword,
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_refuse_options,
        help=f"{help_text} (In `kapbench run`, -o is an option of the model.)",
    )


def _refuse_options(
    ctx: click.Context, option: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    for path in paths:
        _refuse_option(ctx, option, path)
    return paths


def _refuse_option(_ctx: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and re.fullmatch(r"[A-Za-z_]\w*=.*", str(path)):
        raise click.BadParameter(
            f"'{path}' looks like an option of a model, but -o names the output here. Where this "
            "command takes options of a model, write --model-option KEY=VALUE."
        )
    return path


def print_or_write(text: str, output: Path | None) -> None:
    """Prints a text, or writes it to a file and prints the file's path."""
    if output is None:
        click.echo(text, nl=False)
        return
    from kapbench.storage import write_atomically

    write_atomically(output, text.encode())
    click.echo(shown_path(output))
