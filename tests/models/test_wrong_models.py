"""What a model or a data set can do wrong: one clear message that names it, and nothing stored."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_world import RULES, TinyDataset, TinyEncoder, TinyPairModel, evaluate

from kapbench.errors import KapbenchError
from kapbench.features import encoding_work
from kapbench.identity.model_identity import mark_made_by_name
from kapbench.models.arrays_in import numbers, sound_grid
from kapbench.models.inputs import make_picture, picture_hash
from kapbench.models.outputs import feature_maps, similarity_map
from kapbench.progress import Progress
from kapbench.protocols import wrong_attributes
from kapbench.running import pair_scorers
from kapbench.running.results import load_records
from kapbench.scoring.rules import load_rule
from kapbench.types import Grid, Picture


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nan", "1 of 48 features are not finite"),
        ("shape", r"The feature map has the shape \[3, 3, 4\], its grid 4×4"),
        ("channels", "differ in their number of channels: 3 at cat/0, 6 at cat/2"),
    ],
)
def test_a_wrong_feature_map_names_its_image(tmp_path, wrong, said, batch_size):
    broken, mended = TinyEncoder(wrong=wrong), TinyEncoder()
    for model in (broken, mended):  # of one revision, as a model that is made by name may be
        mark_made_by_name(model)
    with pytest.raises(KapbenchError, match=said) as caught:
        evaluate(tmp_path, broken, batch_size=batch_size)
    assert "cat/2" in str(caught.value)
    assert caught.value.fix
    assert not list(tmp_path.rglob("run.json"))
    # What was right is kept: the run goes on once the model is mended.
    n_kept = len(list(tmp_path.rglob("*.safetensors")))
    assert n_kept >= 2
    evaluate(tmp_path, mended, batch_size=batch_size)
    assert "cat/2" in mended.seen
    assert not {"cat/0", "cat/1"} & set(mended.seen)
    assert len(mended.seen) == 8 - n_kept


@dataclass
class Scaled(TinyEncoder):
    """The features of the first cells of cat/2 are multiplied by a factor."""

    factor: float = 0.0
    n_cells: int = 16

    def _map(self, picture):
        found = super()._map(picture)
        if picture.image_id == "cat/2":
            found.values.reshape(3, 16)[:, : self.n_cells] *= self.factor
        return found


class Flat(TinyEncoder):
    def _map(self, picture):
        found = super()._map(picture)
        if picture.image_id == "cat/2":
            found.values[:] = 0.5
        return found


def test_an_image_whose_features_are_all_zero_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="All features of the image are 0") as caught:
        evaluate(tmp_path, Scaled(factor=0.0))
    assert str(caught.value.place) == "image cat/2, model tiny-encoder"


def test_zeros_that_are_in_the_cache_already_are_refused_too(tmp_path, monkeypatch):
    model = Scaled()
    with monkeypatch.context() as context:
        for module in (encoding_work, pair_scorers):
            context.setattr(module, "refuse_zero", lambda *_: None)
        evaluate(tmp_path, model)
    with pytest.raises(KapbenchError, match="All features of the image are 0") as caught:
        evaluate(tmp_path, model, rules=[load_rule("kap-v1")])
    assert "image cat/2" in str(caught.value.place)


@pytest.mark.parametrize(
    ("factor", "said"), [(np.nan, "48 of 48 features"), (np.inf, "48 of 48 features")]
)
def test_features_none_of_which_is_finite_are_not_called_zero(tmp_path, factor, said):
    with pytest.raises(KapbenchError, match=f"{said} are not finite") as caught:
        evaluate(tmp_path, Scaled(factor=factor))
    assert "cat/2" in str(caught.value.place)


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 4, 0)])
def test_a_map_without_values_is_a_wrong_shape(shape):
    class Empty(TinyEncoder):
        def _map(self, picture):
            return replace(super()._map(picture), values=np.zeros(shape, np.float32))

    picture = Picture(np.zeros((20, 24, 3), np.uint8), "cat/0", "cat")
    with pytest.raises(KapbenchError, match="The feature map has the shape") as caught:
        feature_maps(Empty(), [picture])
    assert str(list(shape)) in caught.value.thing


def test_missing_attributes_are_listed():
    class NoName:
        def encode(self, pictures):
            return []

    (error,) = wrong_attributes(NoName())
    assert error.thing.endswith("no attribute name, revision, conditions_on or similarity")


def test_zeros_in_some_cells_are_scored(tmp_path):
    evaluate(tmp_path, Scaled(n_cells=12))


def test_an_image_with_one_feature_everywhere_is_reported(tmp_path):
    said = []
    evaluate(tmp_path, Flat(), progress=Progress(log=said.append))
    assert [line for line in said if "All cells of image cat/2 have the same features" in line]
    assert not [line for line in said if "image cat/1" in line]


def test_images_with_one_feature_everywhere_are_reported_in_one_line(tmp_path):
    class AllFlat(TinyEncoder):
        def _map(self, picture):
            made = super()._map(picture)
            return replace(made, values=np.ones_like(made.values))

    said = []
    evaluate(tmp_path, AllFlat(), progress=Progress(log=said.append))
    (line,) = [line for line in said if "the same features" in line]
    assert line.startswith("All cells of 8 images (cat/0, cat/1, cat/2, …) have")


def test_too_few_feature_maps(tmp_path):
    with pytest.raises(KapbenchError, match="3 feature maps for 4 pictures") as caught:
        evaluate(tmp_path, TinyEncoder(wrong="too few"))
    assert "tiny-encoder" in str(caught.value)


@pytest.mark.parametrize("model", [TinyEncoder, TinyPairModel])
def test_a_condition_that_the_data_set_has_not(tmp_path, model):
    with pytest.raises(KapbenchError, match="looks at the mask, but tiny has none"):
        evaluate(tmp_path, model(conditions_on=("mask",)), TinyDataset(masks=False))
    with pytest.raises(KapbenchError, match="looks at the azimuth bin, but tiny has none"):
        evaluate(tmp_path, model(conditions_on=("azimuth",)), TinyDataset(azimuths=False))


@pytest.mark.parametrize("conditions", ["mask", ("masks",), ("category", "pose")])
def test_a_condition_that_nobody_knows(tmp_path, conditions):
    model = TinyPairModel()
    model.conditions_on = conditions
    with pytest.raises(KapbenchError, match="conditions_on is") as caught:
        evaluate(tmp_path, model)
    assert "category, mask, azimuth" in caught.value.fix


def test_a_similarity_that_nobody_knows(tmp_path):
    with pytest.raises(KapbenchError, match="similarity is 'cosine'"):
        evaluate(tmp_path, TinyEncoder(similarity="cosine"))


def test_a_model_is_shown_what_it_declares_and_no_more():
    dataset = TinyDataset()
    view = dataset.views()[0]
    bare = make_picture(dataset, view, ())
    assert (bare.category, bare.mask, bare.azimuth_bin) == (None, None, None)
    shown = make_picture(dataset, view, ("category", "mask", "azimuth"))
    assert shown.category == "cat"
    assert shown.mask is not None
    assert shown.azimuth_bin == view.azimuth_bin
    assert not any(hasattr(shown, name) for name in ("keypoints", "bbox", "visible"))


def test_whatever_a_model_sees_is_in_the_hash():
    dataset = TinyDataset()
    view = dataset.views()[0]
    declared = [(), ("category",), ("mask",), ("azimuth",), ("category", "mask", "azimuth")]
    assert len({picture_hash(make_picture(dataset, view, c)) for c in declared}) == 5
    one, other = (make_picture(dataset, v, ()) for v in dataset.views()[:2])
    assert picture_hash(one) != picture_hash(other)
    # Equal pictures share features, unless the model knows them by name.
    renamed = type(one)(one.pixels, "another name")
    assert picture_hash(one) == picture_hash(renamed)
    assert picture_hash(one, by_name=True) != picture_hash(renamed, by_name=True)
    turned = type(one)(one.pixels.reshape(24, 20, 3), one.image_id)
    assert picture_hash(one) != picture_hash(turned)


def test_equal_pictures_are_encoded_once(tmp_path):
    dataset = TinyDataset()
    pixels = dataset.pixels(dataset.views()[0])
    dataset.pixels = lambda view: np.array(pixels)
    model = TinyEncoder()
    evaluate(tmp_path, model, dataset)
    assert len(model.seen) == 1


def test_no_pairs(tmp_path):
    with pytest.raises(KapbenchError, match="no pairs") as caught:
        evaluate(tmp_path, categories=())
    assert "tiny, split test" in str(caught.value)


def test_an_unknown_category(tmp_path):
    with pytest.raises(KapbenchError, match="Unknown category 'cow'"):
        evaluate(tmp_path, categories=("cow",))


@pytest.mark.parametrize("change", [{"has_absent": False}, {"size_from": "image"}])
def test_kap_is_refused_where_it_is_not_defined(tmp_path, change):
    with pytest.raises(KapbenchError, match="kap-cvpr24 is not defined on tiny"):
        evaluate(tmp_path, dataset=TinyDataset(**change))
    evaluate(tmp_path, dataset=TinyDataset(**change), rules=RULES[1:])


def test_pixel_decoding_needs_an_encoder(tmp_path):
    dift = [load_rule("pck-dift")]
    with pytest.raises(KapbenchError, match="pck-dift upsamples features"):
        evaluate(tmp_path, TinyPairModel(), rules=dift)
    done = evaluate(tmp_path, TinyEncoder(), rules=dift)
    assert done.records["error_px@dift"].notna().any()


GRID = Grid.letterbox((24, 20), 4, 840)
ABROAD = SimpleNamespace(height=4, width=4, box=(0, 0, 1, 1))


@dataclass
class Answering(TinyEncoder):
    """Gives the same answer whatever it is asked, past the type hooks that only tests have."""

    answer: object = None

    def encode(self, pictures):
        return self.answer

    def match(self, source, target, queries):
        return self.answer


def answer(values, grid=GRID):
    return SimpleNamespace(values=values, grid=grid)


BAD_VALUES = [
    (torch.zeros(2, 4, 4, requires_grad=True), "cannot be read as an array.*requires grad"),
    (torch.zeros(2, 4, 4, dtype=torch.bfloat16), "cannot be read as an array"),
    (np.zeros((2, 4, 4), complex), "have type complex128"),
    (np.full((2, 4, 4), "1"), "have type <U1"),
    (None, "have type object"),
]
BAD_GRIDS = [
    (ABROAD, "is a SimpleNamespace, not a kapbench Grid"),
    (Grid(4, 4, (0.0, 0.0, 0.0, 20.0)), "has 4×4 cells over the box"),
    (Grid(4, 4, (0.0, 20.0, 24.0, 0.0)), "has 4×4 cells over the box"),
    (Grid(4, 4, (0.0, 0.0, float("nan"), 20.0)), "has 4×4 cells over the box"),
    (Grid(0, 4, (0.0, 0.0, 24.0, 20.0)), "has 0×4 cells"),
]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(np.zeros((3, 4, 4))), r"The similarity has the shape \[3, 4, 4\], not \[2, 4, 4\]"),
        (answer(np.zeros((2, 4))), r"The similarity has the shape \[2, 4\], not \[2, 4, 4\]"),
        (answer(np.full((2, 4, 4), np.nan)), "not all finite"),
        (answer(np.full((2, 4, 4), 1e300)), "not all finite in float32"),
        (None, r"match\(\) returned a NoneType without values and grid"),
        (np.zeros((2, 4, 4)), r"match\(\) returned an ndarray"),
        *[(answer(values), said) for values, said in BAD_VALUES],
        *[(answer(np.zeros((2, 4, 4)), grid), said) for grid, said in BAD_GRIDS],
    ],
    ids=str,
)
def test_a_wrong_similarity_map_names_its_pair_and_model(given, said):
    pair, shown = TinyDataset().pairs()[0], Picture(np.zeros((20, 24, 3), np.uint8), "x")
    with pytest.raises(KapbenchError, match=said) as caught:
        similarity_map(Answering(answer=given), pair, shown, shown, np.zeros((2, 2)))
    assert caught.value.place == f"pair {pair.pair_id}, model tiny-encoder"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, r"encode\(\) returned a NoneType, not a list"),
        (np.zeros((1, 2, 4, 4)), r"encode\(\) returned an ndarray, not a list"),
        ([np.zeros((2, 4, 4))], r"encode\(\) returned an ndarray without values and grid"),
        ([answer(np.zeros((4, 4)))], r"The feature map has the shape \[4, 4\]"),
        *[([answer(values)], said) for values, said in BAD_VALUES],
        *[([answer(np.zeros((2, 4, 4)), grid)], said) for grid, said in BAD_GRIDS],
    ],
    ids=str,
)
def test_a_wrong_feature_map_names_its_image_and_model(given, said):
    shown = Picture(np.zeros((20, 24, 3), np.uint8), "cat/2")
    with pytest.raises(KapbenchError, match=said) as caught:
        feature_maps(Answering(answer=given), [shown])
    assert "model tiny-encoder" in caught.value.place
    assert caught.value.fix


def test_whole_numbers_are_features_too():
    shown = Picture(np.zeros((20, 24, 3), np.uint8), "cat/2")
    (found,) = feature_maps(Answering(answer=(answer(np.ones((2, 4, 4), np.int64)),)), [shown])
    assert found.values.dtype == np.float32


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by zero"), "The model failed: ZeroDivisionError: by zero"),
        (KapbenchError("no such layer", fix="Choose another"), "^no such layer"),
    ],
)
@pytest.mark.parametrize(
    ("model", "asked", "place"),
    [
        (TinyEncoder, "encode", "images cat/0, cat/1, cat/2, cat/3, model tiny-encoder"),
        (TinyPairModel, "match", "pair cat/1-cat/0, model tiny-pairs"),
    ],
)
def test_a_model_that_fails_is_named_with_what_it_was_asked(
    tmp_path, monkeypatch, model, asked, place, error, said
):
    def fail(*_):
        raise error

    monkeypatch.setattr(model, asked, fail)
    with pytest.raises(KapbenchError, match=said) as caught:
        evaluate(tmp_path, model())
    assert caught.value.place == place
    assert caught.value.__cause__ is error
    assert caught.value.fix


def test_a_models_own_place_is_kept(tmp_path, monkeypatch):
    def fail(*_):
        raise KapbenchError("missing", place="features/cat/1.safetensors")

    monkeypatch.setattr(TinyEncoder, "encode", fail)
    with pytest.raises(KapbenchError, match="missing") as caught:
        evaluate(tmp_path)
    assert caught.value.place == "features/cat/1.safetensors"


@pytest.mark.parametrize("model", [TinyEncoder, TinyPairModel])
def test_a_run_in_which_nothing_can_be_asked_says_so_and_has_no_number(tmp_path, model):
    blind = tuple(v.image_id for v in TinyDataset().views())
    done = evaluate(tmp_path, model(), TinyDataset(blind=blind), intervals=True)
    assert len(done.records) == 0
    assert {row.value for row in done.card.scores} == {None}
    assert {row.n for row in done.card.scores} == {0}
    again = load_records(done.folder)
    assert list(again["category"].cat.categories) == ["cat", "dog"]


def test_a_category_that_asks_nothing_stands_in_the_table_with_n_0(tmp_path):
    blind = tuple(v.image_id for v in TinyDataset().views() if v.category == "cat")
    done = evaluate(tmp_path, dataset=TinyDataset(blind=blind))
    cat, dog, mean = (
        done.card.score("kap-cvpr24", "kap", 0.1, where, average="category")
        for where in ("cat", "dog", "mean")
    )
    assert (cat.value, cat.n) == (None, 0)
    assert dog.value == mean.value


def test_every_headline_has_an_interval(tmp_path):
    # Six images a category: with four, a resample in sixteen is one image alone.
    dataset = TinyDataset(n_images=6)
    done = evaluate(tmp_path, dataset=dataset, intervals=True)
    for rule in RULES:
        average, over = rule.headline
        row = done.card.score(rule.name, rule.metric, 0.1, over, average=average)
        assert row.low < row.value < row.high


class OneBuffer(TinyEncoder):
    """Returns views of one array, which the next call overwrites."""

    def encode(self, pictures):
        maps = super().encode(pictures)
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros((len(pictures), *maps[0].values.shape), np.float32)
        for number, made in enumerate(maps):
            self.buffer[number] = made.values
        return [replace(made, values=self.buffer[n]) for n, made in enumerate(maps)]


class OneArray(TinyEncoder):
    """Returns one array for all pictures of a call."""

    def encode(self, pictures):
        maps = super().encode(pictures)
        for made in maps[1:]:
            maps[0].values[:] = made.values
        return [replace(made, values=maps[0].values[:]) for made in maps]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_buffer_that_is_used_again_by_the_next_call_is_read_before(tmp_path, batch_size):
    right = evaluate(tmp_path / "right", TinyEncoder(), batch_size=batch_size)
    again = evaluate(tmp_path / "again", OneBuffer(), batch_size=batch_size)
    assert again.records.equals(right.records)


def test_one_array_for_two_pictures_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="two feature maps in the same memory"):
        evaluate(tmp_path, OneArray(), batch_size=2)


def test_what_a_model_is_shown_is_a_copy_that_cannot_be_written():
    dataset = TinyDataset()
    view, kept = dataset.views()[0], np.zeros((20, 24, 3), np.uint8)
    dataset.pixels = lambda _: kept
    picture = make_picture(dataset, view, ("mask",))
    for array in (picture.pixels, picture.mask):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    picture.pixels.setflags(write=True)
    picture.pixels[:] = 1
    assert not kept.any()
    assert picture_hash(make_picture(dataset, view, ("mask",))) != picture_hash(picture)


@pytest.mark.parametrize("in_place", [np.ndarray.sort, lambda a: np.add(a, 1, out=a)])
def test_one_who_writes_into_a_picture_is_told_to_copy_it(tmp_path, in_place):
    class InPlace(TinyEncoder):
        def _map(self, picture):
            in_place(picture.pixels)
            return super()._map(picture)

    with pytest.raises(KapbenchError, match="is read-only") as caught:
        evaluate(tmp_path, InPlace())
    assert "picture.pixels.copy()" in caught.value.fix


class Writes(TinyPairModel):
    """Overwrites what it is shown, past the flag that forbids it."""

    def match(self, source, target, queries):
        self.asked.append(tuple(int(a.sum()) for a in (source.pixels, target.pixels, queries)))
        made = super().match(source, target, queries.copy())
        for array in (source.pixels, target.pixels, queries):
            array.setflags(write=True)
            array[:] = 0
        return made


def test_a_pair_model_that_overwrites_its_pictures_changes_nothing_for_later_pairs(tmp_path):
    right = evaluate(tmp_path / "right", TinyPairModel())
    model = Writes()
    assert evaluate(tmp_path / "writes", model).records.equals(right.records)
    sums = [asked for asked in model.asked if isinstance(asked[0], int)]
    assert all(source and target and queries for source, target, queries in sums)


@pytest.mark.parametrize("n", [-1, 0, 5])
def test_a_list_whose_length_is_wrong_is_an_error(n):
    class Odd(list):
        def __len__(self):
            return max(n, 0) if n >= 0 else 1 // 0

    class Returns(TinyEncoder):
        def encode(self, pictures):
            return Odd(super().encode(pictures))

    picture = Picture(np.zeros((20, 24, 3), np.uint8), "cat/0", "cat")
    with pytest.raises(KapbenchError, match=r"feature maps? for 1 picture|ZeroDivisionError"):
        feature_maps(Returns(), [picture])


def test_numpys_numbers_in_a_grid_become_pythons():
    grid = Grid(4, 4, (0.0, 0.0, 24.0, 20.0))
    object.__setattr__(grid, "height", np.int64(4))  # the tests check types, users' models do not
    object.__setattr__(grid, "box", (np.float32(0), 0, 24, np.float64(20)))
    sound = sound_grid(grid, "here")
    assert {type(n) for n in (sound.height, sound.width)} == {int}
    assert {type(n) for n in sound.box} == {float}


def test_masked_values_are_refused():
    values = np.ma.masked_greater(np.arange(4.0), 2)
    with pytest.raises(KapbenchError, match="masked in part"):
        numbers(values, "features", "here")
    assert numbers(np.ma.array([1.0]), "features", "here").tolist() == [1.0]
