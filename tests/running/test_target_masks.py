"""Masks reach the rows of every kind of model, are read once, and are refused where they do not fit."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
from tiny_world import TinyDataset, TinyPairModel, evaluate

from kapbench.errors import KapbenchError
from kapbench.models.controls import Oracle
from kapbench.running.target_masks import TargetMasks


@dataclass
class HalfMasks(TinyDataset):
    """The object is the left half of the images of cats; dogs have no mask."""

    made: object = None
    mask_reads: list[str] = field(default_factory=list)

    def mask(self, view):
        self.mask_reads.append(view.image_id)
        if self.made is not None:
            return self.made
        left = np.zeros((20, 24), bool)
        left[:, :12] = True
        return left if view.category == "cat" else None


@pytest.mark.parametrize("model", [None, TinyPairModel(), Oracle()])
def test_rows_of_every_kind_of_model_have_them(tmp_path, monkeypatch, model):
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", 3)
    dataset = HalfMasks()
    rows = evaluate(tmp_path, model, dataset).records
    cats = (rows["category"] == "cat").to_numpy()
    assert set(rows["extent"][cats]) == {2}
    assert set(rows["extent"][~cats]) == {0}  # the box is the whole image
    for name in (c for c in rows if c.startswith("on_object@")):
        x, y = (rows[f"{c}@{name.partition('@')[2]}"] for c in "xy")
        on_object = (x >= 0) & (x < 12) & (y >= 0) & (y < 20)
        assert on_object[cats].any()
        np.testing.assert_array_equal(rows[name][cats], on_object[cats])
        assert set(rows[name][~cats]) == {-1}
    assert sorted(dataset.mask_reads) == sorted(v.image_id for v in dataset.views())


def test_those_of_finished_chunks_are_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", 3)
    whole = evaluate(tmp_path / "whole", dataset=HalfMasks())
    dataset = HalfMasks()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kapbench.running.run.join", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate(tmp_path, dataset=dataset)
    dataset.mask_reads.clear()
    assert evaluate(tmp_path, dataset=dataset).records.equals(whole.records)
    assert dataset.mask_reads == []


def test_they_are_small_and_can_be_sent_to_other_processes():
    dataset = HalfMasks()
    masks = TargetMasks.of(dataset, dataset.views())
    again = pickle.loads(pickle.dumps(masks))
    for view in dataset.views():
        of_view = again(view)
        expected = dataset.mask(view)
        assert (of_view is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(of_view, expected)
            assert of_view.dtype == bool
    assert len(masks.packed) == 4


@pytest.mark.parametrize("made", [np.ones((24, 20), bool), np.ones((20, 24), np.uint8)])
def test_a_mask_that_does_not_fit_is_refused(tmp_path, made):
    with pytest.raises(KapbenchError) as caught:
        evaluate(tmp_path, dataset=HalfMasks(made=made))
    assert caught.value.place == "tiny, image cat/0"
    assert "an image of 24×20 px needs truth values of the shape [20, 24]" in caught.value.thing
