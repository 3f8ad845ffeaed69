"""Features and similarity maps from disk."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import picture
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_file

from kapbench import file_hashes
from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench.models.saved_maps import save_features, save_similarity

RNG = np.random.default_rng(0)


def features(folder):
    return load_model(f"features:{folder}", device="cpu")


def similarity(folder):
    return load_model(f"similarity:{folder}", device="cpu")


def test_features_come_back(tmp_path):
    shown, values = picture(40, 30), RNG.random((5, 6, 6), np.float32)
    save_features(tmp_path, shown.image_id, values)
    found = features(tmp_path).encode([shown])[0]
    np.testing.assert_array_equal(found.values, values)
    assert found.grid.box[1] == -5.0  # a letterbox reaches beyond the shorter side


def test_a_flat_folder_serves_one_category(tmp_path):
    shown = picture(40, 30)
    save_features(tmp_path, shown.image_id.rpartition("/")[2], np.ones((2, 3, 3), np.float32))
    assert features(tmp_path).encode([shown])[0].values.shape == (2, 3, 3)


def test_a_flat_folder_does_not_serve_two_images_of_one_name(tmp_path):
    cat, dog = picture(40, 30), picture(40, 30, 1)
    save_features(tmp_path, "1", np.ones((2, 3, 3), np.float32))
    model = features(tmp_path)
    model.encode([replace(cat, image_id="cat/1"), replace(cat, image_id="kitten/1")])
    with pytest.raises(KapbenchError, match=r"two different images, one of which is dog/1"):
        model.encode([replace(dog, image_id="dog/1")])


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_any_float_is_read(tmp_path, kind):
    shown, values = picture(40, 30), torch.arange(18.0).view(2, 3, 3)
    (tmp_path / "thing").mkdir()
    torch_file({"features": values.to(kind)}, tmp_path / f"{shown.image_id}.safetensors")
    np.testing.assert_array_equal(features(tmp_path).encode([shown])[0].values, values.numpy())


def test_settings_say_what_made_the_maps(tmp_path):
    """An absent file says: nothing but pixels, no supervision."""
    assert (features(tmp_path).conditions_on, features(tmp_path).supervision) == ((), "none")
    said = '{"conditions_on": ["mask"], "supervision": "keypoints", "trained_on": "SPair trn"}'
    (tmp_path / "kapbench.json").write_text(said)
    for model in (features(tmp_path), similarity(tmp_path)):
        assert model.conditions_on == ("mask",)
        assert (model.supervision, model.trained_on) == ("keypoints", "SPair trn")
    assert load_model(f"features:{tmp_path}", supervision="none").supervision == "none"


def test_settings_say_grid_and_similarity(tmp_path):
    shown = picture(40, 30)
    save_features(tmp_path, shown.image_id, np.ones((8, 3, 4), np.float32))
    with pytest.raises(KapbenchError, match="not a square letterbox"):
        features(tmp_path).encode([shown])
    (tmp_path / "kapbench.json").write_text('{"grid": "stretched", "similarity": "neg_l2"}')
    model = features(tmp_path)
    assert model.similarity == "neg_l2"
    assert model.encode([shown])[0].grid.box == (0.0, 0.0, 40.0, 30.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "The file is not JSON"),
        ('{"grid": "round"}', "Key 'grid': The value 'round' is not valid"),
        ('{"conditions_on": ["pose"]}', "Key 'conditions_on.0': The value 'pose' is not valid"),
        ('{"side": 0}', "Key 'side': The value 0 is not valid"),
        ('{"side": "wide"}', "Key 'side': The value 'wide' is not a whole number"),
        ('{"gird": "stretched"}', "(?s)Key 'gird' is unknown.*keys grid, side"),
        ("[1]", r"The value \[1\] is not a JSON object"),
    ],
)
def test_bad_settings(tmp_path, content, words):
    (tmp_path / "kapbench.json").write_text(content)
    with pytest.raises(KapbenchError, match=words):
        features(tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((2, 3, 3), np.nan, np.float32), "NaN"),
        (np.ones((2, 9), np.float32), r"shape \[2, 9\]"),
    ],
)
def test_bad_features_name_the_file(tmp_path, values, words):
    shown = picture(40, 30)
    path = tmp_path / f"{shown.image_id}.safetensors"
    path.parent.mkdir()
    save_file({"features": values}, path)
    with pytest.raises(KapbenchError, match=words) as caught:
        features(tmp_path).encode([shown])
    assert str(path) in str(caught.value)


def test_missing_maps_and_pickles(tmp_path):
    shown = picture(40, 30)
    others = [picture(40, 30, i) for i in range(1, 5)]
    save_features(tmp_path, others[0].image_id, np.ones((2, 3, 3), np.float32))
    with pytest.raises(
        KapbenchError, match="Saved maps are missing: 4 of 5 images asked for"
    ) as caught:
        features(tmp_path).encode([others[0], shown, *others[1:]])
    assert "(thing/40x30-0, thing/40x30-2, thing/40x30-3, …)" in caught.value.thing
    assert caught.value.place == tmp_path / "thing" / "40x30-0.safetensors"
    (tmp_path / f"{shown.image_id}.pth").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match=r"The folder holds thing/40x30-0\.pth and"):
        features(tmp_path).encode([shown])
    (tmp_path / f"{shown.image_id}.safetensors").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match="not a complete safetensors file"):
        features(tmp_path).encode([shown])
    with pytest.raises(KapbenchError, match="The folder does not exist"):
        features(tmp_path / "nowhere")
    with pytest.raises(KapbenchError, match="'features:' does not name a folder"):
        features("")


DOTS = Path(__file__).parents[1] / "support/dots.py"


def dots(tmp_path, model):
    options = {"runs": tmp_path / "runs", "cache": tmp_path / "cache", "batch_size": 1}
    return evaluate(model, load_dataset(f"{DOTS}:Dots"), rule="pck-v1", **options)


def test_all_missing_images_are_counted_before_the_first_is_read(tmp_path):
    for name in ("dot/0", "spot/0", "1"):  # the last serves both categories, as far as names tell
        save_features(tmp_path / "maps", name, np.ones((2, 3, 3), np.float32))
    with pytest.raises(KapbenchError, match="Saved maps are missing: 4 of 8 images") as caught:
        dots(tmp_path, features(tmp_path / "maps"))
    assert "(dot/2, dot/3, spot/2, …)" in caught.value.thing
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert not list((tmp_path / "runs").rglob("*"))


def test_all_missing_pairs_are_counted_before_the_first_is_read(tmp_path):
    maps, queries = np.ones((1, 2, 2), np.float32), np.ones((1, 2))
    save_similarity(tmp_path / "maps", "dot/0", "dot/1", maps, queries)
    with pytest.raises(KapbenchError, match="Saved maps are missing: 23 of 24 pairs") as caught:
        dots(tmp_path, similarity(tmp_path / "maps"))
    assert "(dot/0/dot/2, dot/0/dot/3, dot/1/dot/0, …)" in caught.value.thing


def test_maps_of_other_images_than_those_that_are_shown(tmp_path):
    """Saved maps see no corruption: clean ones would show no drop."""
    folder = tmp_path / "maps"
    for view in load_dataset(f"{DOTS}:Dots").views():
        save_features(folder, view.image_id, np.ones((2, 3, 3), np.float32))
    for stated, shown in (("{}", "fog:3"), ('{"corrupt": "fog:3"}', None)):
        (folder / "kapbench.json").write_text(stated)
        with pytest.raises(KapbenchError, match="clean images") as caught:
            evaluate(features(folder), f"{DOTS}:Dots", corrupt=shown, rule="pck-v1")
        assert "fog:3" in caught.value.fix


def test_a_file_that_was_cut_off(tmp_path):
    shown = picture(40, 30)
    path = save_features(tmp_path, shown.image_id, np.ones((2, 3, 3), np.float32))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(KapbenchError, match="not a complete safetensors file"):
        features(tmp_path).encode([shown])


def test_revision_follows_the_files(tmp_path):
    shown = picture(40, 30)
    save_features(tmp_path, shown.image_id, np.ones((2, 3, 3), np.float32))
    before = features(tmp_path).revision
    save_features(tmp_path, shown.image_id, np.zeros((2, 3, 4), np.float32))
    after = features(tmp_path).revision
    assert after != before
    (tmp_path / "kapbench.json").write_text('{"side": 448}')
    assert features(tmp_path).revision not in (before, after)


def test_what_cannot_be_read_is_not_written(tmp_path):
    """Wrong shapes are caught by the type checker here, and by the same check as in reading."""
    infinite = np.full((2, 3, 3), np.inf, np.float32)
    with pytest.raises(KapbenchError, match="NaN or infinite"):
        save_features(tmp_path, "thing/1", infinite)
    with pytest.raises(KapbenchError, match="NaN or infinite"):
        save_similarity(tmp_path, "thing/1", "thing/2", infinite, np.ones((2, 2)))
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("shape", "n_queries", "words"),
    [
        ((2, 9), 2, r"'similarity' has the shape \[2, 9\]"),
        ((2, 3, 3), 1, r"Similarity has the shape \[2, 3, 3\] and queries \[1, 2\]"),
    ],
)
def test_misshapen_similarity(tmp_path, shape, n_queries, words):
    source, target = picture(40, 30), picture(30, 40, 1)
    path = tmp_path / source.image_id / f"{target.image_id}.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"similarity": np.ones(shape), "queries": np.ones((n_queries, 2))}, path)
    with pytest.raises(KapbenchError, match=words) as caught:
        similarity(tmp_path).match(source, target, np.ones((1, 2)))
    assert caught.value.place == path


def test_the_nearest_saved_query_answers_within_half_a_pixel(tmp_path):
    source, target = picture(40, 30), picture(30, 40, 1)
    values = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    save_similarity(
        tmp_path, source.image_id, target.image_id, values, np.array([[5.0, 5], [5.6, 5]])
    )
    found = similarity(tmp_path).match(source, target, np.array([[5.4, 5.0], [5.2, 5.0]]))
    assert found.values[:, 0, 0].tolist() == [1, 0]
    with pytest.raises(KapbenchError, match="no map for 1 of 1"):
        similarity(tmp_path).match(source, target, np.array([[5.0, 5.51]]))


def test_a_pair_that_was_not_saved_is_named(tmp_path):
    source, target = picture(40, 30), picture(30, 40, 1)
    with pytest.raises(KapbenchError, match="no saved maps, and needs those of 1 pair") as caught:
        similarity(tmp_path).match(source, target, np.array([[5.0, 5.0]]))
    assert caught.value.place == tmp_path / source.image_id / f"{target.image_id}.safetensors"


def test_similarity_comes_back_in_the_order_asked(tmp_path):
    source, target = picture(40, 30), picture(30, 40, 1)
    queries = np.array([[1.0, 2], [30, 20], [5, 5]])
    values = RNG.random((3, 4, 4), np.float32)
    save_similarity(tmp_path, source.image_id, target.image_id, values, queries)
    found = similarity(tmp_path).match(source, target, queries[[2, 0]])
    np.testing.assert_array_equal(found.values, values[[2, 0]])


def test_a_query_without_map_is_named(tmp_path):
    source, target = picture(40, 30), picture(30, 40, 1)
    one = np.ones((1, 4, 4), np.float32)
    save_similarity(tmp_path, source.image_id, target.image_id, one, np.array([[1.0, 2]]))
    with pytest.raises(KapbenchError, match=r"no map for 1 of 2 queries[\s\S]*9\.0"):
        similarity(tmp_path).match(source, target, np.array([[1.0, 2], [9, 9]]))


def test_a_file_without_the_tensor_is_named(tmp_path):
    shown = picture(40, 30)
    save_similarity(
        tmp_path,
        "thing",
        shown.image_id.rpartition("/")[2],
        np.ones((1, 2, 2), np.float32),
        np.ones((1, 2)),
    )
    with pytest.raises(KapbenchError, match="no tensor 'features'"):
        features(tmp_path).encode([shown])


@pytest.mark.parametrize(("load", "kind"), [(features, "features"), (similarity, "similarity")])
def test_the_revision_is_of_the_contents_wherever_they_lie(tmp_path, load, kind):
    for name, value in (("one", 1), ("two", 2), ("copy", 1)):
        tensors = {kind: np.full((2, 3, 3), value, np.float32), "queries": np.ones((2, 2))}
        (tmp_path / name).mkdir()
        path = tmp_path / name / "a.safetensors"
        save_file(tensors, path)
        os.utime(path, ns=(10**18, 10**18))
    one, two, copy = (load(tmp_path / name).revision for name in ("one", "two", "copy"))
    assert one == copy != two


def test_a_remembered_hash_is_computed_again_on_request(tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_hashes, "_SETTLED_NS", -(10**18))  # as if hours had passed
    save_features(tmp_path / "maps", "cat/1", np.ones((2, 3, 3), np.float32))
    before = features(tmp_path / "maps").revision
    (memory,) = (tmp_path / "cache" / "hashes").iterdir()
    content = json.loads(memory.read_text())
    content["files"]["cat/1.safetensors"][1] = "0" * 64
    memory.write_text(json.dumps(content))
    assert features(tmp_path / "maps").revision != before
    assert load_model(f"features:{tmp_path / 'maps'}", device="cpu", rehash=True).revision == before
    assert features(tmp_path / "maps").revision == before
