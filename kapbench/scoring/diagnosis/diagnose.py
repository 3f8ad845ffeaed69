"""The whole diagnosis of a records table: numbers per category that can be averaged and subtracted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from kapbench.errors import KapbenchError
from kapbench.scoring.bootstrap import Resampling, replicates
from kapbench.scoring.diagnosis.kap_losses import KapLosses, kap_losses
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.places import Places, place_shares, places
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.metrics import kap
from kapbench.scoring.rules import Decode, KapRule, PckRule
from kapbench.scoring.schema import DecodeColumn, Records
from kapbench.scoring.splits import TWIN_SPLIT, select


@dataclass(frozen=True)
class Diagnosis:
    """Of g groups: the categories of a run, or its keypoints as (category, keypoint id).

    `kap`: None where KAP is not defined; `weights` [g]: what each group weighs in its average over
    categories; None: no average is taken of keypoints. `gains`, `shares`: by names of `TYPES`, empty
    without KAP. `places`: shares by names of `PLACES`, empty of keypoints. `missing`: columns that an
    earlier version of kapbench did not write.
    """

    groups: Sequence[tuple[str, int | None]]
    kap: KapLosses | None
    weights: Float64[np.ndarray, "g"] | None
    gains: Mapping[str, Quantity]
    shares: Mapping[str, Quantity]
    places: Mapping[str, Quantity]
    missing: tuple[DecodeColumn, ...]


def diagnose(
    records: Records,
    kap_rule: KapRule | None,
    pck_rule: PckRule,
    decode: Decode,
    alpha: float,
    resampling: Resampling,
    *,
    split: str = "all",
    by_keypoint: bool = False,
) -> Diagnosis:
    """Where matches lie by a rule of PCK, and what each type of error costs by a rule of KAP.

    Args:
        decode: As `pck_rule` decodes the maps of the run's model.

    Raises:
        KapbenchError: no such split, or the one that weighs samples instead of choosing rows.
    """
    if split == TWIN_SPLIT:
        raise KapbenchError(
            f"The split {split} weighs the two kinds of samples, and its losses do not add up",
            fix="Choose another split: the type 'absent, counterpart visible' has what it costs",
        )
    rows = select(records, split)
    at = places(records, pck_rule, decode, alpha)
    group, groups = _groups(records, rows, by_keypoint=by_keypoint)
    losses, weights, gains, shares = None, None, {}, {}
    if kap_rule is not None:
        losses = _kap_losses(records, kap_rule, pck_rule, decode, alpha, group, groups)
        if not by_keypoint:
            average, over = kap_rule.headline
            weights = kap(records, kap_rule, alpha, average, rows).by_category().weights(over)
        gains, shares = (
            {name: Quantity(made, weights) for name, made in zip(TYPES, of_kind, strict=True)}
            for of_kind in losses.replicates(resampling)
        )
    of_places = {} if by_keypoint else _places(records, pck_rule, at, rows, resampling)
    return Diagnosis(groups, losses, weights, gains, shares, of_places, at.missing)


def _places(
    records: Records, rule: PckRule, at: Places, rows: Bool[np.ndarray, "n"], resampling: Resampling
) -> dict[str, Quantity]:
    average, over = rule.headline
    return {
        name: Quantity(
            replicates(share, resampling), share.by_category().weights(over), scale="logit"
        )
        for name, share in place_shares(records, rule, at, average, rows).items()
    }


def _groups(
    records: Records, rows: Bool[np.ndarray, "n"], *, by_keypoint: bool
) -> tuple[Int[np.ndarray, "n"], list[tuple[str, int | None]]]:
    """Group of each row, −1 where it is not diagnosed, and the groups' names."""
    category = records["category"].cat
    codes, names = category.codes.to_numpy().astype(np.int64), list(category.categories)
    if not by_keypoint:
        return np.where(rows, codes, -1), [(name, None) for name in names]
    keypoint = records["keypoint"].to_numpy(np.int64)
    both = np.stack([codes, keypoint], axis=1)
    distinct, place = np.unique(both[rows], axis=0, return_inverse=True)
    group = np.full(len(rows), -1)
    group[rows] = place.ravel()
    return group, [(names[c], int(k)) for c, k in distinct]


def _kap_losses(
    records: Records,
    kap_rule: KapRule,
    pck_rule: PckRule,
    decode: Decode,
    alpha: float,
    group: Int[np.ndarray, "n"],
    groups: Sequence[tuple[str, int | None]],
) -> KapLosses:
    samples = typed_samples(records, kap_rule, pck_rule, decode, alpha)
    pair = records["pair_id"].cat.codes.to_numpy().astype(np.int64)
    names = list(records["category"].cat.categories)
    category = np.array([names.index(name) for name, _ in groups], np.int64)
    pooled = kap_rule.headline[0] == "category"
    return kap_losses(samples, group, category, pair, pooled=pooled)
