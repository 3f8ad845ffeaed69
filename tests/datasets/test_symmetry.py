import numpy as np
import pytest

from kapbench.datasets.symmetry import categories, n_keypoints, symmetry


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
