"""fuse:A+B: the weighted sum of cosines, on a stated grid, of parts whose options can be reached."""

from pathlib import Path

import numpy as np
import pytest
from tiny_world import TinyDataset

import kapbench
from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.protocols import model_info
from kapbench.scoring.input_remarks import remarks_on_inputs
from kapbench.scoring.rules import load_rule
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.fused.encoder import FusedEncoder
from kapbench_baselines.fused.resampling import finest, on_grid

FILE = """
import numpy as np
from kapbench.types import FeatureMap, Grid

class Colours:
    name, revision, conditions_on, similarity = "colours", "1", (), "dot"
    seen = []

    def __init__(self, layer: int = 1, cells: int = 4):
        self.layer, self.cells = layer, cells

    def encode(self, pictures):
        self.seen.extend(p.image_id for p in pictures)
        small = [np.float32(p.pixels[::20 // self.cells][: self.cells, ::24 // self.cells]) for p in pictures]
        small = [v[:, : self.cells] for v in small]
        return [FeatureMap((v.transpose(2, 0, 1) / 64 - 1) ** self.layer,
                           Grid.stretched(p.size, self.cells, self.cells))
                for v, p in zip(small, pictures)]

class Squares(Colours):
    def __init__(self, image_px: int = 840, padding: str = "stretch", layer: int = 1):
        super().__init__(layer)
        self.options = {"image_px": image_px, "padding": padding}

class Distances(Colours):
    similarity = "neg_l2"

class Pairs:
    name, revision, conditions_on = "pairs", "1", ()
    def match(self, source, target, queries): ...
"""


@pytest.fixture
def colours(tmp_path: Path) -> str:
    (tmp_path / "colours.py").write_text(FILE)
    return f"{tmp_path / 'colours.py'}:Colours"


class Values:
    """An encoder of given values, with what it declares."""

    name, revision, conditions_on, similarity = "values", "1", (), "dot"

    def __init__(self, values: np.ndarray, grid: Grid, **declared: object) -> None:
        self.values, self.grid = values, grid
        vars(self).update(declared)

    def encode(self, pictures: list[Picture]) -> list[FeatureMap]:
        return [FeatureMap(self.values.copy(), self.grid) for _ in pictures]


PICTURE = Picture(np.zeros((20, 24, 3), np.uint8), "toy/0")
GRID = Grid.stretched(PICTURE.size, 4, 6)


def drawn(channels: int, seed: int, grid: Grid = GRID) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(channels, grid.height, grid.width))
    return values.astype(np.float16).astype(np.float32)  # as the cache keeps them


def cosines(values: np.ndarray) -> np.ndarray:
    cells = values.reshape(len(values), -1).astype(np.float64)
    cells /= np.linalg.norm(cells, axis=0)
    return cells.T @ cells


def test_the_dot_product_is_the_weighted_sum_of_cosines() -> None:
    one, two = 128 * drawn(5, 0), drawn(3, 1)
    fused = FusedEncoder([Values(one, GRID), Values(two, GRID)], (0.7, 0.3))
    ((values, grid),) = [(m.values, m.grid) for m in fused.encode([PICTURE])]
    assert grid == GRID
    expected = 0.7 * cosines(one) + 0.3 * cosines(two)
    np.testing.assert_allclose(cosines(values), expected, atol=1e-6)
    cells = values.reshape(8, -1)
    np.testing.assert_allclose(cells.T @ cells, expected, atol=1e-6)  # of unit length


def test_a_cell_without_features_is_similar_to_what_the_other_part_says() -> None:
    one, two = drawn(5, 0), drawn(3, 1)
    one[:, 0, 0] = 0
    fused = FusedEncoder([Values(one, GRID), Values(two, GRID)], (0.5, 0.5)).encode([PICTURE])
    cells = fused[0].values.reshape(8, -1)
    np.testing.assert_allclose(cells[:, 0] @ cells, 0.5 * cosines(two)[0], atol=1e-6)


