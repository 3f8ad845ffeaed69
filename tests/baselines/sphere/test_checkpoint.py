"""Weights files: what is written is read back, and what is not ours is refused with a reason."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.training.backbones import check_backbone
from kapbench_baselines.training.tensor_files import read_tensors


def card(**changes: object) -> checkpoint.Card:
    fields = {
        "backbone": "toy", "backbone_revision": "1", "channels": 7, "width": 16, "heads": 2,
        "depth": 1, "token_grid": 6, "sphere_weight": 0.2, "categories": ("cat", "dog"),
        "dataset": "toy", "dataset_revision": "r", "split": "trn", "seed": 0, "steps": 3,
        "masks": {"mask": 4, "box": 4}, "settings": {"width": 16}, "scores": {"kap": 0.5},
    }  # fmt: skip
    return checkpoint.Card(**(fields | changes))  # type: ignore[arg-type]


def test_round_trip(tmp_path: Path) -> None:
    mapper = card().build()
    checkpoint.save(tmp_path / "w.safetensors", mapper.state_dict(), card())
    found, read, digest = checkpoint.load(tmp_path / "w.safetensors")
    assert read == card()
    assert len(digest) == 64
    for name, tensor in mapper.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)
    assert not found.training
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]  # no temporary left


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
    half = {k: v.half() for k, v in card().build().state_dict().items()}
    checkpoint.save(tmp_path / "w.safetensors", half, card())
    found, _, _ = checkpoint.load(tmp_path / "w.safetensors")
    assert {t.dtype for t in found.state_dict().values()} == {torch.float32}


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    mapper = card().build()
    for name in "abcd":
        checkpoint.save(tmp_path / name, mapper.state_dict(), card())
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1


def refusal(path: Path) -> str:
    with pytest.raises(KapbenchError) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value)
    assert "fix:" in str(error.value)
    return str(error.value)


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save({"weight": torch.zeros(1)}, path)
    assert "a pickle" in refusal(path)
    path.write_bytes(pickle.dumps({"weight": 1}))
    assert "a pickle" in refusal(path)


def test_missing_empty_and_truncated_files(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    assert "not found" in refusal(path)
    path.write_bytes(b"")
    assert "damaged" in refusal(path)
    checkpoint.save(path, card().build().state_dict(), card())
    path.write_bytes(path.read_bytes()[:-100])
    refusal(path)


def test_a_file_without_a_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(card().build().state_dict(), path)
    assert "without a card" in refusal(path)
    save_file(
        card().build().state_dict(), path, {"card": json.dumps({"format": checkpoint.FORMAT})}
    )
    assert "card cannot be read" in refusal(path)


def test_tensors_must_be_those_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, card(width=8).build().state_dict(), card())
    assert "do not fit" in refusal(path)


def test_another_backbone_or_revision_is_refused() -> None:
    check_backbone(card(), "toy", "1", "w", "sphere")
    with pytest.raises(KapbenchError, match="backbone 'toy', not of 'other'"):
        check_backbone(card(), "other", "1", "w", "sphere")
    with pytest.raises(KapbenchError, match="this toy is @2"):
        check_backbone(card(), "toy", "2", "w", "sphere")


def test_the_card_is_json_that_anyone_can_read(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "w.safetensors", card().build().state_dict(), card())
    _, metadata = read_tensors(tmp_path / "w.safetensors", "")
    assert json.loads(metadata["card"])["backbone"] == "toy"
