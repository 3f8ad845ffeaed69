"""`kapbench.match` on images of coloured blocks, whose matches are known, and beside a run."""

import json

import blocks
import numpy as np
import pytest
from blocks import SIDE, centre
from dots import Colours, Dots
from PIL import Image

import kapbench
from kapbench.errors import KapbenchError
from kapbench.models.contract import broken
from kapbench.models.reference_models import Oracle
from kapbench.scoring.schema import X, Y

NUMBERS = np.arange(SIDE * SIDE)
SOURCE = blocks.blocks(NUMBERS)
ROLLED = blocks.blocks(np.roll(NUMBERS.reshape(SIDE, SIDE), (2, 3), axis=(0, 1)))
EVERY_CELL = [centre(row, column) for row in range(SIDE) for column in range(SIDE)]


@pytest.fixture
def match(tmp_path):
    def with_cache(model, source=SOURCE, target=ROLLED, points=None, **options):
        return kapbench.match(model, source, target, points, cache=tmp_path / "cache", **options)

    return with_cache


def test_known_matches(match):
    got = match(blocks.Blocks(), points=[centre(0, 0), centre(5, 1), centre(11, 11)])
    assert got.best.tolist() == [centre(2, 3), centre(7, 4), centre(1, 2)]
    assert got.score.tolist() == [0, 0, 0]
    assert got.mutual.tolist() == [True, True, True]
    assert got.apart_px == 6
    assert got.model == "blocks"
    assert len(got) == 3


def test_the_score_is_the_similarity_at_the_best_cell_and_the_best_of_all(match):
    rng = np.random.default_rng(0)
    one, two = (blocks.blocks(rng.integers(1, 255, SIDE * SIDE)) for _ in range(2))
    got = match(blocks.Blocks(), one, two, EVERY_CELL)
    flat = got.maps.reshape(len(got), -1)
    rows = np.arange(len(got))
    assert (got.score == flat[rows, got.grid.cell_of(got.best)]).all()
    assert (got.score == flat.max(axis=1)).all()
    has_second = np.isfinite(got.second_score)
    assert has_second.any()
    second_cells = got.grid.cell_of(got.second[has_second])
    assert (got.second_score[has_second] == flat[rows[has_second], second_cells]).all()
    assert (got.margin[has_second] >= 0).all()
    apart = np.linalg.norm(got.second - got.best, axis=1)[has_second]
    assert (apart > got.apart_px).all()


def test_swapping_source_and_target_swaps_the_mutual_ones(match):
    rng = np.random.default_rng(1)  # few colours, so that ties abound
    one, two = (blocks.blocks(rng.integers(1, 90, SIDE * SIDE)) for _ in range(2))
    there = match(blocks.Blocks(), one, two, EVERY_CELL)
    back = match(blocks.Blocks(), two, one, EVERY_CELL)

    def mutual(matches):
        return {
            (tuple(start), tuple(end))
            for start, end, both in zip(
                matches.points.tolist(), matches.best.tolist(), matches.mutual, strict=True
            )
            if both
        }

    assert 0 < len(mutual(there)) < len(there)
    assert mutual(there) == {(end, start) for start, end in mutual(back)}


def test_a_round_trip_is_the_way_to_where_the_best_match_leads_back(match):
    numbers = NUMBERS.copy()
    numbers[3] = numbers[0]  # the target's cell is as similar to cell 0, which comes first
    got = match(blocks.Blocks(), blocks.blocks(numbers), ROLLED, [centre(0, 0), centre(0, 3)])
    assert got.round_trip_px.tolist() == [0, 15]
    assert got.mutual.tolist() == [True, False]


def test_what_a_near_way_back_is_depends_on_the_source_alone(match):
    larger = SOURCE.repeat(2, axis=0).repeat(2, axis=1)
    got = match("pixels", larger, ROLLED, n_points=9)
    assert (got.apart_px, got.near_px) == (6, 12)
    assert (got.back.apart_px, got.back.near_px) == (12, 6)


def test_the_best_match_is_the_prediction_of_a_run(match, tmp_path):
    dataset, decode = Dots(), kapbench.load_rule("pck-v1").decode
    records = kapbench.evaluate(
        Colours(), dataset, rule="pck-v1", device="cpu", cache=tmp_path, intervals=False
    ).records
    pair = dataset.pairs()[0]
    rows = records[records["pair_id"] == pair.pair_id]
    visible = pair.source.keypoints.visible
    images = dataset.pixels(pair.source), dataset.pixels(pair.target)
    got = match(Colours(), *images, pair.source.keypoints.xy[visible])
    assert len(rows) == visible.sum()
    assert got.best == pytest.approx(rows[[X.of(decode), Y.of(decode)]].to_numpy())


def test_without_points_a_regular_set_is_matched_both_ways(match):
    got = match(blocks.Blocks(), n_points=36)
    assert got.regular
    assert len(got) == len(got.back) == 36
    assert got.mutual.all()
    assert got.back.source.name == got.target.name
    assert got.back.back is None
    assert got.back.best[0].tolist() == centre(11, 10)  # the target's cell 1, 1 was moved 2, 3


