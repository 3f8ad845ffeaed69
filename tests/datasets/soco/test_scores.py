"""Scores on SOCO's layout: by pair group, with absent keypoints, worked out by hand; and the commands."""

import json

import numpy as np
import pytest
import tiny_soco
from command_line import kapbench

import kapbench as library
from kapbench.running.results import find_runs
from kapbench.types import Grid, SimilarityMap

__all__ = ["kapbench"]  # a fixture
SIDE, CELLS = 60, 6
CENTRES = {"part_a": [15.0, 25.0], "part_b": [45.0, 35.0]}


def image(category, *names):
    """60×60 px, a box of 50×40: T is 50, and a circle at alpha 0.1 holds one cell's centre."""
    keypoints = [
        {"id": 1, "name": name, "pos": CENTRES[name], "concept_id": 1, "concept_name": name}
        for name in names
    ]
    return {
        "category": category,
        "image": f"{category}_1.JPEG",
        "imsize": [SIDE, SIDE],
        "bndbox": [5, 5, 55, 45],
        "keypoints": keypoints,
    }


PAIRS = {
    # bus 1 shows part_b, and car 1 does not
    ("vehicle", "bus", "car"): (image("bus", "part_a", "part_b"), image("car", "part_a")),
    ("vehicle", "van", "truck"): (
        image("van", "part_a", "part_b"),
        image("truck", "part_a", "part_b"),
    ),
    ("other", "truck", "bus"): (
        image("truck", "part_a", "part_b"),
        image("bus", "part_a", "part_b"),
    ),
}


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Three cross pairs in two groups, none of which is a category."""
    root = tmp_path_factory.mktemp("by_hand")
    for (group, *_), (source, target) in PAIRS.items():
        for view in (source, target):
            tiny_soco.draw(root / f"SOCOv1/Images/{view['category']}/{view['image']}", view)
        folder = root / "SOCOv1/PairAnnotations/cross" / group
        folder.mkdir(parents=True, exist_ok=True)
        content = tiny_soco.content(source, target) | {"pair_group": group}
        (folder / f"{source['category']}.json").write_text(json.dumps(content))
    return root


class Peaks:
    """One peak for each query: at its own place, where the parts of these images lie, or at 5, 5."""

    name, revision, conditions_on = "peaks", "1", ("category",)
    heights = {  # noqa: RUF012  by source: of part_a and of part_b, negative where at 5, 5
        "bus": (0.9, 0.95),
        "van": (0.5, -0.2),
        "truck": (0.9, 0.8),
    }

    def __init__(self):
        self.seen = set()

    def match(self, source, target, queries):
        self.seen.add((source.category, target.category))
        values = np.zeros((len(queries), CELLS, CELLS), np.float32)
        for map_, (x, y), height in zip(
            values, queries, self.heights[source.category], strict=True
        ):
            row, column = (0, 0) if height < 0 else (int(y) // 10, int(x) // 10)
            map_[row, column] = abs(height)
        return SimilarityMap(values, Grid.stretched(target.size, CELLS, CELLS), queries)


def headlines(card, rule):
    """Of each category at alpha 0.1, and of None for their mean."""
    categories = (*card.dataset.categories, None)
    return {c: card.headline(card.rule(rule), 0.1, c).value for c in categories}


def test_scores_by_pair_group_worked_out_by_hand(by_hand, tmp_path):
    """Group vehicle has positives .9, .5 and 0 (a peak elsewhere) among the negatives .95 (of an absent
    keypoint), .2, 0, 0; group other has .9 and .8 above 0 and 0.
    """
    model = Peaks()
    result = library.evaluate(
        model,
        library.load_dataset("soco.cross", root=by_hand),
        rule=("kap-v1", "pck-v1"),
        runs=tmp_path / "runs",
        cache=tmp_path / "cache",
        intervals=False,
    )
    assert model.seen == {("bus", "car"), ("van", "truck"), ("truck", "bus")}
    assert result.card.dataset.categories == ("other", "vehicle")
    kap, pck = (headlines(result.card, rule) for rule in ("kap-v1", "pck-v1"))
    vehicle = (1 / 2 + 2 / 3 + 3 / 7) / 3
    assert kap["vehicle"] == pytest.approx(vehicle)
    assert kap["other"] == 1
    assert kap[None] == pytest.approx((vehicle + 1) / 2)
    assert pck == {"vehicle": 0.75, "other": 1, None: 0.875}
    rows = result.records.astype({"category": str, "pair_id": str})
    assert rows.groupby("pair_id")["category"].first().to_dict() == {
        "vehicle/bus": "vehicle",
        "vehicle/van": "vehicle",
        "other/truck": "other",
    }
    assert rows["size_px"].unique().tolist() == [50]
    assert rows["target_visible"].sum() == 5


@pytest.mark.parametrize("name", ["soco.intra", "soco.cross"])
def test_the_oracle_gets_everything_right(name, tmp_path):
    tiny_soco.make(tmp_path)
    result = library.evaluate(
        "oracle",
        library.load_dataset(name, split="all", root=tmp_path),
        rule=("kap-v1", "pck-v1"),
        runs=tmp_path / "runs",
        cache=tmp_path / "cache",
        intervals=False,
    )
    for rule in ("kap-v1", "pck-v1"):
        assert set(headlines(result.card, rule).values()) == {1}
    absent = ~result.records["target_visible"]
    assert 0 < absent.sum() < len(absent)


def test_the_commands(kapbench, tmp_path):
    tiny_soco.make(tmp_path, ["cross"])
    words = ("--rule", "kap-v1", "--no-control", "--quiet", "--data-root", tmp_path)
    done = kapbench("run", "--model", "pixels", "--dataset", "soco.cross", *words)
    assert done.exit_code == 0, done.output
    (folder,) = find_runs(tmp_path / "runs")
    compared = kapbench("compare", folder, "--by", "category").output
    assert "complete: 2 categories, 6 pairs" in compared
    heading = next(line for line in compared.splitlines() if line.startswith("model"))
    assert heading.split() == ["model", "bus", "car", "mean"]
