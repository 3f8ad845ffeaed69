"""Distances to other keypoints, and the object below a point: by hand, and against plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import MAP_RULES, SIDE, drawn, pair, peaks, records, with_extents

from kapbench.models.letterbox import Letterbox
from kapbench.scoring.object_extent import Extent
from kapbench.scoring.schema import Needs

NEEDS = Needs.of(MAP_RULES)
GROUPS, TWINS = (0, 0, 0, 0, 1, -1, -1), (1, 0, 2, 3, 4, 6, 5)


def test_by_hand():
    """Predicted at (315, 315), the centre of cell 5: keypoint 0 is 30 px away, 1 its twin 40 px."""
    target = [(315, 345), (355, 315), (315, 215), None, (325, 315), (5, 5)]
    source = [(1, 1), (2, 2), (3, 3), (4, 4), None, (6, 6)]
    groups, twins = (0, 0, 0, 0, 0, -1), (1, 0, 2, 3, 4, 5)
    maps = peaks(*[{5: 1.0}] * 5)
    rows = records([(pair(source, target, groups=groups, twins=twins), maps)])
    assert rows["keypoint"].tolist() == [0, 1, 2, 3, 5]
    to_last = math.hypot(310, 310)
    error = [30, 40, 100, np.nan, to_last]
    np.testing.assert_allclose(rows["error_px@v1"], error)
    # Keypoint 4 is hidden in the source and nearest to the prediction: 10 px.
    np.testing.assert_allclose(rows["other_error_px@v1"], [10] * 5)
    np.testing.assert_allclose(rows["group_error_px@v1"], [10, 10, 10, 10, np.nan])
    no_other = pair(source, [(315, 345), (355, 315), *[None] * 4], groups=groups, twins=twins)
    rows = records([(no_other, maps)])
    np.testing.assert_allclose(rows["other_error_px@v1"], [40, 30, 30, 30, 30])
    np.testing.assert_allclose(rows["group_error_px@v1"], [np.nan, np.nan, 30, 30, np.nan])
    alone = pair(source, [(315, 345), *[None] * 5], groups=groups, twins=twins)
    rows = records([(alone, maps)])
    np.testing.assert_allclose(rows["other_error_px@v1"], [np.nan, 30, 30, 30, 30])
    np.testing.assert_allclose(rows["group_error_px@v1"], [np.nan, np.nan, 30, 30, np.nan])


def with_box(box):
    made = pair([(1, 1)], [(700, 700)])
    return replace(made, target=replace(made.target, bbox=box))


@pytest.mark.parametrize(
    ("box", "extent", "on_object"),
    [
        ((315.0, 100.0, 400.0, 315.0), 1, 1),  # the point is a corner of the box
        ((315.5, 100.0, 400.0, 315.0), 1, 0),
        ((0.0, 0.0, SIDE, SIDE), 0, -1),
        ((-1.0, 0.0, SIDE, SIDE + 9.0), 0, -1),
        ((1.0, 0.0, SIDE, SIDE), 1, 1),
        ((700.0, 700.0, 700.0, 700.0), 0, -1),  # around the keypoints
    ],
)
def test_a_box_says_where_the_object_is_unless_it_is_made_up(box, extent, on_object):
    rows = records([(with_box(box), peaks({5: 1.0}))])
    assert (rows["extent"].tolist(), rows["on_object@v1"].tolist()) == ([extent], [on_object])


@pytest.mark.parametrize(("at", "on_object"), [((315, 315), 1), ((314, 315), 0), ((315, 314), 0)])
def test_a_mask_is_read_at_the_pixel_that_holds_the_point(at, on_object):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[at[1], at[0]] = True
    case = with_box((315.5, 100.0, 400.0, 315.0)), peaks({5: 1.0})
    rows = records([case], masks={"t": mask})
    assert (rows["extent"].tolist(), rows["on_object@v1"].tolist()) == ([2], [on_object])


def test_a_mask_without_a_pixel_says_nothing():
    case = with_box((315.0, 100.0, 400.0, 315.0)), peaks({5: 1.0})
    rows = records([case], masks={"t": np.zeros((SIDE, SIDE), bool)})
    assert (rows["extent"].tolist(), rows["on_object@v1"].tolist()) == ([1], [1])


def test_points_outside_the_image_are_not_on_its_mask():
    view = pair([(1, 1)], [(2, 2)]).target
    extent = Extent.of(view, np.ones((SIDE, SIDE), bool))
    xy = np.array([[0, 0], [-0.01, 5], [5, -0.01], [SIDE, 5], [5, SIDE], [SIDE - 0.01] * 2])
    assert extent.holds(xy).tolist() == [1, 0, 0, 0, 0, 1]


def looped_frame(decode, made, cells):
    """To the frame, by x and y; what annotations are cut by first; frame px per pixel of T."""
    (width, height), long_px = made.target.size, max(made.target.size)
    if decode.frame_px is None:
        return (1.0, 1.0), float, 1.0
    if decode.frame == "letterbox":
        scale = Letterbox(made.target.size, decode.frame_px).scale
        return (scale, scale), float, scale  # its offset moves both points alike
    if decode.frame == "stretched":
        by = decode.frame_px / width, decode.frame_px / height
        x1, y1, x2, y2 = made.target.bbox
        if x2 <= x1 or y2 <= y1 or made.size == long_px:
            return by, float, decode.frame_px / long_px
        return by, float, max((x2 - x1) * by[0], (y2 - y1) * by[1]) / max(x2 - x1, y2 - y1)
    multiples = (
        range(cells, 2 * decode.frame_px, cells) if decode.whole_cells else [decode.frame_px]
    )
    scale = min(multiples, key=lambda side: abs(side - decode.frame_px)) / long_px
    return (scale, scale), int if decode.keypoints == "truncated" else float, scale


def looped(decode, made, mask, keypoint, xy, cells):
    """Group error, other error and on_object of one row."""
    view, (by, cut, per_pixel) = made.target, looped_frame(decode, made, cells)
    predicted = [by[0] * xy[0], by[1] * xy[1]]
    group, other = [], []
    for k, visible in enumerate(view.keypoints.visible):
        if not visible or k == keypoint:
            continue
        annotated = [cut(by[axis] * cut(view.keypoints.xy[k][axis])) for axis in (0, 1)]
        away = math.dist(predicted, annotated) / per_pixel
        other.append(away)
        own = made.groups[keypoint]
        if own >= 0 and made.groups[k] == own and k != made.twins[keypoint]:
            group.append(away)
    return min(group, default=math.nan), min(other, default=math.nan), looped_on(view, mask, xy)


def looped_on(view, mask, xy):
    (x, y), (width, height) = xy, view.size
    if mask is not None:
        return int(0 <= x < width and 0 <= y < height and mask[int(y), int(x)])
    x1, y1, x2, y2 = view.bbox
    if (x1, y1, x2, y2) == (0, 0, width, height):
        return -1
    return int(x1 <= x <= x2 and y1 <= y <= y2)


@examples(12)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([4, 9]))
def test_every_row_is_that_of_plain_loops(seed, n_pairs, cells):
    cases = drawn(seed, n_pairs, n_keypoints=7, groups=GROUPS, twins=TWINS, cells=cells)
    cases, masks = with_extents(cases, seed)
    rows = records(cases, masks=masks)
    pairs = {p.pair_id: p for p, _ in cases}
    for decode in NEEDS.decodes:
        columns = [f"{c}@{decode.key}" for c in ("group_error_px", "other_error_px", "on_object")]
        for _, row in rows.iterrows():
            made, xy = pairs[row["pair_id"]], row[[f"x@{decode.key}", f"y@{decode.key}"]]
            mask = masks.get(row["target_image"])
            expected = looped(decode, made, mask, row["keypoint"], xy.to_numpy(np.float64), cells)
            np.testing.assert_allclose(row[columns].to_numpy(np.float64), expected, atol=2e-3)
