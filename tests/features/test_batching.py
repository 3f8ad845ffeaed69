"""What an encoder gets at once: as asked, less where memory is short; prepared ahead where it can be."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_world import TinyDataset, TinyEncoder

from kapbench.errors import KapbenchError
from kapbench.features.batching import CPU, GPU, Batches
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.progress import Progress


@dataclass
class Greedy(TinyEncoder):
    """Runs out of memory above so many images."""

    holds: int = 3

    def encode(self, pictures):
        if len(pictures) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().encode(pictures)


class Preparing(TinyEncoder):
    """Keeps in which threads it prepared, and refuses what it did not prepare."""

    threads: frozenset[int] = frozenset()

    def prepare(self, picture):
        self.threads |= {threading.get_ident()}
        return picture.pixels.sum()

    def encode(self, pictures):
        for picture in pictures:
            assert picture.prepared == picture.pixels.sum()
        return super().encode(pictures)


def encode(model, root, batch_size=None, log=None):
    data, cache = TinyDataset(), FeatureCache.of(model, root)
    done = encode_images(
        model, data, data.views(), cache, batch_size=batch_size, progress=Progress(log=log)
    )
    return {name: cache.read(key).cells for name, key in done.hashes.items()}


def test_a_batch_that_memory_does_not_hold_is_halved_for_good(tmp_path):
    told, model = [], Greedy()
    found = encode(model, tmp_path / "greedy", 8, told.append)
    plain = encode(TinyEncoder(), tmp_path / "plain", 8)
    assert told == [
        "8 images at once do not fit into memory; the batch size is now 4",
        "4 images at once do not fit into memory; the batch size is now 2",
    ]
    assert model.seen == sorted(found)  # each once, in order
    for name, cells in plain.items():
        np.testing.assert_array_equal(found[name], cells)


def test_one_image_that_memory_does_not_hold_is_an_error(tmp_path):
    with pytest.raises(KapbenchError, match="out of memory") as error:
        encode(Greedy(holds=0), tmp_path, 2)
    assert "image cat/0" in error.value.place


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path):
    told = []
    with pytest.raises(KapbenchError, match="1 feature map for 2 pictures"):
        encode(TinyEncoder(wrong="too few"), tmp_path, 2, told.append)
    assert not told


@pytest.mark.parametrize(
    ("asked", "device", "size"), [(None, "cpu", CPU), (None, "cuda", GPU), (7, "cuda", 7)]
)
def test_the_size_is_as_asked_or_as_the_device_allows(asked, device, size):
    assert Batches.of(asked, device, Progress()).size == size


def test_pictures_come_prepared_by_other_threads(tmp_path):
    model = Preparing()
    found = encode(model, tmp_path / "ahead")
    assert threading.get_ident() not in model.threads
    plain = encode(TinyEncoder(), tmp_path / "plain")
    assert found.keys() == plain.keys()
    for name, cells in plain.items():
        np.testing.assert_array_equal(found[name], cells)
    before = model.threads
    encode(model, tmp_path / "ahead")  # all in the cache: nothing to prepare
    assert model.threads == before


def test_an_error_of_prepare_names_image_and_model(tmp_path):
    class Broken(Preparing):
        def prepare(self, picture):
            raise ZeroDivisionError("by zero")

    with pytest.raises(KapbenchError, match="ZeroDivisionError: by zero") as error:
        encode(Broken(), tmp_path)
    assert error.value.place == "image cat/0, model tiny-encoder"


def test_a_full_disk_is_told_by_the_file_that_it_has_no_room_for(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(KapbenchError, match="No space left") as error:
        encode(TinyEncoder(), tmp_path)
    assert str(tmp_path) in str(error.value.place)
    assert "Free disk space" in error.value.fix
