"""What cannot be read, or would have to be guessed, is refused with its place."""

import os
import pickle

import numpy as np
import pytest
import torch

from kapbench.errors import KapbenchError
from kapbench.models.converting import array_files, torch_files
from kapbench.models.converting.array_files import open_arrays
from kapbench.models.converting.axes import decide_axes
from kapbench.models.converting.file_names import match_names


def read_all(path):
    with open_arrays(path) as arrays:
        for name in arrays.shapes:
            arrays.read(name)


def refused(path, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    return caught.value


class Runs:
    """A pickle that makes a folder where it is opened."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("ending", ["npy", "npz", "pt", "pth"])
def test_objects_are_not_opened(tmp_path, ending):
    path, trap = tmp_path / f"a.{ending}", tmp_path / "made-by-a-pickle"
    if ending == "npy":
        np.save(path, np.array([Runs(trap)], object), allow_pickle=True)
    elif ending == "npz":
        np.savez(path, np.array([Runs(trap)], object))
    elif ending == "pt":
        torch.save({"x": Runs(trap)}, path)
    else:
        path.write_bytes(pickle.dumps(Runs(trap)))
    refused(path, "objects|allow_pickle")
    assert not trap.exists()


@pytest.mark.parametrize("ending", ["npy", "npz", "pt", "h5", "safetensors"])
def test_damaged_files(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"not such a file at all")
    refused(path, "not a whole|damaged|no tensors")
    values = np.ones((40, 9, 9), np.float32)
    if ending in ("npy", "npz"):
        np.save(path, values) if ending == "npy" else np.savez(path, values)
    elif ending == "pt":
        torch.save(torch.from_numpy(values), path)
    else:
        return
    whole = path.read_bytes()
    path.write_bytes(whole[:-2000])
    refused(path, "not a whole")
    if ending == "npy":
        path.write_bytes(whole.replace(b")", b"(", 1))  # of the shape in the header
        refused(path, "not a whole")


def test_no_numbers(tmp_path):
    np.save(tmp_path / "a.npy", np.array(["x"]))
    refused(tmp_path / "a.npy", "values of the type <U1, no numbers")
    for number, values in enumerate([torch.ones(2, dtype=torch.bool), torch.eye(3).to_sparse()]):
        torch.save(values, tmp_path / f"{number}.pt")
        refused(tmp_path / f"{number}.pt", "no plain numbers")


def test_too_large_files(tmp_path, monkeypatch):
    """The header alone is read: a few bytes of a zip can hold any number of zeros."""
    monkeypatch.setattr(array_files, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(torch_files, "MOST_BYTES_WHOLE", 1 << 10)
    zeros = np.zeros((300_000,), np.float32)
    np.savez_compressed(tmp_path / "a.npz", x=zeros)
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    np.save(tmp_path / "a.npy", zeros)
    torch.save(torch.from_numpy(zeros), tmp_path / "a.pt")
    for ending in ("npz", "npy", "pt"):
        assert "one array for each image" in refused(tmp_path / f"a.{ending}", "0 GiB that").fix
    torch.save(torch.ones(999), tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path / "b.pt", "torch's old format")


@pytest.mark.parametrize(
    ("shapes", "letterbox", "axes"),
    [
        ([(768, 24, 32), (768, 32, 24)], False, "chw"),
        ([(24, 32, 768), (32, 24, 768)], False, "hwc"),
        ([(768, 60, 60)], True, "chw"),
        ([(60, 60, 768), (37, 37, 768)], True, "hwc"),
        ([(768, 60, 60)], False, None),  # of a resize to a fixed shape, 768×60 cells are possible
        ([(24, 32, 768), (24, 40, 768)], False, None),  # both ends agree
        ([(60, 60, 60)], True, None),
    ],
)
def test_axes_are_those_that_all_files_show(shapes, letterbox, axes):
    named = {str(i): shape for i, shape in enumerate(shapes)}
    if axes is not None:
        assert decide_axes(named, None, letterbox=letterbox)[0] == axes
        other = "hwc" if axes == "chw" else "chw"
        with pytest.raises(KapbenchError, match=r"differs|are a square"):
            decide_axes(named, other, letterbox=letterbox)
        return
    with pytest.raises(KapbenchError, match="do not show whether channels") as caught:
        decide_axes(named, None, letterbox=letterbox)
    assert "--axes chw" in caught.value.fix
    assert decide_axes(named, "hwc", letterbox=letterbox) == ("hwc", "as --axes states")


@pytest.mark.parametrize(
    ("shape", "words"), [((3600, 384), "tokens.reshape"), ((2, 9, 9, 3), "a file each")]
)
def test_other_ranks_are_refused(shape, words):
    with pytest.raises(KapbenchError, match="not three axes") as caught:
        decide_axes({"a": shape}, None, letterbox=False)
    assert words in caught.value.fix


class TestNames:
    IDS = ("cat/1", "cat/10", "dog/1")

    @pytest.mark.parametrize("name", ["cat/1", "x/y/cat/1", "cat_1", "x/cat-1.jpg", "cat/1.JPEG"])
    def test_spellings(self, name):
        matched = match_names([name, "x/other"], self.IDS)
        assert matched.name_of == {"cat/1": name}
        assert (matched.missing, matched.unused) == (("cat/10", "dog/1"), ("x/other",))

    def test_a_bare_name_counts_in_one_folder_alone(self):
        assert match_names(["out/10"], self.IDS).name_of == {"cat/10": "out/10"}
        assert match_names(["cow/10", "pig/3"], self.IDS).name_of == {}

    def test_a_bare_name_of_two_images_is_ambiguous_unless_they_are_one(self):
        assert match_names(["1"], self.IDS).ambiguous == {"1": ("cat/1", "dog/1")}
        one = match_names(["1"], self.IDS, are_one_image=lambda ids: True)
        assert one.name_of == {"cat/1": "1", "dog/1": "1"}

    def test_two_names_of_one_image_are_ambiguous(self):
        names = ["old/cat/1", "new/cat/1"]
        assert match_names(names, self.IDS).ambiguous == {"cat/1": tuple(names)}

    def test_the_suffix_stands_behind_every_name(self):
        matched = match_names(["cat/1_feat", "cat/10"], self.IDS, suffix="_feat")
        assert (matched.name_of, matched.unused) == ({"cat/1": "cat/1_feat"}, ("cat/10",))
