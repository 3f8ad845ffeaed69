"""Scores, intervals and resamples of a submission, computed again from its records."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from kapbench.errors import KapbenchError, counted
from kapbench.running.results import RunCard, reads_annotation
from kapbench.scoring.bootstrap import Replicates, Resampling
from kapbench.scoring.estimators import Estimator
from kapbench.scoring.input_remarks import remarks_on_inputs
from kapbench.scoring.map_remarks import remarks_on_maps
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import ABSENCE_AUROC, Score, ScoreRequest, score_table
from kapbench_leaderboard.comparison import resamples, resamples_file

EXACT, RESAMPLED = 1e-9, 1e-5  # replicates are float32, added up in another order elsewhere
MOST = 10
# As of `resamples.Made`.
Replicated = dict[resamples.Place, tuple[Estimator, Replicates]]
Key = tuple[str, str, str, float, str, str]


def wrong_scores(
    run: RunCard,
    records: pd.DataFrame,
    known: Replicated,
    advance: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """Every score that differs from that of the records; the first ten in detail.

    Args:
        known: Gets what `wrong_resamples` needs of this work.
    """

    def keep(request: ScoreRequest, estimate: Estimator, resampled: Replicates) -> None:
        rule, metric = request.rule, request.metric
        if metric in (rule.metric, ABSENCE_AUROC):
            place = rule.name, metric, request.alpha, request.average, request.split
            known[place] = estimate, resampled

    try:
        again = score_table(
            records,
            [run.rule(card.name) for card in run.rules],
            supervised=run.model.supervised,
            window=run.model.window,
            resampling=None if reads_annotation(run.model) else Resampling.of(records),
            advance=advance,
            keep=keep,
            scoring=run.provenance.scoring,
        )
    except (KeyError, ValueError, TypeError) as error:
        yield f"The records lack columns that the rules need: {error}."
        return
    expected = {_key(score): score for score in again}
    stored = {_key(row): row for row in run.scores}
    if len(stored) < len(run.scores):
        yield f"The run card lists {counted(len(run.scores) - len(stored), 'score')} twice."
    findings = [f"{_name(key)} is missing." for key in expected.keys() - stored.keys()]
    findings += [
        f"{_name(key)} is not a score of these rules." for key in stored.keys() - expected.keys()
    ]
    for key, row in stored.items():
        if key in expected:
            findings += _different(row, expected[key], key)
    yield from findings[:MOST]
    if len(findings) > MOST:
        yield f"And {counted(len(findings) - MOST, 'more score')}."


def wrong_remarks(run: RunCard, records: pd.DataFrame) -> Iterator[str]:
    """Remarks on the model's maps that are not those that the records and the model's options give."""
    rules = [run.rule(card.name) for card in run.rules]
    needs = Needs.of(rules, run.model.supervised, run.model.window)
    remarks = (*remarks_on_maps(records, needs), *remarks_on_inputs(rules, run.model))
    if remarks != run.remarks:
        expected = "; ".join(remarks) or "none"
        yield f"The remarks on the similarity maps are not those of the records: {expected}."


def wrong_resamples(
    run: RunCard, records: pd.DataFrame, path: Path, known: resamples.Made
) -> Iterator[str]:
    """Every array that differs from that of the records.

    Args:
        known: As `wrong_scores` filled it.
    """
    try:
        stored, again = resamples_file.load(path), resamples.make(records, run, known=known)
    except KapbenchError as error:
        yield str(error)
        return
    if stored.key != again.key or stored.categories != again.categories:
        yield f"{path.name} holds the resamples of another run."
        return
    if set(stored.columns) != set(again.columns):
        yield f"{path.name} holds the resamples of other columns."
        return
    for name in again.columns:
        of_entry = resamples_file.parts(stored, name)
        for part, computed in resamples_file.parts(again, name).items():
            within = RESAMPLED if part in ("products", "sums") else EXACT
            if of_entry[part].shape != computed.shape or not np.allclose(
                of_entry[part], computed, rtol=0, atol=within, equal_nan=True
            ):
                yield f"{path.name}: {name}/{part} differs from that of the records."


def _key(row: Score) -> Key:
    return row.rule, row.metric, row.average, row.alpha, row.split, row.category


def _name(key: Key) -> str:
    rule, metric, average, alpha, split, category = key
    return f"{rule} {metric}@{alpha:g} per {average}, {split}, {category}"


def _different(row: Score, score: Score, key: Key) -> Iterator[str]:
    if row.n != score.n:
        yield f"{_name(key)}: n is {row.n:,}, but the records have {score.n:,}."
    if not _near(row.value, score.value, EXACT):
        yield f"{_name(key)}: {_stated('score', row.value, score.value, 10)}."
    for side in ("low", "high"):
        stored, computed = getattr(row, side), getattr(score, side)
        if not _near(stored, computed, RESAMPLED):
            yield f"{_name(key)}: {_stated(f'{side} end of the interval', stored, computed, 6)}."


def _stated(what: str, stored: float | None, computed: float | None, digits: int) -> str:
    return f"the {what} is {_text(stored, digits)}, but the records give {_text(computed, digits)}"


def _near(stored: float | None, again: float | None, within: float) -> bool:
    if stored is None or again is None:
        return stored is again
    return abs(stored - again) <= within


def _text(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:.{digits}f}"
