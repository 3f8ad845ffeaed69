"""One id, one pair; one id, one image: from any data set, before a run."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_world import RULES, TinyDataset, TinyEncoder

from kapbench.errors import KapbenchError
from kapbench.running.plan import make_plan
from kapbench.types import Keypoints
from kapbench.untrusted.repeated_ids import check_ids, index_views


class Listed(TinyDataset):
    """With the pairs that a test sets."""

    def listed(self, pairs):
        self._pairs = list(pairs)
        return self


def test_a_run_of_two_pairs_with_one_id():
    pairs = TinyDataset().pairs()
    other = replace(pairs[3], pair_id=pairs[0].pair_id)
    with pytest.raises(KapbenchError, match="Two pairs have the id") as error:
        make_plan(TinyEncoder(), Listed().listed([*pairs, other]), RULES, None)
    images = [f"{p.source.image_id} and {p.target.image_id}" for p in (pairs[0], pairs[3])]
    assert all(names in error.value.thing for names in images)
    make_plan(TinyEncoder(), Listed().listed(pairs), RULES, None)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"size": (999, 999)}, "the size"),
        ({"bbox": (0.0, 0.0, 1.0, 1.0)}, "the box"),
        ({"category": "mouse"}, "the category"),
        ({"azimuth_bin": 6}, "the viewpoint"),
        ({"truncated": True}, "truncation"),
        ({"keypoints": Keypoints(np.ones((4, 2)), np.ones(4, bool))}, "lies elsewhere"),
    ],
)
def test_a_run_of_two_images_with_one_id(changes, difference):
    pairs = TinyDataset().pairs()
    changed = replace(pairs[5], target=replace(pairs[5].target, **changes))
    with pytest.raises(KapbenchError, match=difference) as error:
        make_plan(TinyEncoder(), Listed().listed([*pairs[:5], changed]), RULES, None)
    assert f"'{changed.pair_id}'" in error.value.thing
    assert f"'{changed.target.image_id}'" in error.value.thing


def test_an_image_that_is_annotated_again_in_the_same_way():
    pairs = [
        replace(p, source=replace(p.source), target=replace(p.target))
        for p in TinyDataset().pairs()
    ]
    check_ids(pairs, "tiny")
    views = TinyDataset().views()
    assert index_views(pairs, views, "tiny").keys() == {view.image_id for view in views}


def test_an_image_of_a_training_set():
    view = TinyDataset().views()[0]
    with pytest.raises(KapbenchError, match="one in no pair and one in no pair: the size"):
        index_views((), [view, replace(view, size=(1, 1))], "tiny")
