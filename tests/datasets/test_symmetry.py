import json

import numpy as np
import pytest
import tiny_datasets as tiny

from kapbench.datasets.proposal_flow.willow_objectclass import willow
from kapbench.datasets.symmetry import (
    categories,
    mirror_by_name,
    n_keypoints,
    read_symmetry,
    symmetry,
)
from kapbench.errors import KapbenchError


def test_there_are_eighteen_categories():
    assert len(categories()) == 18
    assert list(categories()) == sorted(categories())


@pytest.mark.parametrize("category", categories())
def test_tables_are_consistent(category):
    groups, twins = symmetry(category)
    assert len(groups) == len(twins) == n_keypoints(category) <= 30
    np.testing.assert_array_equal(twins[twins], np.arange(len(twins)))
    found, counts = np.unique(groups[groups >= 0], return_counts=True)
    np.testing.assert_array_equal(found, np.arange(len(found)))
    assert (counts >= 2).all()


def test_cat_by_hand():
    """Ear tips are 2 and 3, paws 9 to 12; neighbours are left and right; 8, 13, 14 lie between."""
    groups, twins = symmetry("cat")
    assert groups.tolist() == [-1, -1, 0, 0, -1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1]
    assert twins.tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 8, 10, 9, 12, 11, 13, 14]


def test_tables_cannot_be_changed():
    for table in symmetry("dog"):
        with pytest.raises(ValueError):
            table[0] = 5


@pytest.mark.parametrize(
    "facts",
    [
        {"groups": [[0, 1], [1, 2]], "mirror": []},
        {"groups": [[0, 0]], "mirror": []},
        {"groups": [], "mirror": [[0, 1], [1, 2]]},
        {"groups": [], "mirror": [[0, 1], [1, 0]]},
        {"groups": [], "mirror": [[0, 0]]},
        {"groups": [], "mirror": [[0, 1, 2]]},
        {"groups": [[0, 2]], "mirror": [[0, 1]]},
        {"groups": [[0.5, 1]], "mirror": []},
        {"groups": [["0", "1"]], "mirror": []},
        {"groups": [[True, 2]], "mirror": []},
        {"groups": [[-1, 2]], "mirror": []},
        {"groups": [], "mirror": [[2, 3]]},
    ],
)
def test_a_table_that_is_not_sound(tmp_path, facts):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"categories": {"cat": facts}}))
    with pytest.raises(KapbenchError, match="not consistent"):
        read_symmetry(path, "cat", 3)


@pytest.mark.parametrize("facts", [None, [], {"mirror": 5}, {"mirror": [5]}, {"groups": []}])
def test_what_is_no_table(tmp_path, facts):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"categories": {"cat": facts}}))
    with pytest.raises(KapbenchError, match="has no symmetry table of 'cat'"):
        read_symmetry(path, "cat", 3)


def test_a_table_with_a_mark_at_its_start(tmp_path):
    path = tmp_path / "mine.json"
    text = '{"categories": {"cat": {"groups": [[0, 1]], "mirror": [[0, 1]]}}}'
    path.write_text(text, encoding="utf-8-sig")
    assert read_symmetry(path, "cat", 3)[1].tolist() == [1, 0, 2]


def test_names_that_stand_twice_have_no_twin():
    assert mirror_by_name(["left_eye", "Left_Eye ", "right_eye", "l_paw", "r_paw"]) == [(3, 4)]


def test_willow_with_a_table(tmp_path):
    tiny.willow(tmp_path)
    path = tmp_path / "mine.json"
    path.write_text('{"categories": {"Winebottle": {"groups": [[2, 3]], "mirror": [[2, 3]]}}}')
    plain, own = willow(root=tmp_path), willow(root=tmp_path, symmetry_file=str(path))
    assert own.pairs()[0].twins.tolist() == [0, 1, 3, 2, *range(4, 10)]
    assert own.pairs()[0].groups.tolist() == [-1, -1, 0, 0, *[-1] * 6]
    assert plain.pairs()[0].twins.tolist() == list(range(10))
    assert own.revision != plain.revision
    assert [p.pair_id for p in own.pairs()] == [p.pair_id for p in plain.pairs()]