def test_parts_come_to_the_grid_of_the_smallest_cells_or_of_the_part_that_is_named() -> None:
    coarse, square = Grid.stretched(PICTURE.size, 2, 3), Grid.letterbox(PICTURE.size, 5, 840)
    assert finest([coarse, GRID, square]) == 1  # its cells are 4 × 5 px, those of 5 × 5 are larger
    parts = [Values(drawn(5, 0, coarse), coarse), Values(drawn(3, 1), GRID)]
    for grid, expected in ((None, GRID), (1, coarse), (2, GRID)):
        fused = FusedEncoder(parts, (0.5, 0.5), grid)
        assert fused.encode([PICTURE])[0].grid == expected
    revisions = {FusedEncoder(parts, (0.5, 0.5), grid).revision for grid in (None, 1, 2)}
    assert len(revisions) == 3


def test_features_between_cells_are_interpolated_and_go_on_beyond_the_outermost() -> None:
    coarse = Grid.stretched(PICTURE.size, 2, 3)  # centres at x 4, 12, 20 and y 5, 15
    x, y = coarse.centres()
    plane = (2 * x[None, :] + 3 * y[:, None])[None].astype(np.float32)
    found = on_grid(FeatureMap(plane, coarse), GRID).squeeze()
    fine_x, fine_y = (np.clip(v, c[0], c[-1]) for v, c in zip(GRID.centres(), (x, y), strict=True))
    np.testing.assert_allclose(found, 2 * fine_x[None] + 3 * fine_y[:, None], rtol=1e-6)


def test_it_declares_what_all_parts_do() -> None:
    one = Values(
        drawn(2, 0),
        GRID,
        name="one",
        conditions_on=("mask",),
        supervision="viewpoint",
        trained_on="photographs",
        window=7,
        padding=127,
        licence="MIT",
    )
    two = Values(drawn(2, 0), GRID, name="two", conditions_on=("category", "mask"), window=7)
    three = Values(drawn(2, 0), GRID, name="three", supervision="keypoints", reads_image_id=True)
    info = model_info(FusedEncoder([one, two], (0.5, 0.5)))
    assert (info.name, info.conditions_on) == ("fuse:one+two", ("mask", "category"))
    assert (info.supervision, info.window, info.padding) == ("viewpoint", 7, 0)
    assert info.trained_on == "one: photographs; two: not declared"
    assert info.licence == "one: MIT; two: not declared"
    assert info.over == ("one@1", "two@1")
    all_three = model_info(FusedEncoder([one, two, three], (0.4, 0.4, 0.2)))
    assert all_three.supervised
    assert (all_three.window, all_three.reads_image_id) == (None, True)


def test_the_revision_changes_with_parts_and_weights() -> None:
    one, two = Values(drawn(2, 0), GRID), Values(drawn(2, 0), GRID, revision="2")
    made = [([one, two], (0.5, 0.5)), ([two, one], (0.5, 0.5)), ([one, two], (0.6, 0.4))]
    assert len({FusedEncoder(parts, weights).revision for parts, weights in made}) == 3


def test_options_reach_their_parts(colours: str) -> None:
    fused = load_model(
        f"fuse:{colours}+{colours}", device="cpu", weights="3,1", **{"2.layer": "2", "2.cells": 2}
    )
    assert [(p.layer, p.cells) for p in fused.backbones] == [(1, 4), (2, 2)]
    assert fused.options == {"weights": [0.75, 0.25], "2.layer": "2", "2.cells": 2}
    again = load_model(f"fuse:{colours}+{colours}", device="cpu", **fused.options)
    assert (again.name, again.revision) == (fused.name, fused.revision)
    layers = load_model(f"fuse:{colours}", device="cpu", layers="2,3", cells="2")
    assert [(p.layer, p.cells) for p in layers.backbones] == [(2, 2), (3, 2)]
    assert (layers.name, layers.options) == ("fuse:colours", {"layers": [2, 3], "cells": "2"})
    assert load_model(f"fuse:{colours}", device="cpu", **layers.options).revision == layers.revision


