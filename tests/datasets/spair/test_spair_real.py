"""The derived pairs against the pair files that the data set's makers ship with it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from kapbench.datasets.spair.dataset import spair

pytestmark = pytest.mark.skipif(
    "KAPBENCH_DATA" not in os.environ, reason="KAPBENCH_DATA is not set: no real SPair-71k"
)
# What has been counted by hand in the official lists.
OFFICIAL = {"test": 12_234, "val": 5_384, "trn": 53_340}


@pytest.fixture(scope="module", params=["val", "test"])
def data(request):
    return spair(request.param)


def pair_files(data):
    folder = next(iter(data.paths.values())).parents[2] / "PairAnnotation" / data.split
    if not folder.is_dir():
        pytest.skip(f"no pair files of {data.split} here")
    present = set(data.categories)
    names = sorted(p.name for p in folder.iterdir() if p.suffix == ".json")
    return [folder / n for n in names if n.removesuffix(".json").partition(":")[2] in present]


def test_pairs_equal_the_pair_files(data):
    files, pairs = pair_files(data), data.pairs()
    assert [f.name.removesuffix(".json") for f in files] == [p.pair_id for p in pairs]
    for file, pair in zip(files, pairs, strict=True):
        expected = json.loads(file.read_text())
        for view, said in ((pair.source, "src"), (pair.target, "trg")):
            assert view.image_id == f"{expected['category']}/{expected[f'{said}_imname'][:-4]}"
            assert list(view.size) == expected[f"{said}_imsize"][:2]
            assert list(view.bbox) == expected[f"{said}_bndbox"]
        x1, y1, x2, y2 = expected["trg_bndbox"]
        assert pair.size == max(x2 - x1, y2 - y1)
        both = pair.source.keypoints.visible & pair.target.keypoints.visible
        assert np.flatnonzero(both).tolist() == [int(k) for k in expected["kps_ids"]]
        assert pair.source.keypoints.xy[both].tolist() == expected["src_kps"]
        assert pair.target.keypoints.xy[both].tolist() == expected["trg_kps"]


@pytest.mark.parametrize("split", OFFICIAL)
def test_counts_are_official(split):
    coverage = spair(split).coverage
    assert coverage.n_pairs_expected == OFFICIAL[split]
    assert len(coverage.categories_expected) == 18
    assert coverage.complete == (coverage.n_pairs == OFFICIAL[split])


def test_photographs_and_masks_fit_their_annotations(data):
    for view in data.views():
        pixels = data.pixels(view)
        mask = data.mask(view)
        if mask is not None:
            assert mask.shape == pixels.shape[:2]
            x1, y1, x2, y2 = (round(v) for v in view.bbox)
            inside = mask[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1].sum()
            assert inside > 0


def test_a_data_root_is_where_it_is_said(tmp_path):
    (tmp_path / "SPair-71k").symlink_to(Path(os.environ["KAPBENCH_DATA"], "SPair-71k").resolve())
    assert spair(root=tmp_path).revision == spair().revision
