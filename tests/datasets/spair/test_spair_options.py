"""SPair-71k: another symmetry table, what looks wrong."""

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest
from tiny_spair import annotation, edit, stem

from kapbench.datasets.spair.dataset import small, spair
from kapbench.datasets.symmetry import TABLES, symmetry
from kapbench.errors import KapbenchError

SHIPPED = {
    "animal-pose": "02e94ed8ac3e1474d42f50470f4849cead2a787bac8973a75117c828a8a36cae",
    "ap-10k": "56dac38a008d6b9b59dd5461e4a1469d42433dbc1b2a1a94a601f2b989b3f132",
    "awa-pose": "8114d5c0c3471fd1918462fd986db6713b809492cfc654f07d7f5f7bd9830de8",
    "cub": "39757f9fe133b48da5fad5fac327f5927bfbbaba1ec6653a0d432199fcce5f9b",
    "spair": "4ad5a089f61480d4e76f54015a5165c0abceb0e786522e26c0dcd65ff1ae1eb6",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_symmetry_tables_are_pinned(name):
    content = files("kapbench.datasets").joinpath(TABLES[name]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHIPPED[name], (
        f"{TABLES[name]} has changed, and SPair-71k's revision does not name its table: "
        "results by the old and by the new one would share a revision. Let the revision of the data "
        "set change with it (for spair, a constant that its hash begins with), then pin this hash."
    )


def table(path, **categories):
    path.write_text(json.dumps({"categories": categories}))
    return str(path)


NONE = {"groups": [], "mirror": []}
EARS = {"groups": [[2, 3]], "mirror": [[2, 3]]}


@pytest.mark.parametrize("open_", [spair, small])
def test_another_symmetry_table(tiny, tmp_path, open_):
    plain = open_(root=tiny)
    path = table(tmp_path / "table.json", cat=EARS, dog=NONE)
    given = open_(root=tiny, symmetry_file=path)
    (pair, *_), (dog, *_) = given.pairs(["cat"]), given.pairs(["dog"])
    assert np.flatnonzero(pair.groups == 0).tolist() == [2, 3]
    assert pair.twins[:4].tolist() == [0, 1, 3, 2]
    assert (dog.groups == -1).all()
    np.testing.assert_array_equal(plain.pairs(["cat"])[0].twins, symmetry("cat")[1])
    assert given.revision == open_(root=tiny, symmetry_file=path).revision != plain.revision
    table(tmp_path / "table.json", cat=NONE, dog=NONE)
    assert open_(root=tiny, symmetry_file=path).revision not in (given.revision, plain.revision)


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ({"cat": EARS}, "has no symmetry table of 'dog'"),
        ({"cat": {"groups": [[2, 3]], "mirror": [[3, 4]]}, "dog": NONE}, "'cat' is not consistent"),
    ],
)
def test_a_table_that_is_wrong_is_refused_at_the_door(tiny, tmp_path, categories, said):
    path = table(tmp_path / "table.json", **categories)
    with pytest.raises(KapbenchError, match=said):
        spair(root=tiny, symmetry_file=path)


def test_a_table_that_is_not_there(tiny, tmp_path):
    with pytest.raises(KapbenchError, match="file does not exist"):
        spair(root=tiny, symmetry_file=str(tmp_path / "none.json"))


def test_boxes_that_all_reach_beyond_their_images(tiny):
    assert spair(root=tiny).remarks == ()
    ids = [f"{category}/{stem('test', n)}" for category in ("cat", "dog") for n in range(3)]
    for image_id in ids[:-1]:
        edit(annotation(tiny, image_id), bndbox=[100, 20, 200, 60])
    assert spair(root=tiny).remarks == ()
    edit(annotation(tiny, ids[-1]), bndbox=[50, 20, 90, 140])
    (said,) = spair(root=tiny).remarks
    assert said.startswith("Every box reaches beyond its image")
