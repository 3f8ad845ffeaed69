"""Joining: the data set's order, whatever the stretches and however little is held."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tiny_world import TinyDataset, evaluate

from kapbench.running import join_chunks as joining
from kapbench.running.records_file import StoredRecords


def records(root):
    done = evaluate(root, dataset=TinyDataset(n_images=8))
    return done.folder / "records.parquet", done.records


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return records(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(("stretch", "held"), [(1, 1), (7, 50), (40, 10**6), (10**6, 3)])
def test_stretches_and_what_is_put_aside_change_nothing(
    tmp_path, monkeypatch, whole, stretch, held
):
    monkeypatch.setattr(joining, "STRETCH_PAIRS", stretch)
    monkeypatch.setattr(joining, "HELD_ROWS", held)
    path, found = records(tmp_path)
    assert_frame_equal(found, whole[1])
    assert not list(tmp_path.rglob(".tmp-*"))
    pairs = [p.pair_id for p in TinyDataset(n_images=8).pairs()]
    order = found["pair_id"].astype(str).map(pairs.index) * 100 + found["keypoint"]
    assert order.is_monotonic_increasing
    assert len(order) > len(pairs)
    assert_frame_equal(StoredRecords(path, ("cat", "dog")).table(), found)


def test_text_comes_back_as_categories_in_order(whole):
    found = StoredRecords(whole[0], ("dog", "cat", "emu")).table()
    assert list(found["category"].cat.categories) == ["cat", "dog", "emu"]
    names = list(found["source_image"].cat.categories)
    assert names == sorted(set(pd.read_parquet(whole[0])["source_image"].astype(str)))
