"""AwA-Pose and CUB-200-2011: what lacks, what is wrong, what is read."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from scipy.io import savemat

from kapbench.datasets.awa_pose import awa_pose, keypoint_names
from kapbench.datasets.cub.dataset import cub
from kapbench.errors import KapbenchError
from kapbench.untrusted import strict_text

REAL = os.environ.get("KAPBENCH_DATA")
MOOSE = "AwA-Pose/Annotations_json/moose.json"
OPENED = {
    "awa-pose": (tiny.awa_pose, awa_pose, "AwA-Pose/JPEGImages/moose/moose_10001.jpg"),
    "cub": (tiny.cub, cub, "CUB_200_2011/images/002.Laysan_Albatross/bird_3.jpg"),
}


def edit(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def ids(dataset):
    return [pair.pair_id for pair in dataset.pairs()]


@pytest.fixture(params=OPENED)
def opened(request, tmp_path):
    """A function that opens it, and a photograph of it."""
    build, open_, photograph = OPENED[request.param]
    build(tmp_path)
    return (lambda **options: open_(root=tmp_path, **options)), tmp_path / photograph


@pytest.mark.parametrize("n", [4, 200])
def test_pairs_without_a_photograph_are_counted(opened, n):
    """They are drawn of the annotations: what is left are pairs of the whole."""
    open_, photograph = opened
    whole = open_(pairs=n)
    photograph.unlink()
    part = open_(pairs=n)
    lost = photograph.stem
    assert ids(part) == [name for name in ids(whole) if lost not in name] != ids(whole)
    assert part.coverage.n_pairs_expected == whole.coverage.n_pairs == len(whole.pairs())
    assert whole.coverage.complete
    assert not part.coverage.complete
    assert part.revision != whole.revision


def test_a_photograph_of_another_size_is_another_revision(opened):
    open_, photograph = opened
    before = open_().revision
    tiny.photograph(photograph, (120, 80))
    assert open_().revision != before


def test_each_annotation_file_is_read_once(opened, monkeypatch):
    read = []
    plain = strict_text.open_regular
    monkeypatch.setattr(strict_text, "open_regular", lambda p: read.append(p) or plain(p))
    opened[0]()
    assert read
    assert len(set(read)) == len(read)


class TestAwaPose:
    def change(self, root, keypoint, to, image="moose_10001"):
        content = json.loads((root / MOOSE).read_text())
        content[image]["a1"][keypoint] = to
        (root / MOOSE).write_text(json.dumps(content))

    @pytest.mark.parametrize("point", [[900, 900], [-7, 3], [3, 40.5]])
    def test_a_keypoint_outside_its_photograph_is_not_shown(self, tmp_path, point):
        tiny.awa_pose(tmp_path)
        before = awa_pose(root=tmp_path)
        assert not [r for r in before.remarks if "outside" in r]
        self.change(tmp_path, "nose", point)
        found = awa_pose(root=tmp_path)
        (view,) = [v for v in found.views() if v.image_id == "moose/moose_10001"]
        (old,) = [v for v in before.views() if v.image_id == "moose/moose_10001"]
        assert old.keypoints.visible.sum() - view.keypoints.visible.sum() == 1
        assert found.remarks[0] == "1 keypoint lies outside the image and counts as not visible"

    def test_a_box_of_keypoints_and_pairs_are_those_of_the_photograph(self, tmp_path):
        """Of four keypoints without a box, only one lies within the first photograph."""
        tiny.awa_pose(tmp_path)
        content = json.loads((tmp_path / MOOSE).read_text())
        outer = dict(zip(keypoint_names()[1:4], [[900, 5], [901, 5], [902, 5]], strict=True))
        content["moose_10000"]["a1"] = {"nose": [5, 5]} | outer
        content["moose_10001"]["a1"] |= {"nose": [5, 5]} | outer
        (tmp_path / MOOSE).write_text(json.dumps(content))
        dataset = awa_pose(root=tmp_path, min_shared=1)
        assert "moose/moose_10000" not in [view.image_id for view in dataset.views()]
        assert any("1 object without a box is left out" in r for r in dataset.remarks)
        strict = awa_pose(root=tmp_path, min_shared=13)
        shared = [
            (pair.source.keypoints.visible & pair.target.keypoints.visible).sum()
            for pair in strict.pairs()
        ]
        assert min(shared) >= 13
        assert "share fewer than 13" in "".join(strict.remarks)

    def test_animals_of_one_photograph_are_no_pair(self, tmp_path):
        tiny.awa_pose(tmp_path)
        plain, kept = (awa_pose(root=tmp_path, same_photograph=same) for same in (False, True))
        within = {"moose/moose_10003>moose_10003#a2", "moose/moose_10003#a2>moose_10003"}
        assert set(ids(kept)) - set(ids(plain)) == within
        assert "2 candidate pairs of two objects in one photograph" in plain.remarks[0]
        assert kept.remarks == ()
        assert kept.revision != plain.revision

    def test_one_that_shows_nothing_within_its_photograph_is_left_out(self, tmp_path):
        tiny.awa_pose(tmp_path)
        content = json.loads((tmp_path / MOOSE).read_text())
        content["moose_10001"]["a1"] = {"nose": [900, 900], "neck_base": [900, 901]}
        (tmp_path / MOOSE).write_text(json.dumps(content))
        found = awa_pose(root=tmp_path, min_shared=1)
        assert all("10001" not in v.image_id for v in found.views())
        assert not found.coverage.complete

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ([], "not a JSON object"),
            (5, "not a JSON object"),
            ({"a1": []}, "not a JSON object"),
            ({"a1": {"nose": [True, 1]}}, "not a list of 2 numbers"),
            ({"a1": {"nose": [1e300, 1]}}, "not a list of 2 numbers"),
            ({"a1": {"nose": [3, 3], "bbox": [50, 1, 10, 20]}}, "no area"),
        ],
    )
    def test_a_wrong_image_is_named(self, tmp_path, value, said):
        tiny.awa_pose(tmp_path)
        content = json.loads((tmp_path / MOOSE).read_text()) | {"moose_10002": value}
        (tmp_path / MOOSE).write_text(json.dumps(content))
        with pytest.raises(KapbenchError, match=said) as error:
            awa_pose(root=tmp_path)
        assert "moose.json, moose_10002" in str(error.value.place)
        assert "Correct" in error.value.fix

    def test_pickles_are_not_opened(self, tmp_path):
        path = tmp_path / "AwA-Pose/Annotations/moose/moose_10001.pickle"
        path.parent.mkdir(parents=True)
        path.touch()
        with pytest.raises(KapbenchError, match="pickles, which kapbench does not open"):
            awa_pose(root=tmp_path)


class TestCub:
    def test_a_species_without_photographs_is_left_out_and_named(self, tmp_path):
        tiny.cub(tmp_path)
        species = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
        whole = cub(root=tmp_path)
        assert whole.categories == species
        shutil.rmtree(tmp_path / "CUB_200_2011/images" / species[1])
        part = cub(root=tmp_path)
        assert part.categories == species[:1]
        assert str(part.coverage).startswith("partial: 1 of 2 categories (001.Black_footed_Alb")
        assert part.pairs() == part.pairs(species[:1])
        assert ids(part) == [name for name in ids(whole) if name.startswith("001")]
        assert part.revision != whole.revision
        with pytest.raises(
            KapbenchError, match=r"'002\.Laysan_Albatross' is not complete"
        ) as error:
            part.pairs(species[1:])
        assert error.value.place.parent == tmp_path / "CUB_200_2011/images" / species[1]

    @pytest.mark.skipif(not REAL, reason="KAPBENCH_DATA is not set: no real data")
    def test_the_real_data_set_is_that_of_the_photographs_that_are_present(self):
        images = Path(REAL) / "CUB_200_2011/images"
        if not images.is_dir():
            pytest.skip("there are no photographs of CUB-200-2011 below KAPBENCH_DATA")
        present = sorted(path.name for path in images.iterdir() if path.is_dir())
        dataset = cub(root=REAL)
        assert list(dataset.categories) == present
        assert len(dataset.coverage.categories_expected) == 200
        assert len(dataset.pairs()) == 20 * len(present)
        view = dataset.views()[0]
        assert dataset.pixels(view).shape == (view.size[1], view.size[0], 3)
        if len(present) < 200:
            absent = next(c for c in dataset.coverage.categories_expected if c not in present)
            with pytest.raises(KapbenchError, match="is not complete"):
                dataset.pairs([absent])

    @pytest.mark.parametrize(
        ("name", "old", "new", "said"),
        [
            ("image_class_labels.txt", "1 2\n", "1 999\n", "species 999 of image 1"),
            ("bounding_boxes.txt", "1 1.0 2.0 50.0", "1 1.0 2.0 -50.0", "has no area"),
            ("bounding_boxes.txt", "1 1.0 2.0 50.0 31.0", "1 1.0 2.0 50.0 0.0", "has no area"),
            ("bounding_boxes.txt", "2 1.0", "1 1.0", "An earlier line also begins with 1"),
            ("parts/part_locs.txt", "1 2 ", "1 1 ", "An earlier line also begins with 1"),
            ("images.txt", "2 001", "22 001", "no line of image 2"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, name, old, new, said):
        tiny.cub(tmp_path)
        path = tmp_path / "CUB_200_2011" / name
        edit(path, old, new)
        with pytest.raises(KapbenchError, match=said) as error:
            cub(root=tmp_path)
        assert str(path) in str(error.value.place)
        assert error.value.fix

    def test_a_part_outside_its_photograph_is_not_shown(self, tmp_path):
        tiny.cub(tmp_path)
        before = {v.image_id: v.keypoints.visible.sum() for v in cub(root=tmp_path).views()}
        path = tmp_path / "CUB_200_2011/parts/part_locs.txt"
        lines = path.read_text().splitlines()
        i = next(i for i, x in enumerate(lines) if x.startswith("1 ") and x.endswith("1"))
        lines[i] = " ".join([*lines[i].split()[:2], "500", "500", "1"])
        path.write_text("\n".join(lines))
        found = cub(root=tmp_path)
        assert found.remarks == ("1 keypoint lies outside the image and counts as not visible",)
        after = {v.image_id: v.keypoints.visible.sum() for v in found.views()}
        assert {k: before[k] - after[k] for k in before if before[k] != after[k]} == {
            "002.Laysan_Albatross/bird_1": 1
        }


class TestListOfImages:
    def test_asics(self, tmp_path):
        """Every ordered pair of a species' images in the list."""
        tiny.cub(tmp_path)
        path = tmp_path / "test_cub_cleaned.mat"
        images = np.zeros((1, 4), [("id", object), ("rel_path", object)])
        for i, n in enumerate((1, 3, 5, 8)):
            images[0, i] = (np.array([[n]]), f"00{n % 2 + 1}/bird_{n}.jpg")
        savemat(path, {"images": images})
        found = cub(root=tmp_path, image_list=str(path))
        assert [view.image_id.rpartition("_")[2] for view in found.views()] == ["8", "1", "3", "5"]
        odd = [
            f"002.Laysan_Albatross/bird_{n}>bird_{m}"
            for n in (1, 3, 5)
            for m in (1, 3, 5)
            if n != m
        ]
        assert ids(found) == odd
        assert found.revision != cub(root=tmp_path).revision
        assert len(cub(root=tmp_path, image_list=str(path), pairs=2).pairs()) == 2

    def test_text(self, tmp_path):
        tiny.cub(tmp_path)
        path = tmp_path / "list.txt"
        path.write_text("1\n002.Laysan_Albatross/bird_3.jpg\n\n")
        assert len(cub(root=tmp_path, image_list=str(path)).pairs()) == 2
        without = cub(root=tmp_path, image_list=str(path), photographs=False)
        assert [view.image_id for view in without.views()] == ["00001", "00003"]

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("a.mat", b"no matlab", "variable images.id cannot be read"),
            ("a.txt", b"", "contains no images"),
            ("a.txt", b"1\nbird.jpg\n", "'bird.jpg' is not in images.txt"),
            ("a.txt", b"99\n", "no line of image"),
        ],
    )
    def test_what_is_no_list(self, tmp_path, name, content, said):
        tiny.cub(tmp_path)
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(KapbenchError, match=said):
            cub(root=tmp_path, image_list=str(path))

    def test_no_file(self, tmp_path):
        tiny.cub(tmp_path)
        with pytest.raises(KapbenchError, match="file does not exist"):
            cub(root=tmp_path, image_list=str(tmp_path / "none.mat"))
