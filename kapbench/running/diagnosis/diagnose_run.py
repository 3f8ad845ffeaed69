"""A run card and its records to a diagnosis: which rules, which alpha, and what is not defined."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import get_args

import numpy as np

from kapbench.errors import KapbenchError, unknown
from kapbench.running.diagnosis.run_diagnosis import By, RunDiagnosis
from kapbench.running.results import RunCard, reads_annotation
from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.diagnosis.diagnose import diagnose
from kapbench.scoring.diagnosis.loss_types import tied_share, typed_samples
from kapbench.scoring.diagnosis.skills import held_precision, measures
from kapbench.scoring.object_extent import BOX, MASK, NOTHING
from kapbench.scoring.rules import PREFERRED_RULES, KapRule, PckRule, Rule
from kapbench.scoring.schema import EXTENT, ON_OBJECT, Records
from kapbench.scoring.splits import TWIN_SPLIT, annotated_splits, select

_EXTENT = {MASK: "mask", BOX: "box", NOTHING: "unknown"}


def diagnose_run(
    card: RunCard,
    records: Records,
    *,
    rules: tuple[str, ...] = (),
    alpha: float | None = None,
    by: str | None = None,
) -> RunDiagnosis:
    """The diagnosis of a finished run.

    Args:
        records: Of the run.
        rules: At most one of KAP and one of PCK, by name or file; else the run's best-known ones.
        alpha: None: the first that both rules have.
        by: category, keypoint or split; None: nothing.

    Raises:
        KapbenchError: the run was not scored by a rule, or by none of PCK; a rule lacks the alpha;
            no such `by`.
    """
    division = _division(by)
    kap, pck = diagnosed_rules(card, rules)
    alpha = _alpha(card, kap, pck, alpha)
    decode, resampling = card.decode(pck), Resampling.of(records)
    if reads_annotation(card.model):  # its numbers estimate nothing: no images, no intervals
        resampling = replace(resampling, n_images=np.zeros_like(resampling.n_images))
    of = partial(diagnose, records, kap, pck, decode, alpha, resampling)
    splits = annotated_splits(records) if by == "split" else ("all",)
    of_split = {
        split: of(split=split)
        for split in splits
        if split == "all" or (split != TWIN_SPLIT and select(records, split).any())
    }
    return RunDiagnosis(
        card,
        kap,
        pck,
        alpha,
        division,
        of_split,
        of(by_keypoint=True) if by == "keypoint" else None,
        measures(records, kap, pck, decode, alpha, resampling),
        math.nan if kap is None else held_precision(records, kap, alpha),
        math.nan if kap is None else tied_share(typed_samples(records, kap, pck, decode, alpha)),
        {} if ON_OBJECT in of_split["all"].missing else _object_from(records),
    )


def _division(by: str | None) -> By | None:
    if by is None:
        return None
    divisions: dict[str, By] = {name: name for name in get_args(By)}
    if by not in divisions:
        raise unknown("division", by, divisions, place="by")
    return divisions[by]


def diagnosed_rules(card: RunCard, names: tuple[str, ...] = ()) -> tuple[KapRule | None, PckRule]:
    """The rules by which `diagnose_run` diagnoses a run; arguments and errors as there."""
    place = f"run of {card.model.name} on {card.dataset.name}"
    named = [card.rule(name) for name in dict.fromkeys(names)]
    for metric in ("kap", "pck"):
        of_metric = [rule.name for rule in named if rule.metric == metric]
        if len(of_metric) > 1:
            raise KapbenchError(
                f"Two rules for {metric.upper()} are named, {of_metric[0]} and {of_metric[1]}",
                place=place,
                fix="Name at most one rule for KAP and one for PCK",
            )
    by_metric = {rule.metric: rule for rule in named}
    kap = by_metric.get("kap") or _best_known(card, "kap")
    pck = by_metric.get("pck") or _best_known(card, "pck")
    if not isinstance(pck, PckRule):
        raise KapbenchError(
            "The run was scored by no rule for PCK, which says where wrong matches lie",
            place=place,
            fix=f"Repeat the run with both: kapbench run --model {card.model.name} --dataset "
            f"{card.dataset.name} --rule kap-cvpr24 --rule pck-sd-dino",
        )
    if isinstance(kap, KapRule) and not any(s.metric == "kap" for s in card.scores):
        kap = None  # no keypoint can be absent, or T is the image: KAP is not defined
    return kap if isinstance(kap, KapRule) else None, pck


def _best_known(card: RunCard, metric: str) -> Rule | None:
    names = [rule.name for rule in card.rules if rule.metric == metric]
    known = [name for name in PREFERRED_RULES[metric] if name in names]
    return card.rule((known or names)[0]) if names else None


def _alpha(card: RunCard, kap: KapRule | None, pck: PckRule, alpha: float | None) -> float:
    rules: list[Rule] = [rule for rule in (kap, pck) if rule is not None]
    shared = [a for a in rules[0].alphas if all(a in rule.alphas for rule in rules)]
    if alpha is None and shared:
        return shared[0]
    if alpha is not None and alpha in shared:
        return alpha
    listed = ", ".join(f"{a:g}" for a in shared)
    names = " and ".join(rule.name for rule in rules)
    lacking = [rule.name for rule in rules if alpha is None or alpha not in rule.alphas]
    thing = f"The rules {names} have no alpha in common"
    if alpha is not None:
        which, has = ("rule", "has") if len(lacking) == 1 else ("rules", "have")
        thing = f"The {which} {' and '.join(lacking)} {has} no alpha {alpha:g}"
    fix = f"Choose an alpha that both rules have: {listed}" if shared else "Name other rules"
    raise KapbenchError(thing, f"run of {card.model.name} on {card.dataset.name}", fix)


def _object_from(records: Records) -> Mapping[str, float]:
    """Share of the visible keypoints' rows by what says where the object is."""
    visible = records[EXTENT.name].to_numpy()[records["target_visible"].to_numpy(bool)]
    return {
        word: float(np.mean(visible == code)) if len(visible) else math.nan
        for code, word in _EXTENT.items()
    }
