"""Diagnoses to a page."""

from collections.abc import Sequence

from kapbench_leaderboard.diagnosis import one_run, several_runs
from kapbench_leaderboard.diagnosis.load import Named
from kapbench_leaderboard.diagnosis.page import Page


def page_of(named: Sequence[Named]) -> Page:
    """Of one run, or of comparable runs, the first of which is the baseline."""
    if len(named) == 1:
        return one_run.page(named[0].diagnosis, named[0].label)
    return several_runs.page([n.diagnosis for n in named], [n.label for n in named])
