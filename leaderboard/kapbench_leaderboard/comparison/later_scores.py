"""Scores of parts and of GECO's splits for runs that do not store them, from the runs' records."""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args

from kapbench.running.results import RunCard, reads_annotation
from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.geco_splits import on_geco_splits
from kapbench.scoring.part_scores import OF_IDENTITY
from kapbench.scoring.rules import PckRule, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import ScoreRequest, part_requests, score_requests, score_table
from kapbench_leaderboard.comparison.groups import selected_rules

Later = Literal["parts", "geco"]
LATER: tuple[Later, ...] = get_args(Later)
_STORED_SINCE = 5  # the version of scoring


def lacks_later_scores(run: RunCard) -> bool:
    """Whether a run is of a version of scoring that did not store these scores."""
    return run.provenance.scoring < _STORED_SINCE


def with_later_scores(
    run: RunCard,
    records: Records,
    rules: Sequence[str] | None = None,
    alpha: float = 0.10,
    kinds: Collection[Later] = LATER,
) -> RunCard:
    """The run card of an earlier version with the scores of these kinds that its records allow.

    Of the rules that are shown alone, by their headline averages and at one alpha. Identity needs
    the model's maps, and records of these versions do not have it; its chance needs none.

    Args:
        rules: Names; None: of the run's, the best-known one of each kind.

    Raises:
        KapbenchError: the run was scored by a rule that is not shipped under its name and hash.
    """
    requests = list(_requests(run, rules, alpha, kinds))
    if not requests:
        return run
    scores = score_table(
        records,
        [],
        supervised=run.model.supervised,
        window=run.model.window,
        resampling=None if reads_annotation(run.model) else Resampling.of(records),
        requests=requests,
    )
    # A copy would keep the scores that this card has looked up by their keys.
    return RunCard(**dict(run) | {"scores": (*run.scores, *scores)})


def _requests(
    run: RunCard, rules: Sequence[str] | None, alpha: float, kinds: Collection[Later]
) -> Iterator[ScoreRequest]:
    for card in selected_rules(run, rules):
        rule = run.rule(card.name)
        for request in _of_kinds(rule, kinds):
            at_alpha = request.alpha == alpha or request.metric in OF_IDENTITY
            if request.average == rule.headline[0] and at_alpha:
                yield request


def _of_kinds(rule: Rule, kinds: Collection[Later]) -> Iterator[ScoreRequest]:
    if isinstance(rule, PckRule) and "parts" in kinds:
        yield from part_requests(rule)
    if "geco" in kinds:
        yield from on_geco_splits(score_requests([rule], scoring=_STORED_SINCE - 1))
