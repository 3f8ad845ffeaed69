"""Saved maps whose axes or names are not those that kapbench reads, as other projects write them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pictures import picture
from safetensors.numpy import save_file

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.saved_maps import save_features, save_similarity

RNG = np.random.default_rng(0)
TRANSPOSE = "values.transpose(2, 0, 1)"


def named(image_id, width, height):
    return replace(picture(width, height), image_id=image_id)


def save(folder, shapes, **settings):
    """Features of images 0, 1, … in these shapes; returns their ids."""
    folder.mkdir(exist_ok=True)
    names = [f"cat/{i}" for i in range(len(shapes))]
    for name, shape in zip(names, shapes, strict=True):
        save_features(folder, name, RNG.random(shape, np.float32))
    if settings:
        (folder / "kapbench.json").write_text(json.dumps(settings))
    return names


def plan(folder, names):
    load_model(f"features:{folder}", device="cpu").check_plan(names, [])


@pytest.mark.parametrize(
    ("shapes", "settings", "words"),
    [
        ([(12, 12, 16)] * 3, {}, "first two axes are equal"),
        ([(12, 12, 16)] * 3, {"grid": "stretched"}, "first two axes are equal"),
        ([(12, 16, 8), (16, 12, 8)], {"grid": "stretched"}, "last axis is 8 in every file"),
        ([(12, 16, 8), (16, 12, 8)], {}, "last axis is 8 in every file"),
        ([(8, 8, 8)] * 2, {}, "does not show whether channels are first or last"),
    ],
)
def test_channels_last_are_refused_with_the_call_that_moves_them(tmp_path, shapes, settings, words):
    names = save(tmp_path / "maps", shapes, **settings)
    with pytest.raises(KapbenchError, match=words) as caught:
        plan(tmp_path / "maps", names)
    assert caught.value.place == tmp_path / "maps/cat/0.safetensors"
    assert TRANSPOSE in caught.value.fix
    assert "stretched" not in caught.value.fix
    save(tmp_path / "maps", shapes, **settings, axes="chw")  # the user says so: no doubt is left
    plan(tmp_path / "maps", names)


def test_the_advice_is_right(tmp_path):
    """The transposed features are read, and are those that were meant."""
    values = RNG.random((12, 12, 16), np.float32)
    save_features(tmp_path, "cat/0", np.ascontiguousarray(values.transpose(2, 0, 1)))
    plan(tmp_path, ["cat/0"])
    encoded = load_model(f"features:{tmp_path}", device="cpu").encode([named("cat/0", 40, 30)])[0]
    np.testing.assert_array_equal(encoded.values[:, 3, 5], values[3, 5])


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [
        ([(16, 12, 12)] * 3, {}),
        ([(768, 30, 40), (768, 25, 40)], {"grid": "stretched"}),
        ([(12, 12, 16), (12, 16, 12)], {"grid": "stretched"}),  # twelve channels indeed
        ([(3, 20, 20)], {}),
    ],
)
def test_channels_first_are_read(tmp_path, shapes, settings):
    names = save(tmp_path / "maps", shapes, **settings)
    plan(tmp_path / "maps", names)
    model = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    sizes = [(w * 10, h * 10) for _, h, w in shapes]
    pictures = [named(n, *size) for size, n in zip(sizes, names, strict=True)]
    assert [f.values.shape for f in model.encode(pictures)] == shapes


def test_files_of_different_models_are_named(tmp_path):
    names = save(tmp_path, [(8, 6, 6), (9, 7, 7)])
    with pytest.raises(KapbenchError, match=r"8 channels in 0\.safetensors and 9 in"):
        plan(tmp_path, names)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [((64, 48, 16), {"grid": "stretched"}), ((12, 16, 384), {"grid": "stretched"})],
)
def test_one_shape_for_all_images_is_compared_with_the_image(tmp_path, shape, settings):
    [name] = save(tmp_path / "maps", [shape], **settings)
    plan(tmp_path / "maps", [name])  # the shapes alone leave it open
    model = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    with pytest.raises(KapbenchError, match="look") as caught:
        model.encode([named(name, shape[1] * 10, shape[0] * 10)])
    assert TRANSPOSE in caught.value.fix
    save(tmp_path / "maps", [shape], **settings, axes="chw")
    stated = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    assert stated.encode([named(name, 480, 640)])[0].values.shape == shape


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((30, 40, 64), (640, 480)),
        ((45, 60, 64), (640, 480)),
        ((30, 40, 48), (640, 480)),
        ((28, 37, 64), (500, 375)),
        ((32, 48, 64), (480, 320)),
        ((24, 32, 32), (640, 480)),
        ((24, 32, 64), (480, 640)),  # neither order has plausible cells
    ],
)
def test_what_fits_the_image_in_both_orders_is_undecided(tmp_path, shape, size):
    [name] = save(tmp_path / "maps", [shape], grid="stretched")
    model = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    with pytest.raises(KapbenchError, match="does not show whether channels are first") as caught:
        model.encode([named(name, *size)])
    assert caught.value.place == tmp_path / f"maps/{name}.safetensors"
    assert '{"axes": "chw"}' in caught.value.fix
    save(tmp_path / "maps", [shape], grid="stretched", axes="chw")
    stated = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    assert stated.encode([named(name, *size)])[0].values.shape == shape


@pytest.mark.parametrize("size", [(640, 480), (500, 375), (480, 320), (375, 500), (300, 600)])
@pytest.mark.parametrize("shape", [(768, 60, 60), (384, 37, 37), (1280, 60, 60), (256, 32, 32)])
def test_ordinary_features_are_read_over_any_image(tmp_path, shape, size):
    for grid in ("stretched", "letterbox"):
        [name] = save(tmp_path / grid, [shape], grid=grid)
        model = load_model(f"features:{tmp_path / grid}", device="cpu")
        assert model.encode([named(name, *size)])[0].values.shape == shape


def test_few_channels_are_read_where_the_cells_are_better_so(tmp_path):
    [name] = save(tmp_path, [(64, 30, 40)], grid="stretched")
    model = load_model(f"features:{tmp_path}", device="cpu")
    assert len(model.encode([named(name, 640, 480)])) == 1


@pytest.mark.parametrize("planned", [True, False])
def test_images_of_other_shapes_show_which_axis_has_the_channels(tmp_path, planned):
    names = save(tmp_path, [(30, 40, 64), (30, 64, 40)], grid="stretched")
    model = load_model(f"features:{tmp_path}", device="cpu")
    if planned:
        model.check_plan(names, [])
    pictures = [named(names[0], 640, 480), named(names[1], 480, 640)]
    assert [f.values.shape for f in model.encode(pictures)] == [(30, 40, 64), (30, 64, 40)]


def test_a_square_grid_over_a_panorama_is_read(tmp_path):
    [name] = save(tmp_path / "maps", [(5, 8, 8)], grid="stretched")
    model = load_model(f"features:{tmp_path / 'maps'}", device="cpu")
    assert len(model.encode([named(name, 100, 10)])) == 1


def test_tokens_are_named(tmp_path):
    """[1, tokens, channels], as vision transformers return them."""
    [name] = save(tmp_path, [(1, 3600, 384)])
    with pytest.raises(KapbenchError, match="does not look like") as caught:
        load_model(f"features:{tmp_path}", device="cpu").encode([named(name, 40, 30)])
    assert "tokens.T.reshape" in caught.value.fix


class TestSimilarity:
    def save(self, folder, shapes):
        """`shapes`: of the maps, and number of queries."""
        pairs = [("cat/0", f"cat/{i}") for i in range(1, 1 + len(shapes))]
        for (source, target), (shape, n) in zip(pairs, shapes, strict=True):
            path = save_similarity(
                folder, source, target, np.ones((n, *shape[1:]), np.float32), np.ones((n, 2))
            )
            save_file({"similarity": np.ones(shape, np.float32), "queries": np.ones((n, 2))}, path)
        return pairs

    def plan(self, folder, pairs):
        load_model(f"similarity:{folder}", device="cpu").check_plan([], pairs)

    def test_queries_last_are_refused(self, tmp_path):
        pairs = self.save(tmp_path, [((8, 8, 8), 8), ((8, 8, 5), 5)])
        with pytest.raises(KapbenchError, match=r"\[8, 8, 5\] for 5 queries") as caught:
            self.plan(tmp_path, pairs)
        assert TRANSPOSE in caught.value.fix
        model = load_model(f"similarity:{tmp_path}", device="cpu")
        source, target = (named(i, 40, 30) for i in pairs[1])
        with pytest.raises(KapbenchError, match=r"it is \[height, width, queries\]"):
            model.match(source, target, np.ones((1, 2)))

    def test_queries_first_are_read(self, tmp_path):
        self.plan(tmp_path, self.save(tmp_path, [((8, 8, 8), 8), ((5, 8, 8), 5)]))

    def test_what_leaves_it_open_is_refused_until_it_is_stated(self, tmp_path):
        pairs = self.save(tmp_path, [((8, 8, 8), 8)])
        with pytest.raises(KapbenchError, match="does not show whether the queries"):
            self.plan(tmp_path, pairs)
        (tmp_path / "kapbench.json").write_text('{"axes": "chw"}')
        self.plan(tmp_path, pairs)


class TestNames:
    """GeoAware-SC, DIY-SC and Jamais Vu save cat/NAME_dino.pt beside cat/NAME_sd.pt."""

    def refused(self, folder, *names):
        with pytest.raises(KapbenchError) as caught:
            plan(folder, list(names))
        return caught.value

    def test_files_of_another_format_are_counted(self, tmp_path):
        (tmp_path / "cat").mkdir()
        for name in ("a_dino.pt", "b_dino.pt", "._b_dino.pt", "b_dino.pt~"):
            (tmp_path / "cat" / name).write_bytes(b"PK")
        error = self.refused(tmp_path, "cat/a", "cat/b")
        assert error.thing == (
            "The folder has no saved maps, and needs those of 2 of 2 images (cat/a, cat/b). The "
            "folder holds 2 .pt files (cat/a_dino.pt, …) and cat/b_dino.pt~"
        )
        assert f"kapbench convert features {tmp_path} --dataset NAME -o MAPS" in error.fix
        assert "saved-features.md#files-of-another-format" in error.fix

    def test_a_safetensors_file_of_another_name_is_renamed(self, tmp_path):
        save_features(tmp_path, "cat/a.jpg", np.ones((2, 3, 3), np.float32))
        error = self.refused(tmp_path, "cat/a")
        assert "The folder holds cat/a.jpg.safetensors" in error.thing
        assert error.fix == (
            "Name every file by its image's id alone: IMAGE_ID.safetensors, in place of "
            "a.jpg.safetensors"
        )

    def test_a_name_that_only_begins_alike_is_no_substitute(self, tmp_path):
        save_features(tmp_path, "cat/10", np.ones((2, 3, 3), np.float32))
        error = self.refused(tmp_path, "cat/1")
        assert "holds" not in error.thing
        assert error.fix.startswith("Save them in")

    def test_system_files_do_not_change_the_revision(self, tmp_path):
        save_features(tmp_path, "cat/a", np.ones((2, 3, 3), np.float32))
        before = load_model(f"features:{tmp_path}", device="cpu").revision
        (tmp_path / "cat/._a.safetensors").write_bytes(b"x")
        assert load_model(f"features:{tmp_path}", device="cpu").revision == before
