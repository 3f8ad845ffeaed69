"""A page for each command of kapbench: its help, its examples, and every option, from click."""

import html
import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from kapbench.cli.main import main

FOLDER = "commands"
INTRODUCTION = """\
# Commands

Every command and every option, as `kapbench COMMAND --help` prints them. What the commands are
for, what an exit status means, and what happens to a command that is stopped:
[the command line](../commands.md).

| command | what it does |
|---|---|
"""


def navigation() -> list[Any]:
    """The part of mkdocs.yml's `nav` that holds the commands."""
    own = [{_root(command).command_path: _page_name(name)} for name, command in _commands()]
    return [f"{FOLDER}/index.md", *own]


def pages() -> dict[str, str]:
    """Markdown by name on the site: an index, and each command with those below it."""
    texts = {
        _page_name(name): "\n".join(_sections(_root(command))) for name, command in _commands()
    }
    rows = [
        f"| [`kapbench {name}`]({name}.md) | {_summary(command)} |" for name, command in _commands()
    ]
    return {f"{FOLDER}/index.md": INTRODUCTION + "\n".join(rows) + "\n", **texts}


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main, info_name="kapbench")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, command


def _page_name(command: str) -> str:
    return f"{FOLDER}/{command}.md"


def _root(command: click.Command) -> click.Context:
    parent = click.Context(main, info_name="kapbench", **main.context_settings)
    return _context(command, command.name, parent)


def _context(command: click.Command, name: str | None, parent: click.Context) -> click.Context:
    return command.context_class(command, info_name=name, parent=parent, **command.context_settings)


def _summary(command: click.Command) -> str:
    return html.escape(command.get_short_help_str(limit=200), quote=False)


def _sections(context: click.Context, level: int = 1) -> Iterator[str]:
    """The lines of a command's section, then those of its own commands."""
    command = context.command
    yield f"{'#' * level} {context.command_path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield from _description(command)
    yield from _options(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            if member is not None and not member.hidden:
                yield from _sections(_context(member, name, context), level + 1)


def _description(command: click.Command) -> Iterator[str]:
    """Paragraphs of the help; what click is told not to wrap becomes a block of code."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b"):
            yield f"{_as_text(paragraph)}\n"
            continue
        heading, _, lines = paragraph.removeprefix("\b").lstrip("\n").partition("\n")
        yield f"{_as_text(heading)}\n\n```text\n{inspect.cleandoc(lines)}\n```\n"


def _options(context: click.Context) -> Iterator[str]:
    """Tables of options, under the headings that --help shows."""
    by_heading: dict[str, list[str]] = {}
    heading_of = getattr(context.command, "heading_of", {})
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or not isinstance(parameter, click.Option):
            continue
        default = "Other" if heading_of else "Options"
        heading = next(filter(None, map(heading_of.get, parameter.opts)), default)
        names, meaning = record
        names = names.replace("|", "&#124;").replace("<", "&lt;")
        row = f"| <code>{names}</code> | {_as_text(meaning).replace('|', '&#124;')} |"
        by_heading.setdefault(heading, []).append(row)
    order = [*getattr(context.command, "headings", ()), "Options"]
    for heading in sorted(by_heading, key=order.index):
        yield f"**{heading}**\n\n| option | meaning |\n|---|---|"
        yield "\n".join(by_heading[heading]) + "\n"


def _as_text(text: str) -> str:
    """Help as Markdown: words between backticks stay code, and nothing else has a meaning."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if position % 2 else re.sub(r"([\\*_\[\]#])", r"\\\1", html.escape(part, quote=False))
        for position, part in enumerate(parts)
    )
