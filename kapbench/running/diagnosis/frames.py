"""A diagnosis as data frames, in long form."""

import math
from typing import Any

import pandas as pd

from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.scoring.diagnosis.skills import HELD, MEASURES
from kapbench.scoring.intervals import Interval

_GROUP = ("split", "category", "keypoint")
_LOSSES = (
    "type",
    "n",
    "keypoints",
    "gain",
    "gain_low",
    "gain_high",
    "loss",
    "loss_low",
    "loss_high",
)
_PLACES = ("split", "category", "place", "share", "low", "high")
_SKILLS = ("key", "skill", "measure", "category", "value", "low", "high", "chance")


def losses(diagnosis: RunDiagnosis) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for group in diagnosis.groups() if diagnosis.kap else ():
        for name in diagnosis.types:
            n, keypoints = group.keypoints(name)
            row = {
                "split": group.split,
                "category": group.category,
                "keypoint": group.keypoint,
                "type": name,
                "n": n,
                "keypoints": keypoints,
            }
            gain, loss = (
                group.loss(kind, name).of_group(group.number) for kind in ("gain", "share")
            )
            rows.append(row | _ends("gain", "gain_", gain) | _ends("loss", "loss_", loss))
    made = pd.DataFrame(rows, columns=[*_GROUP, *_LOSSES])
    return made if diagnosis.by == "keypoint" else made.drop(columns="keypoint")


def places(diagnosis: RunDiagnosis) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for group in diagnosis.groups():
        for name in diagnosis.place_names if group.diagnosis.places else ():
            row = {"split": group.split, "category": group.category, "place": name}
            rows.append(row | _ends("share", "", group.place(name).of_group(group.number)))
    return pd.DataFrame(rows, columns=[*_PLACES])


def skills(diagnosis: RunDiagnosis) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    categories = [name for name, _ in diagnosis.of_split["all"].groups]
    for measure in MEASURES:
        quantity = diagnosis.measures.get(measure.key)
        if quantity is None:
            continue
        about = {
            "key": measure.key,
            "skill": measure.kind,
            "measure": measure.words.strip(),
            "chance": math.nan if measure.chance is None else measure.chance,
        }
        numbers = [*range(len(categories))] if diagnosis.by == "category" else []
        for number in (*numbers, None):
            name = "mean" if number is None else categories[number]
            row = {**about, "category": name}
            rows.append(row | _ends("value", "", quantity.of_group(number)))
    if diagnosis.kap is not None:
        about = {"key": HELD.key, "skill": HELD.kind, "measure": HELD.words, "category": "mean"}
        rows.append(about | {"value": diagnosis.held_precision})
    return pd.DataFrame(rows, columns=[*_SKILLS])


def _ends(name: str, stem: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{stem}low": interval.low, f"{stem}high": interval.high}
