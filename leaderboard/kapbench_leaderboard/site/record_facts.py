"""What pages show of an entry's records, which are read once: curves, worst pairs, losses, keypoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kapbench.running.diagnosis.diagnose_run import diagnosed_rules
from kapbench.running.diagnosis.sentence import FEWEST_IMAGES
from kapbench.running.records_file import StoredRecords
from kapbench.running.results import RunCard
from kapbench.scoring.diagnosis.kap_losses import kap_losses
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.metrics import kap, pck_correct
from kapbench.scoring.rules import Decode, KapRule, PckRule
from kapbench.scoring.schema import GROUP_ERROR_PX, ON_OBJECT, OTHER_ERROR_PX, TWIN_ERROR_PX
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.curves import Curve, WorstPair, curves, worst_pairs
from kapbench_leaderboard.comparison.later_scores import lacks_later_scores, with_later_scores
from kapbench_leaderboard.comparison.split_scores import SplitScores, split_scores
from kapbench_leaderboard.entries.schema import records_path
from kapbench_leaderboard.entries.untrusted_files import (
    curve_columns,
    read_checked,
    refuse_large_records,
)
from kapbench_leaderboard.site.boards import Accepted
from kapbench_leaderboard.site.forked import MANY, forked

_OF_DECODE = (TWIN_ERROR_PX, GROUP_ERROR_PX, OTHER_ERROR_PX, ON_OBJECT)


@dataclass(frozen=True, slots=True)
class KeypointScore:
    """`correct`: share of the n target images that show the keypoint, 0–1."""

    n: int
    correct: float


@dataclass(frozen=True)
class RecordFacts:
    """Of one entry. `losses`: Shapley shares by type, which add up to 1 − KAP; empty where KAP is not
    defined, or where the records lack the columns. `keypoints`: by category and keypoint id.
    `parts`: of a model with enough images for intervals; None of others. `later_scores`: those
    of parts and of GECO's splits that the entry of an earlier version does not store.
    """

    curves: Sequence[Curve]
    worst: Sequence[WorstPair]
    losses: Mapping[str, float]
    keypoints: Mapping[tuple[str, int], KeypointScore]
    parts: SplitScores | None = None
    later_scores: Sequence[Score] = ()


NO_RECORDS = RecordFacts((), (), {}, {})


def record_facts(entries: Sequence[Accepted]) -> dict[str, RecordFacts]:
    """By the run's plan, of the entries whose records lie beside them.

    Raises:
        KapbenchError: as of `read_records`.
    """
    present = [entry for entry in entries if records_path(entry.path).exists()]
    refuse_large_records(records_path(entry.path) for entry in present)
    every = forked(lambda i: _facts(present[i]), len(present), is_large=len(present) >= MANY)
    return {a.run.plan_hash: facts for a, facts in zip(present, every, strict=True)}


def _facts(accepted: Accepted) -> RecordFacts:
    run = accepted.run
    if not lacks_later_scores(run):
        return _facts_of_rows(accepted)
    records = StoredRecords(records_path(accepted.path), run.dataset.categories)
    added = with_later_scores(run, records).scores[len(run.scores) :]
    return replace(_facts_of_rows(accepted), later_scores=added)


def entries_with_later_scores(
    entries: Sequence[Accepted], facts: Mapping[str, RecordFacts]
) -> list[Accepted]:
    """The entries with the scores of later versions that their records gave.

    Args:
        facts: By the run's plan.
    """
    made = []
    for accepted in entries:
        run = accepted.run
        added = facts.get(run.plan_hash, NO_RECORDS).later_scores
        card = RunCard(**dict(run) | {"scores": (*run.scores, *added)}) if added else run
        made.append(replace(accepted, entry=accepted.entry.model_copy(update={"run": card})))
    return made


def _facts_of_rows(accepted: Accepted) -> RecordFacts:
    run, path = accepted.run, records_path(accepted.path)
    needed = curve_columns(run)
    if not any(rule.metric == "pck" for rule in run.rules):
        return RecordFacts(curves(read_checked(path, run, needed), run), (), {}, {})
    kap_rule, pck_rule = diagnosed_rules(run)
    if _is_tested(accepted):
        records = read_checked(path, run)
        parts = split_scores(records, run, accepted.resamples)
        losses = {name: share.mean().value for name, share in parts.losses.items()}
        of_keypoints = _keypoints(records, pck_rule, run.decode(pck_rule))
        return RecordFacts(
            curves(records, run), worst_pairs(records, run), losses, of_keypoints, parts
        )
    of_decode = [column.of(run.decode(pck_rule)) for column in _OF_DECODE]
    records = read_checked(path, run, needed, ["keypoint", "twin_visible", *of_decode])
    return RecordFacts(
        curves(records, run),
        worst_pairs(records, run),
        {} if kap_rule is None else _losses(records, run, kap_rule, pck_rule),
        _keypoints(records, pck_rule, run.decode(pck_rule)),
    )


def _is_tested(accepted: Accepted) -> bool:
    """Whether differences from other models may be significant."""
    columns = accepted.resamples.columns.values()
    enough = all((column.n_images >= FEWEST_IMAGES).all() for column in columns)
    return enough and not is_control(accepted.run)


def _losses(
    records: pd.DataFrame, run: RunCard, kap_rule: KapRule, pck_rule: PckRule
) -> dict[str, float]:
    """Without intervals, which would cost five times as long."""
    decode, alpha = run.decode(pck_rule), kap_rule.alphas[0]
    if not {"twin_visible", TWIN_ERROR_PX.of(decode)} <= {*records.columns}:
        return {}
    samples = typed_samples(records, kap_rule, pck_rule, decode, alpha)
    category, pair = (
        records[name].cat.codes.to_numpy().astype(np.int64) for name in ("category", "pair_id")
    )
    average, over = kap_rule.headline
    numbers = np.arange(len(records["category"].cat.categories))
    made = kap_losses(samples, category, numbers, pair, pooled=average == "category")
    weights = kap(records, kap_rule, alpha, average).by_category().weights(over)
    counted = weights > 0
    shares = (weights[:, None] * made.share)[counted].sum(axis=0)
    return dict(zip(TYPES, shares.tolist(), strict=True)) if counted.any() else {}


def _keypoints(
    records: pd.DataFrame, rule: PckRule, decode: Decode
) -> dict[tuple[str, int], KeypointScore]:
    if "keypoint" not in records.columns:
        return {}
    visible = records["target_visible"].to_numpy(bool)
    correct = pck_correct(records, rule, decode, rule.alphas[0])
    named = records.loc[visible, ["category", "keypoint"]].assign(correct=correct[visible])
    by = named.groupby(["category", "keypoint"], observed=True)["correct"].agg(["size", "mean"])
    return {
        (str(category), int(keypoint)): KeypointScore(int(n), float(share))
        for (category, keypoint), n, share in zip(by.index, by["size"], by["mean"], strict=True)
    }
