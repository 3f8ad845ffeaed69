"""The rules of OmniProbe and Probe3D against their descriptions, in plain loops over arrays."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kapbench.features.cache import FeatureCache
from kapbench.running.pair_scorers import EncoderScorer
from kapbench.scoring.build_records import table
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import ERROR_PX, Needs, X
from kapbench.scoring.score_table import estimator
from kapbench.types import FeatureMap, Grid, Keypoints, Pair, View

CHANNELS, CELLS = 4, 7
OMNIPROBE, SOCO, AP10K, PROBE3D = (
    load_rule(name)
    for name in ("pck-omniprobe", "pck-omniprobe-soco", "pck-omniprobe-ap10k", "pck-probe3d")
)


def square(size: tuple[int, int], centred: bool, margin: float = 0.0) -> Grid:
    """Cells over the padded square; `margin`: of the network's own padding, a share of the side."""
    long_px = max(size)
    x, y = (((long_px - s) // 2 if centred else 0) for s in size)
    m = margin * long_px
    return Grid(CELLS, CELLS, (-x - m, -y - m, long_px - x + m, long_px - y + m))


def records(folder, pairs, features, rules, grid_of):
    """Rows of pairs by an encoder's features, which are given by image."""
    cache = FeatureCache(folder, "encoder")
    views = {v.image_id: v for p in pairs for v in (p.source, p.target)}
    for image_id, view in views.items():
        cache.write(image_id, FeatureMap(features[image_id], grid_of(view.size)))
    scorer = EncoderScorer(cache, {i: i for i in views}, "dot", Needs.of(rules))
    return table(list(scorer([[pair] for pair in pairs])))


def drawn(seed: int, n_pairs: int = 3):
    """Pairs with fractional and whole keypoints, some absent; features with few distinct values."""
    rng = np.random.default_rng(seed)
    pairs, features = [], {}
    for number in range(n_pairs):
        views = []
        for side in ("source", "target"):
            size = int(rng.integers(20, 90)), int(rng.integers(20, 90))
            n = 3 + number
            xy = rng.uniform(0, size, (n, 2))
            xy[::2] = np.floor(xy[::2])
            visible = rng.random(n) < 0.8
            visible[0] = True
            xy[~visible] = np.nan
            box = (1.0, 2.0, float(rng.integers(10, 20)), float(rng.integers(10, 20)))
            image_id = f"{side}{number}"
            features[image_id] = rng.integers(-2, 3, (CHANNELS, CELLS, CELLS)).astype(np.float32)
            features[image_id][0] += 0.5  # no feature of length 0
            category = "cat" if number < 2 else "dog"
            views.append(View(image_id, category, size, box, Keypoints(xy, visible)))
        x0, y0, x1, y1 = views[1].bbox
        alone = np.full(3 + number, -1)
        pairs.append(Pair(str(number), *views, max(x1 - x0, y1 - y0), alone, np.arange(3 + number)))
    return pairs, features


def place_in_square(xy, size, side, how):
    """A keypoint as a share of the square's side."""
    long_px = max(size)
    if how == "corner":
        return [int(int(v) * side / long_px) / side for v in xy]
    scale = side / long_px
    return [(v * scale + (side - s * scale) / 2) / side for v, s in zip(xy, size, strict=True)]


def sampled(feature_map, share):
    """Bilinear between unit vectors, the outermost cells at 0 and 1."""
    channels, height, width = feature_map.shape
    column, row = share[0] * (width - 1), share[1] * (height - 1)
    left, top = math.floor(column), math.floor(row)
    total = [0.0] * channels
    for r, in_row in ((top, 1 - (row - top)), (top + 1, row - top)):
        for c, in_column in ((left, 1 - (column - left)), (left + 1, column - left)):
            if 0 <= r < height and 0 <= c < width:
                vector = [float(feature_map[k, r, c]) for k in range(channels)]
                length = math.sqrt(sum(v * v for v in vector))
                for k in range(channels):
                    total[k] += in_row * in_column * vector[k] / length
    return total


def scores_of_cells(query, feature_map):
    channels, height, width = feature_map.shape
    scores = {}
    for r in range(height):
        for c in range(width):
            vector = [float(feature_map[k, r, c]) for k in range(channels)]
            length = math.sqrt(sum(v * v for v in vector))
            dot = sum(q * v for q, v in zip(query, vector, strict=True))
            scores[c, r] = dot / length
    return scores


def errors_by_description(pair, features, side, how):
    """Of each mutually visible keypoint, by id: shares of T that each best cell would be off."""
    errors = {}
    source, target = pair.source.keypoints, pair.target.keypoints
    for k in range(len(source.visible)):
        if not (source.visible[k] and target.visible[k]):
            continue
        share = place_in_square(source.xy[k], pair.source.size, side, how)
        query = sampled(features[pair.source.image_id], share)
        scores = scores_of_cells(query, features[pair.target.image_id])
        best = max(scores.values())
        truth = place_in_square(target.xy[k], pair.target.size, side, how)
        size = pair.size / max(pair.target.size)
        errors[k] = [
            math.hypot(c / CELLS - truth[0], r / CELLS - truth[1]) / size
            for (c, r), score in scores.items()
            if score > best - 1e-5  # cells that rounding may exchange
        ]
    return errors


# 798 is the multiple of 7 cells that is nearest to 800.
@pytest.mark.parametrize(
    ("rule", "side", "how", "margin"),
    [
        (OMNIPROBE, 798, "corner", 0.0),
        (SOCO, 798, "corner", 0.0),
        (AP10K, 798, "centre", 0.0),
        (PROBE3D, 800, "corner", 0.0),
        (PROBE3D, 800, "corner", 6 / 800),  # cells that reach beyond the square, read as if not
    ],
    ids=lambda v: getattr(v, "name", str(v)),
)
@pytest.mark.parametrize("seed", [0, 1])
def test_errors_are_those_of_the_description(tmp_path, rule, side, how, margin, seed):
    pairs, features = drawn(seed)
    rows = records(tmp_path, pairs, features, [rule], lambda s: square(s, how == "centre", margin))
    n_rows = 0
    for pair in pairs:
        of_pair = rows[rows["pair_id"] == pair.pair_id].set_index("keypoint")
        for keypoint, expected in errors_by_description(pair, features, side, how).items():
            error = of_pair[ERROR_PX.of(rule.decode)][keypoint] / pair.size
            assert min(abs(error - e) for e in expected) < 1e-9
            n_rows += 1
    assert n_rows == rows["target_visible"].sum() > 5


def at(points, size=(80, 60), box=(0.0, 0.0, 80.0, 30.0)):
    xy = np.array(points, float)
    return View("target", "cat", size, box, Keypoints(xy, np.ones(len(xy), bool)))


def one_pair(target: View, size_px: float) -> Pair:
    n = len(target.keypoints.xy)
    source = View(
        "source", "cat", (80, 60), (0, 0, 80, 60), Keypoints(np.zeros((n, 2)), np.ones(n, bool))
    )
    return Pair("p", source, target, size_px, np.full(n, -1), np.arange(n))


def hits(folder, rule, points, size_px=80.0, size=(80, 60)):
    """Whether each keypoint counts as found if the prediction is the cell (2, 3) of 8 x 8."""
    source = np.ones((1, 8, 8), np.float32)
    target = np.full((1, 8, 8), -1.0, np.float32)
    target[0, 3, 2] = 1.0
    pair = one_pair(at(points, size), size_px)

    def grid(image_size):
        return Grid(8, 8, (0.0, 0.0, float(max(image_size)), float(max(image_size))))

    rows = records(folder, [pair], {"source": source, "target": target}, [rule], grid)
    error = rows[ERROR_PX.of(rule.decode)]
    return (error < 0.1 * size_px).tolist()


@pytest.mark.parametrize("rule", [OMNIPROBE, PROBE3D], ids=lambda r: r.name)
def test_a_keypoint_is_cut_to_whole_pixels_and_the_circle_is_open(tmp_path, rule):
    # Cells of 10 px: the corner of cell (2, 3) is (20, 30), and alpha T is 8 px.
    points = [(28, 30), (28.9, 30), (27.9, 30.9), (12, 30), (20, 38), (20, 37.99)]
    assert hits(tmp_path, rule, points) == [False, False, True, False, False, True]


def test_a_keypoint_is_cut_again_in_the_frame(tmp_path):
    # Of 3200 px, 4 px are one of the frame's 800: 1119 px is 279.75, so 279, so 1116 px.
    # The corner of cell (2, 3) is (800, 1200), and alpha T is 320 px: 1120 is not within it.
    points = [(1119, 1200), (1120, 1200), (1119, 1203)]
    size = (3200, 2400)
    assert hits(tmp_path, OMNIPROBE, points, 3200.0, size) == [True, False, True]


def test_a_half_pixel_of_padding_is_read_as_published(tmp_path):
    # 80 x 61 px: 19 px of padding, 9 above the image; annotations are moved by 9.5.
    source, target = np.ones((1, 8, 8), np.float32), np.full((1, 8, 8), -1.0, np.float32)
    target[0, 3, 2] = 1.0
    pair = one_pair(at([(20, 20.5)], (80, 61)), 80.0)
    grid = Grid(8, 8, (0.0, -9.0, 80.0, 71.0))
    rows = records(tmp_path, [pair], {"source": source, "target": target}, [AP10K], lambda _: grid)
    assert rows[ERROR_PX.of(AP10K.decode)].tolist() == [0.0]


def test_a_centred_letterbox_is_not_read_as_a_corner_square(tmp_path):
    # 80 x 76 px: the letterbox begins 2 px above the image, less than a cell; it stays there.
    source, target = np.ones((1, 8, 8), np.float32), np.full((1, 8, 8), -1.0, np.float32)
    target[0, 3, 2] = 1.0
    pair = one_pair(at([(20, 28)], (80, 76)), 80.0)
    grid = Grid(8, 8, (0.0, -2.0, 80.0, 78.0))
    rows = records(
        tmp_path, [pair], {"source": source, "target": target}, [OMNIPROBE], lambda _: grid
    )
    assert rows[ERROR_PX.of(OMNIPROBE.decode)].tolist() == [0.0]


def test_a_soft_argmax_sees_that_an_interpolated_feature_is_shorter_than_a_unit_vector(tmp_path):
    # Between two unit vectors at right angles: one cell's similarity is 0.5, not 0.71, others are 0.
    rule = load_rule("pck-omniprobe-soft-whole-temperature0.5")
    source, target = np.zeros((2, 8, 8), np.float32), np.ones((2, 8, 8), np.float32)
    source[0, :, :4] = source[1, :, 4:] = 1.0
    target[1] = -1.0
    target[1, 0, 0] = 0.0
    pair = one_pair(at([(40, 30)]), 80.0)
    pair = replace(pair, source=replace(pair.target, image_id="source"))
    features = {"source": source, "target": target}
    grid = Grid(8, 8, (0.0, 0.0, 80.0, 80.0))
    rows = records(tmp_path, [pair], features, [rule], lambda _: grid)
    expected = 10 * 8 * sum(range(8)) / (math.exp(0.5 / 0.5) + 63)  # cells of 10 px
    assert rows[X.of(rule.decode)].item() == pytest.approx(expected, abs=1e-4)


def test_averages_per_point_and_per_pair(tmp_path):
    """cat: pairs of 3 and 4 keypoints; dog: one of 5. Both rules hold both averages."""
    pairs, features = drawn(3)
    rows = records(tmp_path, pairs, features, [OMNIPROBE, SOCO], lambda s: square(s, centred=False))
    seen = rows[rows["target_visible"]]
    right = seen[ERROR_PX.of(OMNIPROBE.decode)] < 2.0 * seen["size_px"]  # alpha 2: about half
    by_pair = right.groupby(seen["pair_id"], observed=True).mean()
    of_point = (
        right[seen["category"] == "cat"].mean() + right[seen["category"] == "dog"].mean()
    ) / 2
    of_pair = ((by_pair["0"] + by_pair["1"]) / 2 + by_pair["2"]) / 2
    assert of_point != of_pair
    for rule, expected in ((OMNIPROBE, of_point), (SOCO, of_pair)):
        average, over = rule.headline
        by = estimator(rows, rule, 2.0, average).by_category()
        assert by.over_categories(over) == pytest.approx(expected)
