"""The reports of a check, printed; the command's status is 1 where one has a problem."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench_leaderboard.submit.reports import Report


NARROWEST = 80


def terminal_width() -> int:
    """In characters; of a narrow terminal, or of none: 80."""
    return max(NARROWEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else NARROWEST


def print_reports(paths: Sequence[Path], reports: "Iterable[Report]") -> None:
    """Reports on paths. Where no terminal reads them, also an error is reported as a refusal.

    Raises:
        KapbenchError: a path does not exist; at a terminal, any error.
    """
    from kapbench_leaderboard.submit.reports import refusal

    for path in paths:
        if not os.path.lexists(path):
            raise KapbenchError(
                "The path does not exist",
                place=path,
                fix="Give the .json of an entry, or a folder of results",
            )
    try:
        for each in reports:
            print_report(each)
    except KapbenchError as error:
        if sys.stdout.isatty():
            raise
        print_report(refusal("the check", [str(error)]))


def print_report(report: "Report") -> None:
    text = report.text
    if sys.stdout.isatty():  # the fences of Markdown are for the comment on a pull request
        text = "".join(line for line in text.splitlines(True) if line.rstrip() != "```")
    click.echo(text, nl=False)
    if not report.in_order:
        raise SystemExit(1)
