"""Before hours of encoding: what the features will take, and whether there is room."""

from types import SimpleNamespace

import pytest
from tiny_world import TinyDataset, TinyEncoder

from kapbench.errors import KapbenchError
from kapbench.features import encode, encoding_work
from kapbench.features.cache import FeatureCache
from kapbench.progress import Progress


def encode_all(tmp_path, log=None):
    dataset = TinyDataset()
    return encode.encode_images(
        TinyEncoder(),
        dataset,
        dataset.views(),
        FeatureCache.of(TinyEncoder(), tmp_path),
        batch_size=2,
        progress=Progress(log=log),
    )


def test_a_full_disk_is_named_after_the_first_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding_work.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(KapbenchError, match=r"up to 6 × .* are free") as error:
        encode_all(tmp_path)
    assert "evict" in error.value.fix
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_much_is_told_and_little_is_not(tmp_path, monkeypatch):
    told = []
    encode_all(tmp_path / "little", told.append)
    assert not told
    monkeypatch.setattr(encoding_work, "_REPORTED_BYTES", 10)
    encode_all(tmp_path / "much", told.append)
    (line,) = told
    assert "6 ×" in line
    assert "free" in line
