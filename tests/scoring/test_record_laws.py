"""Rows that kapbench computes keep every law, and a row that is changed breaks one that names it."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import MAP_RULES, drawn, pair, peaks, records, with_extents

from kapbench.scoring.record_laws import broken_laws
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import Needs

NEEDS = Needs.of(MAP_RULES)
DECODES = [decode.key for decode in NEEDS.decodes]
# A group of three of which two are twins, one of two without twins, and a keypoint alone.
SIX = {"n_keypoints": 6, "groups": (0, 0, 0, 1, 1, -1), "twins": (1, 0, 2, 3, 4, 5)}
GEOMETRIES = [geometry.key for geometry, _ in NEEDS.geometries]


@examples(40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 9),
    st.integers(4, 7),
    st.sampled_from([1, 2, 4, 1000]),
)
def test_rows_of_random_maps_keep_every_law(seed, n_pairs, cells, n_scores):
    cases = drawn(seed, n_pairs, cells=cells, n_scores=n_scores, n_images=3)
    varied, masks = with_extents(drawn(seed, n_pairs, **SIX, cells=cells, n_images=3), seed)
    for rows in (records(cases), records(varied, masks=masks)):
        if not len(rows):
            continue
        assert list(broken_laws(rows.sample(frac=1, random_state=seed % 1000), NEEDS)) == []


@pytest.mark.parametrize("factor", [1e-40, 1.0, 3e37])
def test_the_scale_of_scores_is_irrelevant(factor):
    cases = [(p, maps * np.float32(factor)) for p, maps in drawn(5, 6)]
    assert list(broken_laws(records(cases), NEEDS)) == []


def changed(column: str, row: Callable[[pd.DataFrame], np.ndarray], value: object) -> object:
    """One value of a column, in the first row that a condition chooses."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        chosen = np.flatnonzero(row(rows))
        assert len(chosen), f"no row to change {column} in"
        values = rows[column].to_numpy().copy()
        values[chosen[0]] = value(values[chosen[0]]) if callable(value) else value
        return rows.assign(**{column: values})

    return pytest.param(column, change, id=f"{column}, {getattr(value, '__name__', value)}")


def every(rows: pd.DataFrame) -> np.ndarray:
    return np.ones(len(rows), bool)


def visible(rows: pd.DataFrame) -> np.ndarray:
    return rows["target_visible"].to_numpy()


def absent(rows: pd.DataFrame) -> np.ndarray:
    return ~visible(rows)


def repeated(side: str) -> Callable[[pd.DataFrame], np.ndarray]:
    """Rows whose image and keypoint occur in other pairs too."""
    key = [f"{side}_image", "keypoint"]
    return lambda rows: visible(rows) & rows.duplicated(key, keep=False).to_numpy()


def of_large_pairs(rows: pd.DataFrame) -> np.ndarray:
    return (rows.groupby("pair_id", observed=True)["keypoint"].transform("size") > 1).to_numpy()


def twin_shown(rows: pd.DataFrame) -> np.ndarray:
    """The target shows the counterpart, and some row has its position."""
    shown = {
        (image, keypoint)
        for image, keypoint, seen in zip(
            rows["target_image"], rows["keypoint"], rows["target_visible"], strict=True
        )
        if seen
    }
    twins = zip(rows["target_image"], rows["twin"], strict=True)
    return np.array([key in shown for key in twins]) & rows["twin_visible"].to_numpy()


def best_is(side: str, geometry: str) -> Callable[[pd.DataFrame], np.ndarray]:
    other = {"inside": "outside", "outside": "inside"}[side]

    def rows_of(rows: pd.DataFrame) -> np.ndarray:
        best = rows[f"best@{geometry}"] == rows[f"{side}@{geometry}@0.10"]
        return (best & (rows[f"{other}@{geometry}@0.10"] < rows[f"best@{geometry}"])).to_numpy()

    return rows_of


def half(value: float) -> float:
    return value / 2


def negative(value: float) -> float:
    return -value


def a_little_more(value: float) -> float:
    return value + 0.1


def one_more(value: float) -> float:
    return value + 1


def other_truth(value: bool) -> bool:
    return not value


def group_known(key: str) -> Callable[[pd.DataFrame], np.ndarray]:
    """The target shows another member, and rows have the positions of all that it shows."""
    of_group = ["target_image", "group"]

    def rows_of(rows: pd.DataFrame) -> np.ndarray:
        known = rows[visible(rows)].drop_duplicates(["target_image", "keypoint"])
        n_known = known.groupby(of_group, observed=True).size()
        n = n_known.reindex(pd.MultiIndex.from_frame(rows[of_group]), fill_value=0).to_numpy()
        complete = n == rows["group_visible"].to_numpy()
        return complete & rows[f"group_error_px@{key}"].notna().to_numpy()

    return rows_of


