"""Pairs of a target together and targets on many threads: the rows of one pair after another."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_world import TinyDataset, TinyEncoder, evaluate

from kapbench.running import pair_scorers
from kapbench.scoring.rules import load_rule

RULES = [load_rule(n) for n in ("kap-cvpr24", "kap-v1", "pck-geoaware-soft", "pck-dift", "geo")]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def scored(root, dataset=None):
    run = evaluate(root, TinyEncoder(), dataset or TinyDataset(n_images=7), RULES)
    return run.records


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_scorers, "PAIRS_AT_ONCE", 1)
        rows = scored(tmp_path_factory.mktemp("alone"))
    torch.set_num_threads(before)
    return rows


@pytest.mark.parametrize(("n_threads", "at_once"), [(1, 4), (2, 1), (2, 4), (8, 4)])
def test_rows_do_not_hang_on_it(tmp_path, monkeypatch, threads, alone, n_threads, at_once):
    monkeypatch.setattr(pair_scorers, "PAIRS_AT_ONCE", at_once)
    threads(n_threads)
    assert scored(tmp_path).equals(alone)


def test_threads_that_start_later_have_as_many_as_before(tmp_path, threads):
    threads(2)
    scored(tmp_path)
    found = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [2]
    assert torch.get_num_threads() == 2


class OtherwiseInEachPair(TinyDataset):
    """Every pair has a target of its own, whose keypoints differ, under one image's name."""

    def _make_pairs(self, categories):
        def without(view, keypoint):
            xy, visible = view.keypoints.xy.copy(), view.keypoints.visible.copy()
            xy[keypoint % len(xy)], visible[keypoint % len(xy)] = np.nan, False
            return replace(view, keypoints=replace(view.keypoints, xy=xy, visible=visible))

        pairs = super()._make_pairs(categories)
        return [replace(p, target=without(p.target, i)) for i, p in enumerate(pairs)]


def test_a_target_annotated_otherwise_in_each_pair(tmp_path):
    data = OtherwiseInEachPair()
    rows = scored(tmp_path, data).set_index("pair_id")
    for pair in data.pairs():
        shown = pair.source.keypoints.visible
        visible = rows.loc[[pair.pair_id], "target_visible"].to_numpy()
        assert visible.tolist() == pair.target.keypoints.visible[shown].tolist()
