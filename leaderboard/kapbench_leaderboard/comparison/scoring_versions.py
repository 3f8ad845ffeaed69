"""By which version of scoring the rules of a run were scored."""

from collections.abc import Iterable

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench.scoring.versions import SCORING_VERSION, last_change


def scoring_of(run: RunCard, rules: Iterable[str]) -> int:
    """The latest version of scoring, up to the run's, that changed one of these rules of the run.

    The scores of two runs by these rules are comparable only where this is the same.
    """
    version = run.provenance.scoring
    return max((_last_change(run, name, version) for name in rules), default=version)


def is_scored_alike(run: RunCard, rule: str) -> bool:
    """Whether this version of kapbench gives the same numbers by a rule of a run."""
    return scoring_of(run, [rule]) == _last_change(run, rule, SCORING_VERSION)


def _last_change(run: RunCard, rule: str, version: int) -> int:
    try:
        return last_change(run.rule(rule), version)
    except KapbenchError:  # the rule's choices are unknown here
        return version