def of_extent(kind: int) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda rows: (rows["extent"] == kind).to_numpy()


ANNOTATION = [
    changed("extent", every, 3),
    changed("extent", repeated("target"), lambda kind: (kind + 1) % 3),
    changed("keypoint", every, -1),
    changed("twin", every, -5),
    changed("group", every, -2),
    changed("target_visible", visible, other_truth),
    changed("target_visible", absent, other_truth),
    changed("twin_visible", twin_shown, other_truth),
    changed("twin_visible", lambda rows: (rows["twin"] == rows["keypoint"]).to_numpy(), True),
    changed("group_visible", lambda rows: (rows["group"] < 0).to_numpy(), 1),
    changed("group_visible", lambda rows: visible(rows) & (rows["group"] >= 0).to_numpy(), 0),
    changed("group_visible_renumbered", repeated("target"), one_more),
    changed("source_x", repeated("source"), a_little_more),
    changed("source_y", every, np.nan),
    changed("target_x", visible, a_little_more),
    changed("target_x", visible, np.nan),
    changed("target_y", absent, 7.0),
    changed("target_y", repeated("target"), a_little_more),
    changed("size_px", every, 0.0),
    changed("size_px", every, np.nan),
    changed("size_px", of_large_pairs, one_more),
    changed("viewpoint_change", every, 5),
    changed("viewpoint_change", of_large_pairs, one_more),
    changed("truncation", every, 4),
    changed("occlusion", of_large_pairs, 3),
]
# Rules that cut keypoints to whole pixels or stretch the image: records have neither the image's size
# nor its box, so that distances follow from them only roughly, or only from each other.
ROUGH = {
    f"{column}@{decode.key}"
    for decode in NEEDS.decodes
    if decode.keypoints == "truncated" or decode.frame == "stretched"
    for column in ("x", "nearest", "twin_error_px", "other_error_px", "group_error_px")
}


def is_rough(case) -> bool:
    column, _ = case.values
    small = {f"{column}, {name}" for name in ("a_little_more", "half", "one_more")}
    return column in ROUGH and case.id in small


PREDICTION = [
    case
    for key in DECODES
    for case in (
        changed(f"x@{key}", visible, a_little_more),
        changed(f"y@{key}", every, np.nan),
        changed(f"error_px@{key}", visible, half),
        changed(f"error_px@{key}", visible, negative),
        changed(f"error_px@{key}", visible, np.nan),
        changed(f"error_px@{key}", absent, 0.0),
        changed(f"twin_error_px@{key}", twin_shown, half),
        changed(f"twin_error_px@{key}", twin_shown, negative),
        changed(f"twin_error_px@{key}", lambda rows: ~rows["twin_visible"].to_numpy(), 1.0),
        changed(f"nearest@{key}", every, 99),
        changed(f"nearest@{key}", visible, -1),
        changed(f"other_error_px@{key}", twin_shown, one_more),
        changed(f"other_error_px@{key}", twin_shown, negative),
        changed(f"other_error_px@{key}", twin_shown, np.nan),
        changed(f"group_error_px@{key}", group_known(key), half),
        changed(f"group_error_px@{key}", group_known(key), one_more),
        changed(f"group_error_px@{key}", group_known(key), np.nan),
        changed(f"group_error_px@{key}", lambda rows: (rows["group"] < 0).to_numpy(), 1.0),
        changed(f"on_object@{key}", of_extent(0), 0),
        changed(f"on_object@{key}", of_extent(1), -1),
        changed(f"on_object@{key}", of_extent(1), 2),
        changed(f"on_object@{key}", of_extent(2), -1),
    )
    if not is_rough(case)
]
IDENTITY = [
    changed("identity", lambda rows: rows["identity"].notna().to_numpy(), value)
    for value in (np.nan, 0.7, 0.01, -1.0, 2.0)
] + [changed("identity", lambda rows: rows["identity"].isna().to_numpy(), 1.0)]
CONFIDENCE = [
    case
    for key in GEOMETRIES
    for case in (
        changed(f"best@{key}", every, 900.0),
        changed(f"best@{key}", every, np.nan),
        changed(f"map_min@{key}", of_large_pairs, -1.0),
        changed(f"map_min@{key}", every, 900.0),
        changed(f"map_max@{key}", every, 900.0),
        changed(f"map_max@{key}", every, np.inf),
        changed(f"inside@{key}@0.10", visible, 900.0),
        changed(f"inside@{key}@0.10", best_is("inside", key), -1.0),
        changed(f"inside@{key}@0.10", visible, np.inf),
        changed(f"outside@{key}@0.10", every, 900.0),
        changed(f"outside@{key}@0.10", visible, np.nan),
        changed(f"outside@{key}@0.05", best_is("outside", key), half),
        changed(f"outside@{key}@0.10", visible, -np.inf),
    )
]


