"""The folders of HPF, CHM and CATs: PF-PASCAL and PF-WILLOW with lists, photographs, annotations."""

import numpy as np
import pytest
import tiny_datasets as tiny
from scipy.io import savemat

from kapbench.datasets.proposal_flow.pf_pascal import pf_pascal
from kapbench.datasets.proposal_flow.pf_willow import pf_willow
from kapbench.errors import KapbenchError

XY = {i: tiny.points(5, (600, 400), i) for i in range(2)}
NAMES = [f"PF-PASCAL/JPEGImages/2007_00000{i}.jpg" for i in range(2)]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "PF-PASCAL"
    (folder / "Annotations/dog").mkdir(parents=True)
    for i, xy in XY.items():
        tiny.photograph(folder / f"JPEGImages/2007_00000{i}.jpg", (600, 400), i)
        points = xy.copy()
        points[i] = np.nan
        savemat(
            folder / f"Annotations/dog/2007_00000{i}.mat", {"kps": points, "bbox": [1, 1, 500, 300]}
        )
    # The points of a list, here of another frame, are not used.
    head, line = "source_image,target_image,class", f"{NAMES[0]},{NAMES[1]},12"
    (folder / "test_pairs.csv").write_text(f"{head},XA,YA,XB,YB\n{line},1;2,1;2,3;4,3;4\n")
    (folder / "val_pairs.csv").write_text(f"{head}\n{line}\n")
    (folder / "trn_pairs.csv").write_text(f"{head},flip\n{line},1\n")
    return tmp_path


@pytest.mark.parametrize("split", ["test", "val"])
@pytest.mark.parametrize("below", [".", "PF-PASCAL"])
def test_points_of_pf_pascal_are_those_of_both_annotations(root, split, below):
    (pair,) = pf_pascal(split, root=root / below).pairs()
    np.testing.assert_allclose(pair.source.keypoints.xy, XY[0][2:])
    np.testing.assert_allclose(pair.target.keypoints.xy, XY[1][2:])
    assert (pair.size, pair.target.category) == (600, "dog")


def test_training_pairs_are_mirrored(root):
    (pair,) = pf_pascal("trn", root=root).pairs()
    np.testing.assert_allclose(pair.source.keypoints.xy[:, 0], 600 - XY[0][2:, 0])


def test_a_missing_annotation_is_named(root):
    (root / "PF-PASCAL/Annotations/dog/2007_000001.mat").unlink()
    with pytest.raises(KapbenchError) as caught:
        pf_pascal(root=root)
    assert caught.value.place.name == "2007_000001.mat"


@pytest.mark.parametrize("below", [".", "PF-WILLOW"])
def test_pf_willow_is_read_from_hpfs_folder(tmp_path, below):
    tiny.pf_willow(tmp_path)
    expected = pf_willow(root=tmp_path)
    (tmp_path / "PF-dataset").rename(tmp_path / "PF-WILLOW")
    found = pf_willow(root=tmp_path / below)
    assert found.revision == expected.revision
    assert [p.pair_id for p in found.pairs()] == [p.pair_id for p in expected.pairs()]
