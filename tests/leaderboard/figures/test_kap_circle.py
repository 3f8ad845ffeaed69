"""The circle of a KAP picture: its maxima are those that the records hold."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from kapbench.errors import KapbenchError
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.frames import Frame
from kapbench.scoring.grid_geometry import anchors
from kapbench.scoring.rules import KapRule, load_rule, rule_names
from kapbench.scoring.schema import Needs
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View
from kapbench_leaderboard.figures.kap_circle import check, find_circle, largest_gap

RULES = [r for r in map(load_rule, rule_names()) if isinstance(r, KapRule)]
SIZE = (90, 60)
N = 4


def view(name: str, seed: int, visible: np.ndarray) -> View:
    xy = np.random.default_rng(seed).uniform(0, 1, (N, 2)) * SIZE
    xy[~visible] = np.nan
    return View(name, "cat", SIZE, (0.0, 0.0, 90.0, 60.0), Keypoints(xy, visible))


def case(seed: int) -> tuple[Pair, SimilarityMap]:
    """Few distinct scores, so that equal maxima abound; the target hides the last two keypoints."""
    shown = np.ones(N, bool)
    source, target = view("s", seed, shown), view("t", seed + 1, np.arange(N) < 2)
    pair = Pair("p", source, target, 40.0, np.full(N, -1), np.arange(N)[::-1].copy())
    grid = Grid.stretched(SIZE, 6, 9)
    values = np.random.default_rng(seed).integers(0, 6, (N, 6, 9)) / np.float32(5)
    return pair, SimilarityMap(values.astype(np.float32), grid, source.keypoints.xy)


def rows(pair: Pair, maps: SimilarityMap, rule: KapRule):
    return table([pair_columns(pair, maps, Needs.of([rule]))])


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
@examples(25)
@given(seed=st.integers(0, 10_000))
def test_maxima_are_those_of_the_records(rule, seed):
    pair, maps = case(seed)
    records = rows(pair, maps, rule)
    for alpha in rule.alphas:
        for k in range(N):
            found = find_circle(maps, pair, k, rule, alpha)
            assert largest_gap(found, records.iloc[k], rule, alpha) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
@examples(25)
@given(seed=st.integers(0, 10_000))
def test_peaks_lie_on_their_side_of_the_circle(rule, seed):
    pair, maps = case(seed)
    xs, ys = maps.grid.centres()
    for k in range(N):
        found = find_circle(maps, pair, k, rule, 0.1)
        inside = inside_cells(found, maps, pair, k, rule)
        for peak, side in ((found.inside, inside), (found.outside, ~inside)):
            if not side.any():
                assert peak is None
                continue
            assert peak is not None
            column, row = xs.tolist().index(peak.xy[0]), ys.tolist().index(peak.xy[1])
            assert side[row, column]
            assert maps.values[k, row, column] == np.float32(peak.score)
            assert maps.values[k][side].max() == np.float32(peak.score)


def inside_cells(found, maps: SimilarityMap, pair: Pair, k: int, rule: KapRule) -> np.ndarray:
    """Cell by cell: the point that the rule measures lies in the circle, or is the nearest."""
    if found.centre is None:
        return np.zeros(maps.values[k].shape, bool)
    frame = Frame(SIZE, rule.geometry.frame_px)
    visible = pair.target.keypoints.visible[k]
    centre = frame.points(pair.target.keypoints.xy[k]) if visible else np.zeros(2)
    x, y = anchors(rule.geometry, maps.grid, SIZE)
    squared = np.square(x - centre[0])[None, :] + np.square(y - centre[1])[:, None]
    radius = 0.1 * pair.size * frame.scale
    inside = squared <= radius**2 if rule.geometry.closed else squared < radius**2
    if rule.geometry.nearest_inside:
        inside.flat[squared.argmin()] = True
    return np.asarray(inside)


def test_an_absent_keypoint_has_no_circle_where_the_rule_counts_one_negative():
    pair, maps = case(1)
    found = find_circle(maps, pair, 3, load_rule("kap-v1"), 0.1)
    assert found.centre is None
    assert found.inside is None
    assert found.outside is not None
    assert found.outside.score == maps.values[3].max()


def test_another_map_than_the_records_is_refused():
    pair, maps = case(2)
    rule = load_rule("kap-cvpr24")
    records = rows(pair, maps, rule)
    other = SimilarityMap(maps.values + 1, maps.grid, maps.queries)
    found = find_circle(other, pair, 0, rule, 0.1)
    with pytest.raises(KapbenchError, match="other maxima than the run's records") as caught:
        check(found, records.iloc[0], rule, 0.1)
    assert "keypoint 0" in (caught.value.place or "")
