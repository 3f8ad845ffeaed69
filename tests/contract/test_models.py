"""What every model owes to whoever runs it: registered, asked for by a prefix, or from a file."""

import json
from dataclasses import replace

import numpy as np
import pytest
from built import OTHER_SETTINGS, PICTURES, QUERIES, as_declared, build, names

from kapbench.errors import KapbenchError
from kapbench.protocols import AnnotatedModel, Encoder, PairModel, Prepares
from kapbench.types import Keypoints, Pair, View

CONDITIONS = {"category", "mask", "azimuth", "twins"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(params=names(), scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, folder):
    return build(name, folder)


def encoder(model):
    if not isinstance(model, Encoder):
        pytest.skip("no encoder")
    return lambda *shown: model.encode([as_declared(model, p) for p in shown])


def matcher(model):
    if isinstance(model, Encoder) or not isinstance(model, PairModel):
        pytest.skip("no pair model")
    more = (lambda q: (q,)) if "twins" in model.conditions_on else (lambda _: ())
    return lambda s, t, queries: model.match(
        as_declared(model, s), as_declared(model, t), queries, *more(queries)
    )


def test_says_what_it_is(model):
    assert isinstance(model, Encoder | PairModel | AnnotatedModel)
    for word in (model.name, model.revision, getattr(model, "supervision", "none")):
        assert isinstance(word, str)
        assert word
    assert isinstance(model.conditions_on, tuple)
    assert set(model.conditions_on) <= CONDITIONS
    if isinstance(model, Encoder):
        assert model.similarity in ("dot", "neg_l2")
    json.dumps([getattr(model, "options", {}), getattr(model, "trained_on", None)])


def test_encodes_any_size_alone_as_in_a_batch(model):
    encode = encoder(model)
    together = encode(*PICTURES)
    assert len(together) == len(PICTURES)
    assert len({len(m.values) for m in together}) == 1
    for shown, found in zip(PICTURES, together, strict=True):
        assert found.values.shape[1:] == (found.grid.height, found.grid.width)
        assert np.isfinite(found.values).all()
        [alone] = encode(shown)
        assert alone.grid == found.grid
        np.testing.assert_allclose(alone.values, found.values, atol=2e-5)


def test_what_it_returned_stays_as_it_is(model):
    encode = encoder(model)
    first = encode(PICTURES[0])
    before = first[0].values.copy()
    encode(*reversed(PICTURES))
    np.testing.assert_array_equal(first[0].values, before)


def test_what_it_prepares_ahead_changes_nothing(model):
    if not isinstance(model, Prepares):
        pytest.skip("prepares nothing")
    encode = encoder(model)
    ready = [replace(p, prepared=model.prepare(as_declared(model, p))) for p in PICTURES]
    for plain, found in zip(encode(*PICTURES), encode(*ready), strict=True):
        np.testing.assert_array_equal(plain.values, found.values)
        assert plain.grid == found.grid


def test_what_goes_over_a_backbone_prepares_as_it_does(model):
    beneath = getattr(model, "backbone", None)
    if not isinstance(model, Encoder) or not isinstance(beneath, Encoder):
        pytest.skip("no encoder over another")
    assert isinstance(model, Prepares) == isinstance(beneath, Prepares)
    if isinstance(model, Prepares):
        shown = as_declared(model, PICTURES[0])
        np.testing.assert_array_equal(model.prepare(shown), beneath.prepare(shown))


def test_its_grid_covers_the_image(model):
    encode = encoder(model)
    for shown, found in zip(PICTURES, encode(*PICTURES), strict=True):
        x0, y0, x1, y1 = found.grid.box
        # Half a cell: centres of overlapping patches begin half a patch from the border.
        dx, dy = (max(0.5, side / 2 + 1e-6) for side in found.grid.cell_size)
        assert x0 <= dx
        assert y0 <= dy
        assert x1 >= shown.size[0] - dx
        assert y1 >= shown.size[1] - dy


def test_sees_the_pixels(model, name):
    """Two pictures of one size have different features."""
    encode = encoder(model)
    if name == "features:":
        pytest.skip("reads files by name")
    upside_down = np.ascontiguousarray(PICTURES[0].pixels[::-1])
    one, other = encode(PICTURES[0], type(PICTURES[0])(upside_down, "thing/other"))
    assert not np.allclose(one.values, other.values)


def test_matches_every_query_in_its_place(model):
    match = matcher(model)
    for target in PICTURES[1:4]:
        whole = match(PICTURES[0], target, QUERIES)
        n_cells = whole.grid.height, whole.grid.width
        assert whole.values.shape == (len(QUERIES), *n_cells)
        assert np.isfinite(whole.values).all()
        back = match(PICTURES[0], target, QUERIES[::-1].copy())
        np.testing.assert_allclose(back.values[::-1], whole.values, atol=2e-5)
        none = match(PICTURES[0], target, QUERIES[:0])
        assert none.values.shape == (0, *n_cells)


def test_is_the_same_when_built_again(model, name, folder):
    again = build(name, folder)
    assert (again.name, again.revision) == (model.name, model.revision)
    if isinstance(model, Encoder):
        one, two = (encoder(m)(PICTURES[0])[0].values for m in (model, again))
    elif isinstance(model, PairModel):
        one, two = (matcher(m)(*PICTURES[:2], QUERIES).values for m in (model, again))
    else:
        return
    np.testing.assert_array_equal(one, two)


def test_another_setting_is_another_revision(model, name, folder):
    other = OTHER_SETTINGS.get(name.split(".")[0])
    if other is None:
        pytest.skip("no option that shapes the output")
    assert build(name, folder, **other).revision != model.revision


def test_refuses_options_it_does_not_know(name, folder):
    with pytest.raises(KapbenchError, match="unknown option 'colour'"):
        build(name, folder, colour="red")


def test_a_model_that_reads_the_answer_says_so(model):
    """And gives one map per keypoint that the source shows, also where the target has none."""
    if not isinstance(model, AnnotatedModel):
        assert not getattr(model, "reads_answer", False)
        return
    assert model.reads_answer is True
    xy = np.array([[4.0, 5.0], [20.0, 9.0], [30.0, 31.0]])
    seen = [np.array([True, True, False]), np.array([False, True, True])]
    views = [
        View(p.image_id, "thing", p.size, (0, 0, 40, 40), Keypoints(xy, s))
        for p, s in zip(PICTURES, seen, strict=False)
    ]
    pair = Pair("0>1", *views, 40.0, np.full(3, -1), np.arange(3))

    def anchor(grid):
        x, y = grid.centres()
        return np.stack(np.meshgrid(x, y), axis=-1)

    found = model.match_pair(pair, anchor)
    assert found.values.shape == (2, found.grid.height, found.grid.width)
    assert found.values[0].max() < found.values[1].max()
    peak = anchor(found.grid).reshape(-1, 2)[found.values[1].argmax()]
    assert np.abs(peak - xy[1]).max() <= max(found.grid.cell_size) / 2
