"""What the page's script computes is what Python computes: similarity, samples and scores."""

import base64

import numpy as np
import pytest
from explored import N_CHANNELS, NODE, in_script
from sklearn.metrics import average_precision_score

from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.metrics import scores_of_rows
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import Needs
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View
from kapbench_leaderboard.explore.payload import RULES, _frame, _rule
from kapbench_leaderboard.explore.quantise import quantise

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on this machine")
SIZE = (90, 60)
N_KEYPOINTS = 6


def view(name: str, seed: int, visible: np.ndarray) -> View:
    xy = np.random.default_rng(seed).uniform(0, 1, (N_KEYPOINTS, 2)) * SIZE
    xy[~visible] = np.nan
    return View(name, "cat", SIZE, (0.0, 0.0, 90.0, 60.0), Keypoints(xy, visible))


def case(seed: int) -> tuple[Pair, SimilarityMap]:
    """Few distinct scores, so that equal maxima abound; the target hides the last two keypoints.

    The fourth lies between four cells.
    """
    ids = np.arange(N_KEYPOINTS)
    source, target = view("s", seed, ids >= 0), view("t", seed + 1, ids < 4)
    target.keypoints.xy[3] = (30.0, 30.0)
    pair = Pair("p", source, target, 40.0, np.full(N_KEYPOINTS, -1), ids[::-1].copy())
    values = np.random.default_rng(seed).integers(0, 9, (N_KEYPOINTS, 12, 18)) / np.float32(7)
    grid = Grid.stretched(SIZE, 12, 18)
    return pair, SimilarityMap(values.astype(np.float32), grid, source.keypoints.xy)


SAMPLES = """
    cases.map(({ maps, frame, radius }) => {
        const scores = maps.map((map) => Float32Array.from(map));
        const range = extremes(scores);
        return scores.map((map, k) => {
            const sides = sidesOf(map, frame, frame.points[k], radius, rule);
            const samples = samplesOf(sides, range, rule);
            const of = (label) => samples.find((s) => s.label === label)?.score ?? null;
            return [of(1), of(0)];
        });
    })
"""


@pytest.mark.parametrize("name", RULES)
def test_samples_are_those_of_the_records(name):
    rule, alphas = load_rule(name), (0.1, 0.05, 0.01)
    cases, expected = [], []
    for seed in range(20):
        pair, maps = case(seed)
        rows = table([pair_columns(pair, maps, Needs.of([rule]))])
        frame = _frame(rule, maps.grid, pair.target)
        flat = maps.values.reshape(N_KEYPOINTS, -1).tolist()
        for alpha in alphas:
            cases.append({"maps": flat, "frame": frame, "radius": alpha * 40.0 * frame["scale"]})
            expected.append(scores_of_rows(rows, rule, alpha))
    made = np.array(in_script(SAMPLES, cases=cases, rule=_rule(rule)), float)
    np.testing.assert_array_equal(made.astype(np.float32), np.array(expected))


def encoded(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


@pytest.mark.parametrize("similarity", ["dot", "neg_l2"])
def test_similarity_is_that_of_the_bytes(similarity):
    rng = np.random.default_rng(0)
    grids = [Grid.stretched(SIZE, 4, 6), Grid.stretched(SIZE, 5, 3)]
    features = [(3 * rng.normal(size=(g.n_cells, N_CHANNELS)).astype(np.float32), g) for g in grids]
    features[1][0][7] = 0  # a cell that is similar to nothing
    model = quantise(features, similarity, 10**6)
    stored = {
        "similarity": similarity,
        "channels": N_CHANNELS,
        "channelScales": model.channel_scales.tolist(),
        "maps": [
            {"bytes": encoded(m.values), "cellScales": m.cell_scales.tolist()} for m in model.maps
        ],
    }
    expression = """
        (model.maps.forEach((map) => { map.values = new Int8Array(decodeBytes(map.bytes).buffer); }),
        cells.map((cell) => [...similarityMap(model, 0, cell, 1)]))
    """
    cells = [0, 5, 23]
    made = in_script(expression, model=stored, cells=cells)
    expected = model.similarities(0, np.array(cells), 1)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5)


def test_a_point_belongs_to_the_cell_that_holds_it():
    grid = Grid(4, 6, (-10.0, 5.0, 80.0, 65.0))
    points = np.random.default_rng(0).uniform(-30, 120, (200, 2))
    of_grid = {"height": 4, "width": 6, "box": list(grid.box)}
    made = in_script(
        "points.map(([x, y]) => cellAt(grid, x, y))", points=points.tolist(), grid=of_grid
    )
    assert made == grid.cell_of(points).tolist()
    x, y = grid.centres()
    centres = in_script("[...Array(24).keys()].map((n) => centreOf(grid, n))", grid=of_grid)
    expected = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(centres, expected, atol=1e-12)


def test_average_precision_and_recall_move_ties_together():
    rng = np.random.default_rng(0)
    label, score = rng.integers(0, 2, 60), rng.integers(0, 8, 60) / 8
    samples = [{"label": int(a), "score": float(b)} for a, b in zip(label, score, strict=True)]
    made = in_script("averagePrecision(samples)", samples=samples)
    assert made == pytest.approx(average_precision_score(label, score), abs=1e-12)
    at = in_script("precisionAndRecall(samples, 0.5)", samples=samples)
    accepted = score >= 0.5
    assert at["precision"] == label[accepted].mean()
    assert at["recall"] == label[accepted].sum() / label.sum()
    assert in_script("averagePrecision([{ label: 0, score: 1 }])") is None
    assert in_script("precisionAndRecall([], 0)")["precision"] is None
