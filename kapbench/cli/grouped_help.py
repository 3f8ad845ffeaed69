"""Options under headings in --help, and options gathered into one typed value."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import click

from kapbench.cli.once import refuse_repeated

Function = Callable[..., Any]


class GroupedCommand(click.Command):
    """A command whose help shows its options under headings, and which takes each value once.

    Args:
        headings: Long names of options by heading; those that no heading lists come last.
    """

    def __init__(self, *args: Any, headings: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading_of = {name: text for text, names in headings.items() for name in names.split()}
        self.headings = (*headings, "Other")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.headings}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = next(filter(None, map(self.heading_of.get, parameter.opts)), "Other")
                sections[heading].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def gathered(
    keyword: str, into: type, *options: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Adds options to a command, which gets their values as one dataclass.

    Args:
        keyword: The command's parameter for it.
        into: A dataclass with one field for each option.
    """

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def call(**values: Any) -> Any:
            chosen = into(**{field.name: values.pop(field.name) for field in fields(into)})
            return command(**values, **{keyword: chosen})

        made: Function = call
        for option in reversed(options):
            made = option(made)
        return made

    return decorate