def test_a_second_call_encodes_nothing(match):
    model = blocks.Blocks()
    first = match(model, points=[centre(0, 0)])
    assert model.n_encoded == 2
    again = match(model, points=[centre(0, 0)])
    assert model.n_encoded == 2
    assert (again.maps == first.maps).all()


HALF = np.where(NUMBERS % SIDE < SIDE // 2, NUMBERS, 0)  # black on the right


def test_regular_points_lie_on_the_models_foreground(match):
    got = match(blocks.Foreground(), blocks.blocks(HALF), ROLLED, n_points=18)
    assert 12 <= len(got) <= 24
    assert (got.points[:, 0] < 30).all()
    assert len(match(blocks.Blocks(), blocks.blocks(HALF), ROLLED, n_points=18)) > 12


def test_a_mask_comes_before_the_models_foreground(match):
    mask = np.zeros((60, 60), bool)
    mask[:, 40:] = True
    got = match(blocks.Foreground(), blocks.blocks(HALF), ROLLED, source_mask=mask)
    assert (got.points[:, 0] > 40).all()


def test_a_foreground_of_another_shape_is_refused(match):
    assert any("its foreground is float64" in text for text in broken(blocks.BadForeground()))
    assert not any("foreground" in text for text in broken(blocks.Foreground()))
    with pytest.raises(
        KapbenchError, match=r"foreground\(\) returned float64 of the shape \[2, 2\]"
    ):
        match(blocks.BadForeground())


def test_a_model_is_shown_the_category_and_the_masks_that_it_looks_at(match):
    mask = np.zeros((60, 60), bool)
    mask[:30] = True
    named = {"category": "block", "source_mask": mask, "target_mask": mask}
    got = match(blocks.Conditioned(), points=[centre(2, 2)], **named)
    assert got.best.tolist() == [centre(4, 5)]
    for missing, message in (("category", "none is named"), ("target_mask", "target has none")):
        rest = {k: v for k, v in named.items() if k != missing}
        with pytest.raises(KapbenchError, match=message):
            match(blocks.Conditioned(), points=[centre(2, 2)], **rest)


def test_a_model_of_pairs_has_no_round_trips(match):
    got = match(blocks.Pairs(), points=[centre(1, 1)])
    assert got.best.tolist() == [centre(0, 0)]
    assert got.second.tolist() == [centre(11, 11)]
    assert got.margin.tolist() == [0.5]
    assert got.mutual is None
    assert got.to_frame()["mutual"].tolist() == [None]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Oracle(), "reads the annotation"),
        (blocks.ByName(), "by the image's name"),
        (blocks.Azimuths(), "conditions on azimuth"),
        (blocks.Twins(), "conditions on twins"),
    ],
)
def test_models_that_need_more_than_two_images(match, model, message):
    with pytest.raises(KapbenchError, match=message):
        match(model)


def test_files_pillow_images_and_arrays_are_one(match, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path, pixels in zip(paths, (SOURCE, ROLLED), strict=True):
        Image.fromarray(pixels).save(path)
    of_files = match(blocks.Blocks(), *paths, [centre(0, 0)])
    of_strings = match(blocks.Blocks(), *map(str, paths), [centre(0, 0)])
    of_pillow = match(blocks.Blocks(), *map(Image.open, paths), [centre(0, 0)])
    assert of_files.source.name == str(paths[0])
    for other in (of_strings, of_pillow):
        assert (other.maps == of_files.maps).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.png", "does not exist"),
        (np.zeros((5, 5, 3)), "not an image"),
        (np.zeros((5, 5, 4), np.uint8), "not an image"),
        (3, "not an image"),
    ],
)
def test_what_is_no_image(match, source, message):
    with pytest.raises(KapbenchError, match=message):
        match(blocks.Blocks(), source)


def test_one_image_twice_is_refused(match, tmp_path):
    Image.fromarray(SOURCE).save(tmp_path / "a.png")
    with pytest.raises(KapbenchError, match="the same image"):
        match(blocks.Blocks(), tmp_path / "a.png", tmp_path / "a.png")


def test_options_belong_to_a_name(match):
    with pytest.raises(KapbenchError, match="layers: options belong to a model"):
        match(blocks.Blocks(), layers=3)
    with pytest.raises(KapbenchError, match="apart=1"):
        match(blocks.Blocks(), apart=1)


def test_json_holds_no_nan(match):
    got = match(blocks.Blocks(), points=[centre(0, 0), [7, 8]], apart=0.99)
    text = json.loads(got.to_json())
    assert text["points"][0] == {
        "point": 1,
        "source_x": 2.5,
        "source_y": 2.5,
        "target_x": 17.5,
        "target_y": 12.5,
        "score": 0.0,
        "second_x": None,
        "second_y": None,
        "second_score": None,
        "margin": None,
        "round_trip_px": 0.0,
        "mutual": True,
    }
    assert text["back"] is None
    assert np.isnan(got.margin).all()
