"""docs/other-tools.md: each of kapbench's ticks is a command that exists, with these options."""

import re
import shlex
from pathlib import Path

import click
import pytest

from kapbench.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "other-tools.md"


def commands() -> list[str]:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    distinct = dict.fromkeys(re.findall(r"`(kapbench [^`]+)`", "\n".join(rows)))
    return [command for command in distinct if command != "kapbench run"]  # "every `kapbench run`"


def test_there_is_a_command_for_most_rows():
    assert len(commands()) > 25


@pytest.mark.parametrize("command", commands())
def test_the_command_line_reads_the_command(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("FOLDER", "RUN", "leaderboard/results"):
        (tmp_path / folder).mkdir(parents=True)
    name, *words = shlex.split(command)
    group, context = main, click.Context(main, info_name=name)
    while isinstance(group, click.Group):
        name, sub, words = group.resolve_command(context, words)
        assert sub is not None
        group, context = sub, click.Context(sub, info_name=name, parent=context)
    group.make_context(name, list(words), parent=context.parent)
