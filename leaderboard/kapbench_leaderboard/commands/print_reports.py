"""The reports of a check, printed; the command's status is 1 where one has a problem."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench_leaderboard.submit.reports import Report


def print_reports(reports: "Iterable[Report]") -> None:
    """Also an error is reported as a refusal, because the report is read, not the terminal."""
    from kapbench_leaderboard.submit.reports import refusal

    try:
        for each in reports:
            print_report(each)
    except KapbenchError as error:
        print_report(refusal("the check", [str(error)]))


def print_report(report: "Report") -> None:
    text = report.text
    if sys.stdout.isatty():  # the fences of Markdown are for the comment on a pull request
        text = "".join(line for line in text.splitlines(True) if line.rstrip() != "```")
    click.echo(text, nl=False)
    if not report.in_order:
        raise SystemExit(1)
