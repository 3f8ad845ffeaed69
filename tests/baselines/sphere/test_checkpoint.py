"""Weights files: what is written is read back, and what is not ours is refused with a reason."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.checkpoint import build
from kapbench_baselines.training.backbones import check_backbone
from kapbench_baselines.training.card import Card
from kapbench_baselines.training.tensor_files import read_tensors
from kapbench_baselines.training.trained_weights import FORMAT, save


def card(width: int = 16) -> Card:
    return Card(
        method="sphere",
        backbone="toy",
        backbone_revision="1",
        backbone_spec=None,
        categories=("cat", "dog"),
        dataset="toy",
        dataset_revision="r",
        split="trn",
        n_images=8,
        supervision="viewpoint and masks",
        seed=0,
        steps=3,
        shape={"channels": 7, "width": width, "heads": 2, "depth": 1, "token_grid": 6},
        settings={"width": 16, "sphere_weight": 0.2},
        scores={"kap": 0.5},
    )


# The same card as the shipped weights have it.
FIRST = {
    "format": checkpoint.FIRST_FORMAT,
    "backbone": "toy",
    "backbone_revision": "1",
    "channels": 7,
    "width": 16,
    "heads": 2,
    "depth": 1,
    "token_grid": 6,
    "sphere_weight": 0.2,
    "categories": ["cat", "dog"],
    "dataset": "toy",
    "dataset_revision": "r",
    "split": "trn",
    "seed": 0,
    "steps": 3,
    "masks": {"mask": 4, "box": 4},
    "settings": {"width": 16},
    "scores": {"kap": 0.5},
}


def test_round_trip(tmp_path: Path) -> None:
    mapper = build(card())
    save(tmp_path / "w.safetensors", mapper, card())
    found, read, digest = checkpoint.load(tmp_path / "w.safetensors")
    assert read == card()
    assert len(digest) == 64
    for name, tensor in mapper.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)
    assert not found.training
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]  # no temporary left


def test_a_file_of_the_first_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(build(card()).state_dict(), path, {"card": json.dumps(FIRST)})
    assert checkpoint.load(path)[1] == card()
    boxes = json.dumps(FIRST | {"masks": {"mask": 0, "box": 8}})
    save_file(build(card()).state_dict(), path, {"card": boxes})
    assert checkpoint.load(path)[1].supervision == "viewpoint and boxes"


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", build(card()).half(), card())
    found, _, _ = checkpoint.load(tmp_path / "w.safetensors")
    assert {t.dtype for t in found.state_dict().values()} == {torch.float32}


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    mapper = build(card())
    for name in "abcd":
        save(tmp_path / name, mapper, card())
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
    assert "does not exist" in refusal(path)
    path.write_bytes(b"")
    assert "damaged" in refusal(path)
    save(path, build(card()), card())
    path.write_bytes(path.read_bytes()[:-100])
    refusal(path)


def test_a_file_without_a_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(build(card()).state_dict(), path)
    assert "The weights have no card" in refusal(path)
    save_file(build(card()).state_dict(), path, {"card": json.dumps({"format": FORMAT})})
    assert "card cannot be read" in refusal(path)


def test_tensors_must_be_those_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(path, build(card(width=8)), card())
    assert "do not fit" in refusal(path)


def toy(name: str = "toy", revision: str = "1") -> SimpleNamespace:
    return SimpleNamespace(
        name=name, revision=revision, conditions_on=(), similarity="dot", encode=list
    )


def test_another_backbone_or_revision_is_refused() -> None:
    check_backbone(card(), toy(), "w")
    with pytest.raises(KapbenchError, match="backbone 'toy', not for 'other'"):
        check_backbone(card(), toy(name="other"), "w")
    with pytest.raises(KapbenchError, match="this toy is @2"):
        check_backbone(card(), toy(revision="2"), "w")


def test_the_card_is_json_that_anyone_can_read(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", build(card()), card())
    _, metadata = read_tensors(tmp_path / "w.safetensors", "")
    assert json.loads(metadata["card"])["backbone"] == "toy"
