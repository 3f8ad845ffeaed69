"""What every model owes to whoever runs it: registered, asked for by a prefix, or from a file."""

import numpy as np
import pytest
from built import OTHER_SETTINGS, PICTURES, QUERIES, as_declared, build, names

from kapbench.errors import KapbenchError
from kapbench.models import contract
from kapbench.protocols import AnnotatedModel, Encoder, PairModel, Prepares
from kapbench.types import Keypoints, Pair, View

TINY_IMAGE = (10, 10)
OVER_A_BACKBONE = ("sphere", "sphere.", "geoaware.supervised", "dve", "asic")
READ_THE_ANSWER = ("oracle", "side-blind", "part-blind", "twin-trap", "never-silent")
WITH_OTHER_SETTINGS = [name for name in names() if name.split(".")[0] in OTHER_SETTINGS]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


# sift: half a minute of descriptors; tests/baselines/test_sift.py is quick. "asic" is the
# adapter of "dve" with other weights; both, and "geoaware.supervised", have quick tests of their
# adapters too. "sphere." and "geoaware.zeroshot." are those models by the name of a backbone that
# follows. "dinov3.vit7b16" takes seconds to be made.
SLOW = {
    "sift",
    "sphere.",
    "geoaware.zeroshot.",
    "asic",
    "dve",
    "geoaware.supervised",
    "dinov3.vit7b16",
}
MODELS = [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names()]


@pytest.fixture(params=MODELS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, folder):
    return build(name, folder)


@pytest.fixture
def harder(monkeypatch):
    """The contract, with a tiny image more, and with pixels that no model may write to."""
    pictures = contract.draw_pictures

    def read_only(conditions):
        shown = pictures(conditions)
        for picture in shown:
            picture.pixels.setflags(write=False)
        return shown

    monkeypatch.setattr(contract, "SIZES", (*contract.SIZES, TINY_IMAGE))
    monkeypatch.setattr(contract, "draw_pictures", read_only)


def output(model, queries=QUERIES):
    """What a model returns for the first picture, or pair of pictures."""
    source, target = (as_declared(model, picture) for picture in PICTURES[:2])
    if isinstance(model, Encoder):
        return model.encode([source])[0].values
    twins = (queries,) if "twins" in model.conditions_on else ()
    return model.match(source, target, queries, *twins).values


def test_keeps_the_contract(model, harder):
    assert contract.broken(model) == []


def test_is_the_same_when_built_again(model, name, folder):
    again = build(name, folder)
    assert (again.name, again.revision) == (model.name, model.revision)
    if isinstance(model, Encoder | PairModel):
        np.testing.assert_array_equal(output(model), output(again))


def test_refuses_options_it_does_not_know(name, folder):
    with pytest.raises(KapbenchError, match="Unknown option 'colour'"):
        build(name, folder, colour="red")


def test_only_reference_models_read_the_answer(model, name):
    assert isinstance(model, AnnotatedModel) == (name in READ_THE_ANSWER)
    assert getattr(model, "reads_answer", False) == (name in READ_THE_ANSWER)


@pytest.mark.parametrize("name", WITH_OTHER_SETTINGS)
def test_another_setting_is_another_revision(name, folder):
    other = build(name, folder, **OTHER_SETTINGS[name.split(".")[0]])
    assert other.revision != build(name, folder).revision


@pytest.mark.parametrize("name", OVER_A_BACKBONE)
def test_what_goes_over_a_backbone_prepares_as_it_does(name, folder):
    model = build(name, folder)
    assert isinstance(model.backbone, Encoder)
    assert isinstance(model, Prepares)
    assert isinstance(model.backbone, Prepares)
    shown = as_declared(model, PICTURES[0])
    np.testing.assert_array_equal(model.prepare(shown), model.backbone.prepare(shown))


@pytest.mark.parametrize("name", ["geoaware.zeroshot", "geoaware.zeroshot."])
def test_queries_in_another_order_have_the_same_maps_with_their_mirror_counterparts(name, folder):
    """The contract compares the orders of queries of all other models."""
    model = build(name, folder)
    assert "twins" in model.conditions_on
    reversed_maps = output(model, QUERIES[::-1].copy())
    np.testing.assert_allclose(reversed_maps[::-1], output(model), atol=contract.CLOSE)


@pytest.mark.parametrize("name", READ_THE_ANSWER)
def test_a_reference_model_has_one_map_per_visible_source_keypoint(name, folder):
    """Also where the target lacks the keypoint."""
    reference = build(name, folder)
    xy = np.array([[4.0, 5.0], [20.0, 9.0], [30.0, 31.0]])
    visible = [np.array([True, True, False]), np.array([False, True, True])]
    views = [
        View(p.image_id, "thing", p.size, (0, 0, 40, 40), Keypoints(xy, seen))
        for p, seen in zip(PICTURES, visible, strict=False)
    ]
    pair = Pair("0>1", *views, 40.0, np.full(3, -1), np.arange(3))

    def anchor(grid):
        x, y = grid.centres()
        return np.stack(np.meshgrid(x, y), axis=-1)

    maps = reference.match_pair(pair, anchor)
    assert maps.values.shape == (2, maps.grid.height, maps.grid.width)
    assert maps.values[0].max() == (1 if name == "never-silent" else 0)
    assert maps.values[1].max() == 1
    peak = anchor(maps.grid).reshape(-1, 2)[maps.values[1].argmax()]
    assert np.abs(peak - xy[1]).max() <= max(maps.grid.cell_size) / 2
