"""A click group whose commands are imported when they are called, not when help lists them."""

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import click

from kapbench.cli.funnel import funnel
from kapbench.cli.list import summary
from kapbench.errors import KapbenchError


class Deferred(NamedTuple):
    """A command that is not imported yet: `module:attribute`, and its line in the root's help."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """Imports a command when it is called; reports an error of the user's in one message.

    Args:
        deferred: The group's own commands by name.
        plugins: Entry-point group of the commands that installed packages add.
    """

    def __init__(
        self, *args: Any, deferred: Mapping[str, Deferred], plugins: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.deferred, self.plugins = deferred, plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.deferred, *sorted(self._added())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """KapbenchError where the command of a plug-in cannot be imported."""
        if cmd_name in self.deferred:
            module, _, attribute = self.deferred[cmd_name].target.partition(":")
            own: click.Command = getattr(importlib.import_module(module), attribute)
            return own
        entry = self._added().get(cmd_name)
        return None if entry is None else _import_command(entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            near = difflib.get_close_matches(args[0], names, n=1, cutoff=0.4)
            hint = f"Did you mean '{near[0]}'?" if near else f"Commands: {', '.join(names)}."
            raise click.UsageError(f"No such command '{args[0]}'. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and summaries; those of plug-ins are read from their source, without an import."""
        added = self._added()
        lines = [(name, own.summary) for name, own in self.deferred.items()]
        lines += [(name, summary(added[name])) for name in sorted(added)]
        with formatter.section("Commands"):
            formatter.write_dl(lines)

    def _added(self) -> dict[str, EntryPoint]:
        """Commands of plug-ins by name; none takes the place of an own command."""
        entries = entry_points(group=self.plugins)
        return {entry.name: entry for entry in entries if entry.name not in self.deferred}

    def invoke(self, ctx: click.Context) -> Any:
        with funnel(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


def _import_command(entry: EntryPoint) -> click.Command:
    try:
        command: click.Command = entry.load()
    except Exception as error:  # a plug-in may raise anything; the other commands still work
        raise KapbenchError(
            f"The command '{entry.name}' cannot be imported: {type(error).__name__}: {error}",
            place=entry.value,
            fix="Update, reinstall or remove the package that provides it",
        ) from error
    return command
