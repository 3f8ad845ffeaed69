"""Places, types and gains against their definitions, row by row from the annotation."""

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, records, with_extents
from sklearn.metrics import average_precision_score

from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.diagnosis.diagnose import diagnose
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.places import ABSENT, PLACES, places
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.object_extent import Extent
from kapbench.scoring.rules import load_rule
from kapbench.types import Pair

ALPHA, BELOW_ALL = 0.10, -1e6
KAP_RULES = [load_rule(n) for n in ("kap-cvpr24", "kap-v1", "kap-neurips25", "kap-neurips25-fixed")]
PCK_RULES = [load_rule(n) for n in ("pck-sd-dino", "pck-v1")]
quick = examples(4)
seeds = st.integers(0, 2**32 - 1)
OF_PLACE = {
    "correct": "near miss",
    "elsewhere on the object": "elsewhere",
    "background": "elsewhere",
}


def cases_of(seed: int):
    cases = drawn(
        seed,
        30,
        n_keypoints=7,
        groups=(0, 0, 0, 0, -1, -1, -1),
        twins=(1, 0, 2, 3, 5, 4, 6),
        cells=12,
        n_scores=3,
    )
    smaller = [(Pair(*_smaller(made)), maps) for made, maps in cases]
    return with_extents(smaller, seed)


def _smaller(made: Pair):
    """T a little above the image's size, so that matches lie at every place."""
    size_px = max(made.target.size) * 1.51
    return made.pair_id, made.source, made.target, size_px, made.groups, made.twins


def place_of(row: pd.Series, made: Pair, mask, decode) -> str:
    point = np.array([row[f"x@{decode.key}"], row[f"y@{decode.key}"]])
    xy, visible = made.target.keypoints.xy, made.target.keypoints.visible
    itself, twin = row["keypoint"], made.twins[row["keypoint"]]

    def away(ids) -> float:
        return min((np.linalg.norm(xy[i] - point) for i in ids if visible[i]), default=np.inf)

    limit, group = ALPHA * made.size, made.groups[itself]
    every = range(len(xy))
    members = [i for i in every if made.groups[i] == group >= 0 and i not in (itself, twin)]
    if not visible[itself]:
        return "absent"
    if away([itself]) < limit:
        return "correct"
    if twin != itself and away([twin]) < limit:
        return "mirror counterpart"
    if away(members) < limit:
        return "repeated part"
    if away([itself]) < 2 * limit:
        return "near miss"
    if away(i for i in every if i != itself) < limit:
        return "other keypoint"
    on_object = Extent.of(made.target, mask).holds(point[None])[0]
    return {1: "elsewhere on the object", 0: "background", -1: "elsewhere"}[int(on_object)]


@pytest.mark.parametrize("rule", PCK_RULES, ids=lambda rule: rule.name)
@quick
@given(seeds)
def test_a_place_is_the_first_that_fits(rule, seed):
    cases, masks = cases_of(seed)
    rows, by_name = records(cases, [rule], masks), {made.pair_id: made for made, _ in cases}
    codes = places(rows, rule, rule.decode, ALPHA).code
    for code, (_, row) in zip(codes, rows.iterrows(), strict=True):
        made = by_name[row["pair_id"]]
        mask = masks.get(made.target.image_id)
        name = "absent" if code == ABSENT else PLACES[code]
        assert name == place_of(row, made, mask, rule.decode)


def samples_of_rows(rows: pd.DataFrame, rule) -> np.ndarray:
    """The score of each row's positive and negative sample; NaN: there is none."""
    samples = kap_samples(rows, rule, ALPHA)
    out = np.full((len(rows), 2), np.nan)
    out[samples.row, (~samples.label).astype(int)] = samples.score
    return out


def types_of(rows: pd.DataFrame, scores: np.ndarray, where: list[str]) -> list[str]:
    out = []
    for (positive, negative), place, twin in zip(scores, where, rows["twin_visible"], strict=True):
        if place == "absent":
            out.append("absent, counterpart visible" if twin else "absent, other")
        elif positive >= negative:
            out.append("second peak")
        else:
            out.append(OF_PLACE.get(place, place))
    return out


def precision(scores: np.ndarray) -> float:
    label = np.broadcast_to([1, 0], scores.shape)[~np.isnan(scores)]
    known = scores[~np.isnan(scores)]
    return float(average_precision_score(label, known)) if label.any() else np.nan


@pytest.mark.parametrize("rule", KAP_RULES, ids=lambda rule: rule.name)
@quick
@given(seeds)
def test_a_gain_is_the_score_with_the_rows_of_one_type_fixed_less_the_score(rule, seed):
    pck = PCK_RULES[0]
    cases, masks = cases_of(seed)
    rows = records(cases, [rule, pck], masks)
    codes = places(rows, pck, pck.decode, ALPHA).code
    where = ["absent" if code == ABSENT else PLACES[code] for code in codes]
    scores = samples_of_rows(rows, rule)
    types = np.array(types_of(rows, scores, where))
    typed = typed_samples(rows, rule, pck, pck.decode, ALPHA)
    assert [TYPES[number] for number in typed.type] == types.tolist()
    resampling = Resampling.of(rows, n_resamples=2)
    result = diagnose(rows, rule, pck, pck.decode, ALPHA, resampling)
    unit = rows["pair_id" if rule.headline[0] == "pair" else "category"].to_numpy(str)
    visible = rows["target_visible"].to_numpy(bool)
    for name in TYPES:
        fixed = scores.copy()
        chosen = types == name
        fixed[chosen & visible, 0] = scores[chosen & visible].max(axis=1)  # NaN stays NaN
        fixed[chosen, 1] = BELOW_ALL
        for number, (category, _) in enumerate(result.groups):
            of_category = (rows["category"] == category).to_numpy()
            units = [unit == u for u in np.unique(unit[of_category])]
            gains = [precision(fixed[u]) - precision(scores[u]) for u in units]
            expected = np.nanmean(gains) if not np.isnan(gains).all() else np.nan
            value = result.gains[name].replicates.value[number]
            assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)
