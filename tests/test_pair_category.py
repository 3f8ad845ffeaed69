"""A pair may join two categories: by what it is counted, and which images are of its group."""

import numpy as np

from kapbench.datasets.pair_list import PairList
from kapbench.types import Keypoints, Pair, View


def view(name, category):
    points = Keypoints(np.array([[1.0, 2.0]]), np.array([True]))
    return View(name, category, (9, 9), (0, 0, 9, 9), points)


def pair(source, target, pair_group=None):
    alone, itself = np.array([-1]), np.array([0])
    name = f"{source.image_id}>{target.image_id}"
    return Pair(name, source, target, 9.0, alone, itself, pair_group)


BUS, OTHER_BUS, CAR, VAN = (
    view(*of) for of in (("bus/1", "bus"), ("bus/2", "bus"), ("car/1", "car"), ("van/1", "van"))
)


def test_the_category_of_a_pair():
    assert pair(BUS, OTHER_BUS).category == "bus"
    assert pair(BUS, CAR).category == "bus>car"
    assert pair(BUS, CAR, "vehicles").category == "vehicles"
    assert pair(BUS, OTHER_BUS, "vehicles").category == "vehicles"


def test_a_list_of_pairs_is_divided_by_pair_group():
    """The group has a category's name, as in SOCO: images of that category are in it by pairs only."""
    pairs = [pair(BUS, CAR, "car"), pair(VAN, BUS, "bus"), pair(OTHER_BUS, VAN, "bus")]
    more = [view("cat/1", "cat")]
    data = PairList("d", "all", "r", "none", "none", pairs, {}, more_views=more)
    assert data.categories == ("bus", "car", "cat")
    assert [p.pair_id for p in data.pairs(["car"])] == ["bus/1>car/1"]
    assert [v.image_id for v in data.views(["car"])] == ["bus/1", "car/1"]
    assert [v.image_id for v in data.views(["bus"])] == ["bus/1", "bus/2", "van/1"]
    assert [v.image_id for v in data.views(["cat"])] == ["cat/1"]
    assert len(data.views()) == 5
