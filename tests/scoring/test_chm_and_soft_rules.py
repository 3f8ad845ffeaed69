"""CHM's evaluator and the soft-argmaxes against their descriptions, in plain loops over arrays."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kapbench.errors import KapbenchError
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.rules import is_shipped, load_rule
from kapbench.scoring.schema import ERROR_PX, Needs, X, Y
from kapbench.scoring.score_table import estimator
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View

CHM = load_rule("pck-chm")
CELLS = 25  # 24 steps of 10 px of 240
SIZE = (120, 240)


def pair_of(target_xy, box, size_px=None, size=SIZE) -> Pair:
    n = len(target_xy)
    seen = np.ones(n, bool)
    target = View("target", "cat", size, box, Keypoints(np.array(target_xy, float), seen))
    source = View("source", "cat", size, box, Keypoints(np.zeros((n, 2)), seen))
    longer = max(box[2] - box[0], box[3] - box[1])
    return Pair("p", source, target, size_px or longer, np.full(n, -1), np.arange(n))


def rows_of(pair, maps, rule):
    grid = Grid.stretched(pair.target.size, *maps.shape[1:])
    queries = pair.source.keypoints.xy
    return table([pair_columns(pair, SimilarityMap(maps, grid, queries), Needs.of([rule]))])


def peak(n, column, row):
    maps = np.zeros((n, CELLS, CELLS), np.float32)
    maps[:, row, column] = 1.0
    return maps


def found(target_xy, box, **named):
    pair = pair_of(target_xy, box, **named)
    rows = rows_of(pair, peak(len(target_xy), 3, 3), CHM)
    assert estimator(rows, CHM, 0.1, "point").by_category().n.tolist() == [len(target_xy)]
    return (rows[ERROR_PX.of(CHM.decode)] <= 0.1 * rows["size_px"]).tolist()


def test_distances_and_the_box_are_those_of_the_stretched_image_and_the_circle_is_closed():
    # Cell (3, 3) is at (30, 30) of 240 px: (15, 30) of the image. The box of 60 x 60 px becomes
    # 120 x 60, so alpha T is 12 px of the frame: 6 px of the image in x, and 12 in y.
    points = [(21, 30), (21.01, 30), (9, 30), (15, 42), (15, 42.01)]
    assert found(points, (0, 0, 60, 60)) == [True, False, True, True, False]


def test_the_longer_side_is_chosen_after_stretching():
    # 50 x 60 px becomes 100 x 60: T is 100, though 60 is the longer side of the box.
    assert found([(20, 30), (20.01, 30)], (0, 0, 50, 60)) == [True, False]


def test_where_t_is_the_image_it_is_the_frames_side():
    # alpha T is 24 px of the frame: 12 px in x.
    assert found([(27, 30), (27.01, 30)], (0, 0, 50, 60), size_px=240.0) == [True, False]


def test_pairs_are_averaged_first_and_weigh_alike_over_categories():
    """Shares of 1 and 0 of one and three keypoints of cats, and of 1 of one of a dog."""
    right, wrong, parts = (15, 30), (100, 200), []
    for number, (category, points) in enumerate(
        [("cat", [right]), ("cat", [wrong] * 3), ("dog", [right])]
    ):
        pair = pair_of(points, (0, 0, 60, 60))
        source, target = (
            replace(v, category=category, image_id=f"{v.image_id}{number}")
            for v in (pair.source, pair.target)
        )
        pair = replace(pair, pair_id=f"p{number}", source=source, target=target)
        maps = SimilarityMap(
            peak(len(points), 3, 3), Grid.stretched(SIZE, CELLS, CELLS), source.keypoints.xy
        )
        parts.append(pair_columns(pair, maps, Needs.of([CHM])))
    average, over = CHM.headline
    by = estimator(table(parts), CHM, 0.1, average).by_category()
    assert by.values.tolist() == [0.5, 1.0]
    assert by.over_categories(over) == pytest.approx(2 / 3)


# Soft-argmaxes: expected (column, row) of one map, cell by cell.


def expected_cell(values, kind, size, temperature):
    height, width = values.shape
    cells = [(r, c) for r in range(height) for c in range(width)]
    row, column = max(cells, key=lambda cell: values[cell])
    weights = {}
    for r, c in cells:
        value = float(values[r, c])
        near = abs(r - row) <= (size or 0) and abs(c - column) <= (size or 0)
        if kind == "kernel":
            value *= math.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * size**2))
        if kind == "zeros" and not near:
            value = 0.0
        if kind != "window" or near:
            weights[r, c] = math.exp(value / temperature)
    total = sum(weights.values())
    return (
        sum(w * c for (_, c), w in weights.items()) / total,
        sum(w * r for (r, _), w in weights.items()) / total,
    )


@pytest.mark.parametrize(
    ("kind", "size", "temperature"),
    [
        ("window", 1, 0.02),
        ("window", 5, 0.3),  # reaches beyond every border
        ("zeros", 1, 0.3),
        ("kernel", 1.5, 1.0),
        ("kernel", 17, 1.0),
        ("whole", None, 0.02),
    ],
)
def test_a_soft_argmax_is_that_of_its_name(kind, size, temperature):
    rng = np.random.default_rng(5)
    maps = rng.uniform(-1, 1, (4, 5, 6)).astype(np.float32)
    maps[0, 0, 0] = 2.0  # the window is cut at the corner
    suffix = f"-soft-{kind}{'' if size is None else size}-temperature{temperature:g}"
    rule = load_rule(f"pck-v1{suffix}")
    pair = pair_of([(0, 0)] * 4, (0, 0, 60, 60), size=(60, 50))  # cells of 10 x 10 px
    rows = rows_of(pair, maps, rule)
    for number, values in enumerate(maps):
        column, row = expected_cell(values, kind, size, temperature)
        point = (rows[X.of(rule.decode)][number], rows[Y.of(rule.decode)][number])
        assert point == pytest.approx((10 * column + 5, 10 * row + 5), abs=1e-5)


@pytest.mark.parametrize("kind", ["window", "zeros"])
def test_a_window_that_always_covers_the_map_is_refused(kind):
    maps = np.zeros((1, 5, 6), np.float32)
    pair = pair_of([(0, 0)], (0, 0, 60, 60), size=(60, 50))
    with pytest.raises(KapbenchError, match="larger than the map of 6 × 5 cells"):
        rows_of(pair, maps, load_rule(f"pck-v1-soft-{kind}6-temperature0.3"))


def test_zeros_of_the_published_window_is_the_shipped_soft_rule():
    soft, shipped = (
        load_rule(n) for n in ("pck-geoaware-soft-zeros5-temperature0.02", "pck-geoaware-soft")
    )
    same = {"key": "k"}
    assert soft.decode.model_copy(update=same) == shipped.decode.model_copy(update=same)


def test_a_soft_rule_is_a_rule_of_its_own_with_the_choices_of_its_base():
    base, soft = (load_rule(n) for n in ("pck-chm", "pck-chm-soft-kernel17-temperature1"))
    assert (soft.name, soft.alphas, soft.headline) == (
        "pck-chm-soft-kernel17-temperature1",
        base.alphas,
        base.headline,
    )
    assert soft.hash != base.hash
    assert soft.decode.key != base.decode.key
    assert is_shipped(soft.name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pck-v1-soft-window7-temperature0.020", "its numbers are written window7-temperature0.02"),
        ("pck-v1-soft-window7.5-temperature1", "a whole number of cells"),
        ("pck-v1-soft-whole3-temperature1", "and whole none"),
        ("pck-v1-soft-kernel-temperature1", "a kernel a number"),
        ("pck-v1-soft-window7-temperature0", "0 is neither a size nor a temperature"),
        ("pck-dift-soft-window7-temperature1", "decodes no argmax"),
        ("pck-geoaware-soft-soft-window7-temperature1", "decodes no argmax"),
        ("kap-v1-soft-window7-temperature1", "decodes no argmax"),
        ("pck-v2-soft-window7-temperature1", "Unknown rule 'pck-v2'"),
        (
            "pck-v1-soft5",
            "(?s)Unknown rule.*Write it as in pck-sd-dino-soft-window5-temperature0.04",
        ),
        ("pck-sd-dino-soft-window5", "Write it as in pck-sd-dino-soft-window5-temperature0.04"),
        ("own.json-soft-window7-temperature1", "Unknown rule 'own.json'"),
    ],
)
def test_names_that_ask_for_no_soft_argmax_are_refused(name, words):
    with pytest.raises(KapbenchError, match=words):
        load_rule(name)
    assert not is_shipped(name)