@pytest.fixture(scope="module")
def rows():
    cases, masks = with_extents(drawn(2, 60, **SIX, n_scores=100), 1)
    return records(cases, masks=masks)


@pytest.mark.parametrize(("column", "change"), [*ANNOTATION, *PREDICTION, *IDENTITY, *CONFIDENCE])
def test_a_changed_value_is_noticed(rows, column, change):
    broken = list(broken_laws(change(rows), NEEDS))
    assert any(column in sentence for sentence in broken), broken


def test_records_of_earlier_versions_without_identity_keep_every_law(rows):
    assert list(broken_laws(rows.drop(columns="identity"), NEEDS)) == []


def test_a_nearest_keypoint_that_is_not_the_nearest_is_noticed():
    case = (
        pair([(1, 1), (2, 2), (3, 3)], [(105, 105), (500, 500), (700, 100)]),
        peaks({0: 1}).repeat(3, 0),
    )
    rows = records([case])
    assert set(rows["nearest@v1"]) == {0}
    assert list(broken_laws(rows.assign(**{"nearest@v1": 0}), NEEDS)) == []
    (sentence,) = broken_laws(rows.assign(**{"nearest@v1": [0, 0, 2]}), NEEDS)
    assert sentence == (
        "nearest@v1 is not the keypoint nearest to the predicted point in 1 row; the first is "
        "keypoint 2 of pair pair."
    )


@pytest.mark.parametrize("column", ["category", "source_image", "target_image"])
def test_a_pair_of_several_images_or_categories_is_noticed(rows, column):
    texts = rows[column].astype(str).to_numpy().copy()
    chosen = int(of_large_pairs(rows).argmax())
    texts[chosen] = next(text for text in texts if text != texts[chosen])
    broken = list(broken_laws(rows.assign(**{column: pd.Categorical(texts)}), NEEDS))
    assert any(sentence.startswith(f"{column} differs within a pair") for sentence in broken)


def test_a_row_that_occurs_twice_is_noticed(rows):
    twice = pd.concat([rows, rows.iloc[[3]]], ignore_index=True)
    assert "A pair has the same keypoint twice" in next(iter(broken_laws(twice, NEEDS)))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_larger_circle_that_holds_less_is_noticed(rows, geometry):
    swapped = rows.rename(
        columns={
            f"inside@{geometry}@0.10": f"inside@{geometry}@0.01",
            f"inside@{geometry}@0.01": f"inside@{geometry}@0.10",
        }
    )
    broken = list(broken_laws(swapped, NEEDS))
    assert any(f"inside@{geometry}@0.05 is below" in s for s in broken)


def test_geometries_of_other_maps_are_noticed(rows):
    columns = [c for c in rows if "@v1" in c and c.split("@")[0] in ("best", "map_min", "map_max")]
    stems = ("best", "map_min", "map_max", "inside", "outside")
    doubled = rows.assign(**{c: rows[c] * 2 for c in rows if c.startswith(stems) and "@v1" in c})
    assert any(f"and {columns[0]} differ" in s for s in broken_laws(doubled, NEEDS))


def test_no_row_breaks_no_law():
    rules = [rule for rule in MAP_RULES if isinstance(rule, KapRule)]
    empty = records([(pair([(1, 1)], [(2, 2)]), peaks({0: 1}))], rules).iloc[:0]
    assert list(broken_laws(empty, Needs.of(rules))) == []


@pytest.mark.slow
def test_a_table_of_the_size_of_spair_takes_less_than_seconds():
    rows = records(drawn(0, 200, n_scores=100))
    many = pd.concat([rows] * (86_000 // len(rows)), ignore_index=True)
    copy = np.repeat(np.arange(len(many) // len(rows)), len(rows))
    names = many["pair_id"].astype(str) + copy.astype(str)
    many = many.assign(pair_id=names.astype("category"))
    started = time.process_time()
    assert list(broken_laws(many, NEEDS)) == []
    assert time.process_time() - started < 10.0  # 0.4 s on one core that has nothing else to do
