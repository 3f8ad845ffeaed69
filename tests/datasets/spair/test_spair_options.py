"""SPair-71k: another symmetry table, what looks wrong, the devkit's difficulties."""

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_spair import annotation, edit, stem

from kapbench.cli import main
from kapbench.datasets.spair.dataset import small, spair
from kapbench.datasets.symmetry import symmetry
from kapbench.errors import KapbenchError

SHIPPED = {
    "ap-10k": "56dac38a008d6b9b59dd5461e4a1469d42433dbc1b2a1a94a601f2b989b3f132",
    "awa-pose": "8114d5c0c3471fd1918462fd986db6713b809492cfc654f07d7f5f7bd9830de8",
    "cub": "39757f9fe133b48da5fad5fac327f5927bfbbaba1ec6653a0d432199fcce5f9b",
    "spair": "4ad5a089f61480d4e76f54015a5165c0abceb0e786522e26c0dcd65ff1ae1eb6",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_symmetry_tables_are_pinned(name):
    content = files("kapbench.datasets").joinpath(f"{name}_symmetry.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHIPPED[name], (
        f"{name}_symmetry.json has changed, and SPair-71k's revision does not name its table: "
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


@pytest.mark.parametrize(("categories", "said"), [
    ({"cat": EARS}, "no symmetry table of 'dog'"),
    ({"cat": {"groups": [[2, 3]], "mirror": [[3, 4]]}, "dog": NONE}, "'cat' is not sound"),
])  # fmt: skip
def test_a_table_that_is_wrong_is_refused_at_the_door(tiny, tmp_path, categories, said):
    path = table(tmp_path / "table.json", **categories)
    with pytest.raises(KapbenchError, match=said):
        spair(root=tiny, symmetry_file=path)


def test_a_table_that_is_not_there(tiny, tmp_path):
    with pytest.raises(KapbenchError, match="no symmetry table"):
        spair(root=tiny, symmetry_file=str(tmp_path / "none.json"))


def test_boxes_that_all_reach_beyond_their_images(tiny):
    assert spair(root=tiny).remarks == ()
    ids = [f"{category}/{stem('test', n)}" for category in ("cat", "dog") for n in range(3)]
    for image_id in ids[:-1]:
        edit(annotation(tiny, image_id), bndbox=[100, 20, 200, 60])
    assert spair(root=tiny).remarks == ()
    edit(annotation(tiny, ids[-1]), bndbox=[50, 20, 90, 140])
    (said,) = spair(root=tiny).remarks
    assert said.startswith("every box reaches beyond its image")


class TestDifficulty:
    @staticmethod
    def pair_file(folder, pair, **content):
        path = folder / "PairAnnotation/test" / f"{pair.pair_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def test_without_pair_files_it_is_unknown(self, tiny):
        data = spair(root=tiny)
        assert set(data.difficulty().values()) == {(None, None)}
        assert data.notes == ("viewpoint variation unknown, scale variation unknown",)

    def test_what_a_pair_file_states(self, tiny):
        data = spair(root=tiny)
        cat, second, dog = data.pairs(["cat"])[0], data.pairs(["cat"])[1], data.pairs(["dog"])[0]
        self.pair_file(tiny, cat, viewpoint_variation=2, scale_variation=None, mirror=0)
        self.pair_file(tiny, second, viewpoint_variation=None, scale_variation=1)
        self.pair_file(tiny, dog, viewpoint_variation=0)
        found = data.difficulty()
        assert (found[cat.pair_id], found[second.pair_id]) == ((2, None), (None, 1))
        assert list(found) == [pair.pair_id for pair in data.pairs()]
        assert list(data.difficulty(["dog"])) == [pair.pair_id for pair in data.pairs(["dog"])]
        assert data.notes == ("viewpoint variation known, scale variation unknown",)

    def test_known_of_some(self, tiny):
        data = spair(root=tiny)
        self.pair_file(tiny, data.pairs(["cat"])[0], scale_variation=0)
        assert data.notes == (
            "viewpoint variation unknown, scale variation known of some categories",
        )

    @pytest.mark.parametrize("value", [3, -1, "hard"])
    def test_a_wrong_value_is_named(self, tiny, value):
        data = spair(root=tiny)
        path = self.pair_file(tiny, data.pairs()[0], viewpoint_variation=value)
        with pytest.raises(KapbenchError) as error:
            data.difficulty()
        assert f"{path}, key viewpoint_variation" == error.value.place

    def test_what_is_no_object(self, tiny):
        data = spair(root=tiny)
        self.pair_file(tiny, data.pairs()[0]).write_text("[]")
        with pytest.raises(KapbenchError, match="no pair annotation"):
            data.difficulty()

    def test_the_list_of_data_sets_says_so(self, tiny):
        words = ["list", "datasets", "--data-root", str(tiny.parent)]
        shown = CliRunner().invoke(main, words)
        assert shown.exit_code == 0, shown.output
        assert "viewpoint variation unknown, scale variation unknown" in shown.stdout