@pytest.mark.parametrize(
    ("parts", "options", "remark"),
    [
        ("Squares+Squares", {"1.image_px": 240, "2.image_px": 240}, None),
        ("Squares", {"layers": "1,2", "image_px": 240}, None),
        ("Squares", {"layers": "1,2", "1.image_px": 240}, None),
        (
            "Squares+Squares",
            {"1.image_px": 240},
            "in fuse:colours+colours part 2 declares image_px=840 and padding=stretch, so it is ",
        ),
        (
            "Squares+Colours",
            {},
            "part 1 declares image_px=840 and padding=stretch and part 2 has no such options, so ",
        ),
        ("Squares", {"layers": "1,2"}, "the model declares image_px=840 and padding=stretch and "),
        ("Colours+Colours", {}, "; fuse:colours+colours has no such options and is scored on its "),
    ],
)
def test_what_a_rule_needs_of_images_is_asked_of_every_part(
    colours: str, parts: str, options: dict[str, object], remark: str | None
) -> None:
    """pck-chm's numbers are of images stretched to 240 px."""
    specs = "+".join(colours.replace("Colours", part) for part in parts.split("+"))
    fused = load_model(f"fuse:{specs}", device="cpu", **options)
    remarks = remarks_on_inputs([load_rule("pck-chm")], model_info(fused))
    assert len(remarks) == (remark is not None)
    assert remark is None or remark in remarks[0]
    again = load_model(f"fuse:{specs}", device="cpu", **fused.options)
    assert remarks_on_inputs([load_rule("pck-chm")], model_info(again)) == remarks


def test_an_image_is_encoded_once_for_each_backbone(colours: str, tmp_path: Path) -> None:
    data, options = TinyDataset(), {"rule": "pck-v1", "intervals": False}
    seen = []
    for spec, chosen in (
        (f"fuse:{colours}", {"layers": [1, 2]}),
        (f"fuse:{colours}+{colours}", {"2.layer": 2, "weights": [0.9, 0.1]}),
        (colours, {"layer": 2}),
    ):
        model = load_model(spec, device="cpu", **chosen)
        kapbench.evaluate(model, data, cache=tmp_path / "cache", **options)
        for part in getattr(model, "backbones", (model,)):  # each has a class of its own
            seen += part.seen
    names = [view.image_id for view in data.views()]
    assert sorted(seen) == sorted(2 * names)  # one for each of the two layers


@pytest.mark.parametrize(
    ("spec", "options", "message", "fix"),
    [
        ("{0}", {}, "two parts or more, and '.*' names 1", "layers of one model"),
        ("{0}+", {}, "names 1", "Join names"),
        ("{0}+litte0", {}, "Unknown model 'litte0'", "Did you mean lite0"),
        ("{0}+{1}:Distances", {}, "compared by neg_l2", "similarity is dot"),
        ("{0}+{1}:Pairs", {}, "both images of a pair", "sd_dino"),
        ("{0}+{0}", {"weights": "1"}, "1 weights for 2 parts", "weights=0.5,0.5"),
        ("{0}+{0}", {"weights": "1,-1"}, "The weights are 1, -1", "from 0"),
        ("{0}+{0}", {"weights": "a,b"}, "not a list of numbers", "weights=0.7,0.3"),
        ("{0}+{0}", {"layer": 2}, "'layer': it belongs to no part", "1.layer=VALUE"),
        ("{0}+{0}", {"wieghts": "1,2"}, "Unknown option 'wieghts'", "Did you mean weights"),
        ("{0}+{0}", {"3.layer": 2}, "'3.layer': it belongs to no part", "1.layer=VALUE"),
        ("{0}+{0}", {"2.layr": 2}, "Unknown option 'layr'", "layer"),
        ("{0}+{0}", {"2.layer": "x"}, "give a whole number", "-o 2.layer=16"),
        ("{0}", {"k": 1, "1.k": 2, "layers": "1,2"}, "given twice: 1 and 2", "Keep one"),
        ("{0}+{0}", {"layers": "1,2"}, "for the layers of one model", "-o 1.layer=8"),
        ("{0}", {"layers": "1,2.5"}, "not a whole number", "layers=8,11"),
        ("{0}+{0}", {"grid": 3}, "grid of part 3", "number of a part"),
    ],
)
def test_mistakes(
    colours: str, spec: str, options: dict[str, object], message: str, fix: str
) -> None:
    file = colours.removesuffix(":Colours")
    with pytest.raises(KapbenchError, match=message) as caught:
        load_model(f"fuse:{spec.format(colours, file)}", device="cpu", **options)
    assert fix in str(caught.value.fix)
