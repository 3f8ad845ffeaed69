"""A click group whose commands are imported when they are called, not when help lists them."""

import difflib
import errno
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from kapbench.errors import KapbenchError

STOPPED = 130  # what a shell expects of a program that Ctrl-C ended
_FILE_IN_THE_WAY = "a file stands where a folder belongs: choose another folder"
_FILE_ERRORS = {
    errno.ENOSPC: "free some space and run the same command again; what is finished is kept",
    errno.EDQUOT: "free some of your quota and run the same command again",
    errno.EACCES: "choose a folder that you may read and write",
    errno.EPERM: "choose a folder that you may read and write",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENOTDIR: _FILE_IN_THE_WAY,
    errno.EEXIST: _FILE_IN_THE_WAY,
    errno.EISDIR: "name a file: this is a folder",
    errno.ENOENT: "name what exists",
    errno.ENAMETOOLONG: "choose a shorter path",
}


class Deferred(NamedTuple):
    """Where a command is (`module:attribute`) and the line that help shows without importing it."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """Loads a command by name; turns what a user can mend into one message and exit status 1."""

    def __init__(self, *args: Any, deferred: Mapping[str, Deferred], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deferred = deferred

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.deferred)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.deferred:
            return None
        module, _, attribute = self.deferred[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.deferred:
            raise click.UsageError(f"No such command '{args[0]}'.{_nearest(args[0], self)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, d.summary) for name, d in self.deferred.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nstopped; the same command resumes", err=True)
            ctx.exit(STOPPED)
        except Exception as error:
            message = explain(error)
            if message is None or ctx.params.get("debug"):
                raise
            raise click.ClickException(message) from error


def explain(error: Exception) -> str | None:
    """What to tell a user about an error that they can mend; None for a defect of the program."""
    if isinstance(error, KapbenchError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _FILE_ERRORS:
        place = error.filename or error.filename2
        what = KapbenchError(
            (error.strerror or str(error)).lower(), place=place, fix=_FILE_ERRORS[error.errno]
        )
        return str(what)
    # safetensors is written in Rust and reports a full disk in words only.
    if "No space left on device" in str(error):
        return str(KapbenchError(str(error), fix=_FILE_ERRORS[errno.ENOSPC]))
    return None


def _nearest(name: str, group: LazyGroup) -> str:
    near: Sequence[str] = difflib.get_close_matches(name, list(group.deferred), n=1, cutoff=0.4)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(group.deferred)}."
