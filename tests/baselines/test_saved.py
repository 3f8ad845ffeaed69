"""Features and similarity maps from disk."""

import numpy as np
import pytest
from pictures import picture
from safetensors.numpy import save_file

from kapbench.errors import KapbenchError
from kapbench.evaluation import load_model
from kapbench_baselines.saved import save_features, save_similarity

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


def test_settings_say_grid_and_similarity(tmp_path):
    shown = picture(40, 30)
    save_features(tmp_path, shown.image_id, np.ones((2, 3, 4), np.float32))
    with pytest.raises(KapbenchError, match="no square letterbox"):
        features(tmp_path).encode([shown])
    (tmp_path / "kapbench.json").write_text('{"grid": "stretched", "similarity": "neg_l2"}')
    model = features(tmp_path)
    assert model.similarity == "neg_l2"
    assert model.encode([shown])[0].grid.box == (0.0, 0.0, 40.0, 30.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "not JSON"), ('{"grid": "round"}', "grid is 'round'"), ("[1]", "not JSON")],
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
    with pytest.raises(KapbenchError, match="no saved maps"):
        features(tmp_path).encode([shown])
    (tmp_path / "thing").mkdir()
    (tmp_path / f"{shown.image_id}.pth").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match="where a safetensors file belongs"):
        features(tmp_path).encode([shown])
    (tmp_path / f"{shown.image_id}.safetensors").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match="not a safetensors file"):
        features(tmp_path).encode([shown])
    with pytest.raises(KapbenchError, match="no such folder"):
        features(tmp_path / "nowhere")


def test_revision_follows_the_files(tmp_path):
    shown = picture(40, 30)
    save_features(tmp_path, shown.image_id, np.ones((2, 3, 3), np.float32))
    before = features(tmp_path).revision
    save_features(tmp_path, shown.image_id, np.zeros((2, 3, 4), np.float32))
    assert features(tmp_path).revision != before


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
    save_similarity(tmp_path, "thing", shown.image_id.rpartition("/")[2],
                    np.ones((1, 2, 2), np.float32), np.ones((1, 2)))  # fmt: skip
    with pytest.raises(KapbenchError, match="no tensor 'features'"):
        features(tmp_path).encode([shown])
