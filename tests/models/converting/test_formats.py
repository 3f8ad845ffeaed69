"""Each format of a lab's features becomes the features themselves."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from dots import Colours, Dots
from safetensors.numpy import save_file

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_model
from kapbench.models.converting.convert_features import Choices, convert_features
from kapbench.models.converting.written_maps import MapsFolder
from kapbench.models.saved_maps_folder import Settings
from kapbench.types import FeatureMap, Grid, Picture

STRETCHED = Choices(Settings(grid="stretched"))


class TwoAspects(Dots):
    """Every other image is less high than wide, or less wide than high."""

    def _view(self, category, number):
        view = super()._view(category, number)
        other = (60, 64) if category == "dot" else (64, 60)
        return replace(view, size=other) if number % 2 else view

    def pixels(self, view):
        return super().pixels(view)[: view.size[1], : view.size[0]]


class Own(Colours):
    """What a lab saves: 3×16×16, 3×16×15 or 3×15×16."""

    def encode(self, pictures):
        maps = [
            (p.pixels[2::4, 2::4].transpose(2, 0, 1) / 255).astype(np.float32) for p in pictures
        ]
        grids = [Grid.stretched(p.size, *m.shape[1:]) for p, m in zip(pictures, maps, strict=True)]
        return [FeatureMap(m, g) for m, g in zip(maps, grids, strict=True)]


DATASET = TwoAspects(n_images=2)
PICTURES = [Picture(DATASET.pixels(view), view.image_id) for view in DATASET.views()]
MAPS = {p.image_id: m.values for p, m in zip(PICTURES, Own().encode(PICTURES), strict=True)}


def each(folder, write, name="{}"):
    for image_id, values in MAPS.items():
        path = folder / name.format(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, values)
    return folder


def one_h5(folder):
    folder.mkdir()
    with h5py.File(folder / "all.h5", "w") as file:
        for image_id, values in MAPS.items():
            file[f"{image_id}/feat"] = values.transpose(1, 2, 0)
            file[f"{image_id}/size"] = np.array([64, 64])
    return folder / "all.h5"


def one_npz(folder):
    folder.mkdir()
    np.savez(folder / "all.npz", **{i.replace("/", "_"): v[None] for i, v in MAPS.items()})
    return folder / "all.npz"


def tensor(values, dtype=torch.float32):
    return torch.from_numpy(values).to(dtype)


FORMATS = {
    "npy": lambda f: each(f, lambda p, v: np.save(p, v.transpose(1, 2, 0)), "x/{}.npy"),
    "npz": lambda f: each(f, lambda p, v: np.savez_compressed(p, feat=v[None]), "{}.jpg.npz"),
    "pt": lambda f: each(f, lambda p, v: torch.save({"f": tensor(v), "id": 3}, p), "{}.pt"),
    "old pth": lambda f: each(
        f,
        lambda p, v: torch.save(tensor(v), p, _use_new_zipfile_serialization=False),
        "{}_feat.pth",
    ),
    "safetensors": lambda f: each(
        f, lambda p, v: save_file({"x": np.ascontiguousarray(v)}, p), "{}.safetensors"
    ),
    "one h5": one_h5,
    "one npz": one_npz,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_maps_come_back(tmp_path, kind):
    source, out = FORMATS[kind](tmp_path / "lab"), tmp_path / "maps"
    key, suffix = "feat" if kind == "one h5" else None, "_feat" if kind == "old pth" else ""
    report = convert_features(source, out, DATASET, replace(STRETCHED, key=key, suffix=suffix))
    assert report.axes == ("hwc" if kind in ("npy", "one h5") else "chw")
    assert report.dropped_axes == (1 if "npz" in kind else 0)
    assert (report.channels, report.fewest_cells, report.most_cells) == (3, (15, 15), (16, 16))
    assert sum(report.spellings.values()) == report.n_written == len(MAPS)
    for feature_map, picture in zip(
        load_model(f"features:{out}").encode(PICTURES), PICTURES, strict=True
    ):
        np.testing.assert_array_equal(feature_map.values, MAPS[picture.image_id])
        assert feature_map.grid.box == (0, 0, *picture.size)


@pytest.mark.slow
def test_scores_are_those_of_the_model(tmp_path):
    convert_features(FORMATS["npy"](tmp_path / "lab"), tmp_path / "maps", DATASET, STRETCHED)
    options = {"rule": "pck-v1", "cache": tmp_path / "cache", "intervals": False}
    own, converted = (
        evaluate(model, DATASET, **options).records
        for model in (Own(), load_model(f"features:{tmp_path / 'maps'}"))
    )
    assert len(own)
    assert own.equals(converted)


def test_precision_is_kept(tmp_path):
    """bfloat16 becomes float32, which NumPy has; whole numbers become floats."""
    for dtype, kept in (
        (torch.float16, "float16"),
        (torch.bfloat16, "float32"),
        (torch.int8, "float32"),
    ):
        folder = tmp_path / kept / str(dtype)
        lab = each(folder / "lab", lambda p, v, d=dtype: torch.save(tensor(v * 100, d), p), "{}.pt")
        assert convert_features(lab, folder / "maps", DATASET, STRETCHED).types == (kept,)
        written = load_model(f"features:{folder / 'maps'}").encode(PICTURES[:1])[0].values
        expected = tensor(MAPS[PICTURES[0].image_id] * 100, dtype).float()
        np.testing.assert_array_equal(written.astype(np.float32), expected)


class TestAgain:
    def test_an_interrupted_conversion_goes_on_and_is_refused_until_then(
        self, tmp_path, monkeypatch
    ):
        lab, out = FORMATS["npy"](tmp_path / "lab"), tmp_path / "maps"
        write, written = MapsFolder.write, []

        def stop_at_the_third(self, image_id, *rest):
            if len(written) == 2:
                raise KeyboardInterrupt
            written.append(image_id)
            write(self, image_id, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(MapsFolder, "write", stop_at_the_third)
            with pytest.raises(KeyboardInterrupt):
                convert_features(lab, out, DATASET, STRETCHED)
        with pytest.raises(KapbenchError, match="conversion to this folder was interrupted"):
            load_model(f"features:{out}")
        report = convert_features(lab, out, DATASET, STRETCHED)
        assert (report.n_kept, report.n_written) == (2, 2)
        revision = load_model(f"features:{out}").revision
        convert_features(lab, tmp_path / "whole", DATASET, STRETCHED)
        assert load_model(f"features:{tmp_path / 'whole'}").revision == revision

    def test_a_changed_file_is_converted_again(self, tmp_path):
        lab, out = FORMATS["npy"](tmp_path / "lab"), tmp_path / "maps"
        convert_features(lab, out, DATASET, STRETCHED)
        np.save(lab / "x/dot/0.npy", np.ones((16, 16, 3), np.float32))
        report = convert_features(lab, out, DATASET, STRETCHED)
        assert (report.n_kept, report.n_written) == (3, 1)
        assert (load_model(f"features:{out}").encode(PICTURES[:1])[0].values == 1).all()

    def test_other_settings_need_force(self, tmp_path):
        lab, out = FORMATS["pt"](tmp_path / "lab"), tmp_path / "maps"
        convert_features(lab, out, DATASET, STRETCHED)
        other = Choices(Settings(grid="stretched", similarity="neg_l2"))
        with pytest.raises(KapbenchError, match="a conversion with other settings"):
            convert_features(lab, out, DATASET, other)
        convert_features(lab, out, DATASET, other, force=True)
        assert load_model(f"features:{out}").similarity == "neg_l2"

    def test_other_axes_need_force(self, tmp_path):
        lab, out = FORMATS["npy"](tmp_path / "lab"), tmp_path / "maps"
        for file in lab.rglob("*.npy"):
            np.save(file, np.ones((8, 8, 8), np.float32))
        convert_features(lab, out, DATASET, Choices(STRETCHED.settings, axes="hwc"))
        other = Choices(STRETCHED.settings, axes="chw")
        with pytest.raises(KapbenchError, match="a conversion with other axes"):
            convert_features(lab, out, DATASET, other)
        assert convert_features(lab, out, DATASET, other, force=True).n_kept == 0

    def test_maps_of_another_origin_are_left_alone(self, tmp_path):
        lab, out = FORMATS["pt"](tmp_path / "lab"), tmp_path / "maps"
        out.mkdir()
        save_file({"features": np.ones((3, 4, 4))}, out / "dot.safetensors")
        with pytest.raises(KapbenchError, match="maps that no conversion wrote"):
            convert_features(lab, out, DATASET, STRETCHED, force=True)
