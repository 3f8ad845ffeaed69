"""How the diagnoses of two runs differ, on the same resamples, and in one sentence."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.run_diagnosis import Group, RunDiagnosis
from kapbench.running.diagnosis.sentence import SIGNIFICANT, WORDS, listed, points, why_no_interval
from kapbench.scoring.bootstrap import holm
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.diagnosis.skills import CHANCE, MEASURES
from kapbench.scoring.intervals import Interval
from kapbench.scoring.versions import last_change

Kind = Literal["gain", "loss", "place", "skill"]


@dataclass(frozen=True, slots=True)
class Change:
    """One number of two runs: `difference` is the second less the baseline.

    `p`: after Holm's correction over the names of one kind and group. `no_interval`: why the
    difference has none; None: it has one, or there is no difference.
    """

    kind: Kind
    group: Group
    name: str
    baseline: float
    value: float
    difference: Interval
    p: float
    no_interval: str | None


def changes(baseline: RunDiagnosis, other: RunDiagnosis) -> list[Change]:
    """Of every gain, loss, place and skill, in the order of the tables.

    Raises:
        KapbenchError: the runs have other pairs, rules, alpha, or columns of records.
    """
    _refuse_other(baseline, other)
    out: list[Change] = []
    for one, two in zip(baseline.groups(), other.groups(), strict=True):
        if baseline.kap is not None:
            gains = {n: (one.loss("gain", n), two.loss("gain", n)) for n in baseline.types}
            shares = {n: (one.loss("share", n), two.loss("share", n)) for n in baseline.types}
            out += [*_of_kind("gain", one, gains), *_of_kind("loss", one, shares)]
        if one.diagnosis.places:
            names = [n for n in baseline.place_names if n in other.place_names]
            out += _of_kind("place", one, {n: (one.place(n), two.place(n)) for n in names})
    every = baseline.overall
    pairs = {
        measure.key: (baseline.measures[measure.key], other.measures[measure.key])
        for measure in MEASURES
        if measure.key in baseline.measures and measure != CHANCE
    }
    return [*out, *_of_kind("skill", every, pairs)]


def _of_kind(kind: Kind, group: Group, pairs: dict[str, tuple[Quantity, Quantity]]) -> list[Change]:
    number = group.number
    apart = [two - one for one, two in pairs.values()]
    gaps = [gap.of_group(number) for gap in apart]
    reasons = [
        why_no_interval(quantity, number)
        if math.isnan(gap.error) and not math.isnan(gap.value)
        else None
        for quantity, gap in zip(apart, gaps, strict=True)
    ]
    corrected = holm(np.array([math.nan if _is_empty(gap) else gap.p for gap in gaps]))
    return [
        Change(
            kind,
            group,
            name,
            one.of_group(number).value,
            two.of_group(number).value,
            gap,
            float(p),
            reason,
        )
        for (name, (one, two)), gap, p, reason in zip(
            pairs.items(), gaps, corrected, reasons, strict=True
        )
    ]


def _is_empty(gap: Interval) -> bool:
    """Whether the numbers are equal at every resample: of a type that neither run has. No test."""
    return gap.value == 0 and gap.error == 0


def difference_frame(baseline: RunDiagnosis, other: RunDiagnosis) -> pd.DataFrame:
    """As of `RunDiagnosis.minus`."""
    made = pd.DataFrame(
        [
            {
                "kind": change.kind,
                "split": change.group.split,
                "category": change.group.category,
                "keypoint": change.group.keypoint,
                "name": change.name,
                "baseline": change.baseline,
                "value": change.value,
                "difference": change.difference.value,
                "low": change.difference.low,
                "high": change.difference.high,
                "p": math.nan if _is_empty(change.difference) else change.difference.p,
                "p_holm": change.p,
            }
            for change in changes(baseline, other)
        ]
    )
    return made if baseline.by == "keypoint" else made.drop(columns="keypoint")


def change_sentence(names: tuple[str, str], every: list[Change]) -> str:
    """Which losses differ significantly over all keypoints; without KAP, which places do.

    Args:
        names: Of the baseline and of the other run.
    """
    baseline, other = names
    overall = [c for c in every if c.group.number is None and c.group.split == "all"]
    kind = "loss" if any(c.kind == "loss" for c in overall) else "place"
    of_kind = [c for c in overall if c.kind == kind and c.name in WORDS]
    significant = sorted(
        (c for c in of_kind if c.p < SIGNIFICANT), key=lambda c: -abs(c.difference.value)
    )
    if all(_is_empty(c.difference) for c in of_kind):
        return f"{other} loses as much as {baseline} to every type of error."
    reasons = [c.no_interval for c in of_kind if c.no_interval is not None]
    if reasons and all(np.isnan(c.p) for c in of_kind):
        return (
            f"Where {other} loses more or less than {baseline} is not tested, since {reasons[0]}."
        )
    if not significant:
        return f"{other} loses to no type of error significantly more or less than {baseline}."
    less = [c for c in significant if c.difference.value < 0]
    more = [c for c in significant if c.difference.value > 0]
    parts = []
    if less:
        parts.append(f"loses significantly less than {baseline} to {_listed(less)}")
    if more:
        than = "" if less else f" than {baseline}"
        parts.append(f"loses significantly more{than} to {_listed(more)}")
    return f"{other} {', and '.join(parts)}."


def _listed(significant: list[Change]) -> str:
    texts = [
        f"{WORDS[c.name]} ({points(c.value)} points instead of {points(c.baseline)})"
        for c in significant
    ]
    return listed(texts)


def _refuse_other(baseline: RunDiagnosis, other: RunDiagnosis) -> None:
    one, two = _facts(baseline), _facts(other)
    apart = [thing for thing, value in one.items() if value != two[thing]]
    if apart:
        raise KapbenchError(
            f"The two runs differ in their {' and '.join(apart)} and cannot be compared",
            place=f"{baseline.card.model.name} and {other.card.model.name}",
            fix="Diagnose runs of one data set, split and version of scoring, with the same arguments",
        )


def _facts(diagnosis: RunDiagnosis) -> dict[str, object]:
    data = diagnosis.card.dataset
    rules = [r for r in (diagnosis.kap, diagnosis.pck) if r is not None]
    version = diagnosis.card.provenance.scoring
    return {
        "pairs": (data.name, data.revision, data.split, data.pairs_hash),
        "rules": [rule.hash for rule in rules],
        "alpha": diagnosis.alpha,
        "version of scoring": [last_change(rule, version) for rule in rules],
        "division (by)": diagnosis.by,
        "columns of records": [c.name for c in diagnosis.of_split["all"].missing],
    }
