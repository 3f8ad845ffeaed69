"""Weights of any trained method: read back as written, refused with a reason otherwise."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kapbench.errors import KapbenchError
from kapbench_baselines.training import trained_weights
from kapbench_baselines.training.card import Card


def card(**changes) -> Card:
    fields = {
        "method": "dve",
        "backbone": "toy",
        "backbone_revision": "1",
        "backbone_spec": None,
        "categories": ("cat",),
        "dataset": "toy",
        "dataset_revision": "r",
        "split": "trn",
        "n_images": 8,
        "supervision": "none",
        "seed": 0,
        "steps": 3,
        "shape": {"width": 4},
        "settings": {"steps": 3},
        "scores": {"kap": 0.5, "pck": 0.25},
    }
    return Card(**(fields | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "w.safetensors"
    trained_weights.save(file, nn.Linear(2, 3), card())
    return file


def test_round_trip(path):
    tensors, read, digest = trained_weights.load(path, "dve")
    assert read == card()
    assert len(digest) == 64
    module = trained_weights.build(lambda: nn.Linear(2, 3), tensors, path, "dve")
    assert not module.training
    assert torch.equal(module.weight, tensors["weight"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.unlink(), "The weights file does not exist"),
        (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "not a safetensors file but a pickle"),
        (lambda p: p.write_bytes(p.read_bytes()[:40]), "something else|damaged"),
        (lambda p: p.write_bytes(b""), "an empty or damaged file"),
        (
            lambda p: trained_weights.write_tensors(p, {"a": torch.zeros(1)}, {}),
            "have no card|of format",
        ),
    ],
)
def test_what_is_not_ours_is_refused(path, spoil, said):
    spoil(path)
    with pytest.raises(KapbenchError) as caught:
        trained_weights.load(path, "dve")
    assert any(s in str(caught.value) for s in said.split("|")), caught.value
    assert str(path) in str(caught.value)
    assert "kapbench train dve" in str(caught.value)


def test_another_methods_weights_are_refused(path):
    with pytest.raises(KapbenchError, match="weights of dve, not of asic"):
        trained_weights.load(path, "asic")


def test_tensors_of_another_shape_are_refused(path):
    tensors, _, _ = trained_weights.load(path, "dve")
    with pytest.raises(KapbenchError, match="do not fit their own card"):
        trained_weights.build(lambda: nn.Linear(5, 3), tensors, path, "dve")


def test_the_readable_card_names_what_made_the_weights():
    text = trained_weights.readable(
        card(), "ab" * 32, [{"step": 2, "pck": 0.3}, {"step": 3, "pck": 0.25}]
    )
    for said in ("toy trn (r): 8 images", "KAP@0.10 50.0", "highest PCK at step 2", "ab" * 32):
        assert said in text


def test_seed_settings_and_data_make_the_identity():
    assert card().identity == card().identity
    for change in ({"seed": 1}, {"settings": {"steps": 4}}, {"dataset_revision": "q"}):
        assert card(**change).identity != card().identity


def test_a_card_that_was_read_back_is_of_its_training(tmp_path):
    """Tuples are lists there, and keys are sorted."""
    whole = card(settings={"steps": 3, "sides": (1.0, 2.0), "area": None})
    file = tmp_path / "w.safetensors"
    results = {"kept_step": 2, "precision": "fp32", "device": "cpu", "torch": "2"}
    trained_weights.save(file, nn.Linear(2, 3), replace(whole, scores={"pck": 0.1}, **results))
    _, read, _ = trained_weights.load(file, "dve")
    assert read.is_of(whole)
    assert not read.is_of(replace(whole, seed=1))
    assert not read.is_of(replace(whole, categories=("dog",)))
