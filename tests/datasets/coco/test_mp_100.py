"""MP-100 by MARCO's pairs: splits, keypoints by id, T, several objects, and wrong files."""

import json

import numpy as np
import pytest
import tiny_datasets as tiny

from kapbench.datasets.coco.mp_100 import mp_100
from kapbench.errors import KapbenchError

PAIRS = "mp100_all/pairs/pairs_furniture.json"
ANNOTATIONS = "mp100_all/annotations/mp100_split1_test.json"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_split_is_one_list_and_test_is_all(tmp_path):
    tiny.mp_100(tmp_path)
    ids = [pair.pair_id for pair in mp_100("furniture", root=tmp_path).pairs()]
    assert ids == ["furniture:00000:sofa/0>1", "furniture:00001:sofa/2>0"]
    every = mp_100(root=tmp_path / "mp100_all")
    assert every.categories == ("alpaca_face", "sofa")
    assert len(every.pairs()) == 4


def test_keypoints_are_those_of_one_object_by_id(tmp_path):
    """And not all that a photograph shows, one after the other."""
    tiny.mp_100(tmp_path)
    dataset = mp_100("furniture", root=tmp_path)
    pair = dataset.pairs()[1]
    annotation = tiny.coco_annotation(2, 2, 7, 5, 2)
    numbers = np.array(annotation["keypoints"]).reshape(5, 3)
    np.testing.assert_array_equal(pair.source.keypoints.visible, numbers[:, 2] > 0)
    shown = numbers[numbers[:, 2] > 0, :2]
    np.testing.assert_allclose(pair.source.keypoints.xy[pair.source.keypoints.visible], shown)
    assert pair.size == max(annotation["bbox"][2:])
    np.testing.assert_array_equal(pair.twins, [1, 0, 2, 4, 3])
    (remark,) = dataset.remarks
    assert remark.startswith("1 photograph has several annotated objects")


def test_a_missing_photograph_is_counted(tmp_path):
    tiny.mp_100(tmp_path)
    (tmp_path / "mp100_all/mp100/sofa/2.jpg").unlink()
    coverage = mp_100("furniture", root=tmp_path).coverage
    assert (coverage.n_pairs, coverage.n_pairs_expected) == (1, 2)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (PAIRS, lambda c: c[0].pop("trg_file"), "Key 'pairs.0.trg_file' is missing"),
        (PAIRS, lambda c: c[1].update(src_file="sofa/9.jpg"), "no annotation of category 7"),
        (PAIRS, lambda c: c[1].update(category_id=9), "no annotation of category 9"),
        (ANNOTATIONS, lambda c: c.pop("images"), "Key 'images' is missing"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, file, change, message):
    tiny.mp_100(tmp_path)
    edit(tmp_path / file, change)
    with pytest.raises(KapbenchError, match=message) as caught:
        mp_100("furniture", root=tmp_path)
    assert file.rpartition("/")[2] in str(caught.value.place)


def test_missing_lists_and_annotations_say_where_they_come_from(tmp_path):
    tiny.mp_100(tmp_path)
    (tmp_path / ANNOTATIONS).unlink()
    (tmp_path / ANNOTATIONS.replace("split1", "split2")).unlink()
    with pytest.raises(KapbenchError, match="no annotations of a test split") as caught:
        mp_100(root=tmp_path)
    assert "visinf/MARCO" in caught.value.fix
    with pytest.raises(KapbenchError, match="does not exist"):
        mp_100("clothing", root=tmp_path)
