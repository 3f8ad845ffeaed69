"""COCO-keypoints files as annotation tools write them: what is read, and what is said of it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from PIL import Image

from kapbench.datasets.coco.dataset import coco
from kapbench.datasets.images import Header
from kapbench.datasets.orientation import follows_exif
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.reading import hash_revision
from kapbench.datasets.symmetry import of_table
from kapbench.errors import KapbenchError
from kapbench.models.saved_maps import SavedFeatures, save_features
from kapbench.types import Picture

NAMES = ["nose", "left_eye", "right_eye"]
SIZE = (80, 60)


def content(n=3):
    """One cat in each photograph of 80×60 px."""
    return {
        "images": [{"id": i, "file_name": f"{'abcd'[i]}.jpg"} for i in range(n)],
        "categories": [{"id": 7, "name": "cat", "keypoints": NAMES}],
        "annotations": [
            {"id": 10 + i, "image_id": i, "category_id": 7, "bbox": [5, 6, 40, 30]}
            | {"keypoints": [20 + i, 10, 2, 30, 20, 2, 40, 30 + i, 2]}
            for i in range(n)
        ],
    }


def opened(tmp_path, content, size=SIZE, orientation=None, **options):
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    for i, image in enumerate(content["images"]):
        path = tmp_path / image["file_name"].replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(path, exif=exif)
    path = tmp_path / "k.json"
    path.write_text(json.dumps(content))
    return coco(str(path), **options)


def remarks(dataset):
    return "\n".join(dataset.remarks)


class TestIdentity:
    def test_two_photographs_that_differ_in_their_ending(self, tmp_path):
        same_stem = content()
        same_stem["images"][1]["file_name"] = "a.png"
        dataset = opened(tmp_path, same_stem)
        ids = [view.image_id for view in dataset.views()]
        assert ids == ["a.jpg", "a.png", "c"]
        assert len({dataset.pixels(view).tobytes() for view in dataset.views()}) == 3
        assert {pair.pair_id for pair in dataset.pairs()} == {
            f"{s}>{t}" for s in ids for t in ids if s != t
        }
        assert "2 files differ from another only in their ending" in remarks(dataset)
        assert "part of their ids: a.jpg; a.png" in remarks(dataset)
        assert remarks(opened(tmp_path, content())) == ""

    def test_the_revision_is_not_that_of_the_ids_without_endings(self, tmp_path):
        """Runs of one photograph in place of two are not taken for runs of both."""
        same_stem = content()
        same_stem["images"][1]["file_name"] = "a.png"
        dataset = opened(tmp_path, same_stem)
        parts = [(tmp_path / "k.json").read_bytes(), repr(PairRule()), str((True, False))]
        parts += [part.tobytes() for part in of_table(3, [[1, 2]], [[1, 2]])]
        assert dataset.revision != hash_revision(parts)
        plain = opened(tmp_path, content())
        assert plain.revision == hash_revision([(tmp_path / "k.json").read_bytes(), *parts[1:]])

    def test_saved_features_are_those_of_their_photograph(self, tmp_path):
        same_stem = content()
        same_stem["images"][1]["file_name"] = "a.png"
        views = opened(tmp_path, same_stem).views()
        for i, view in enumerate(views):
            save_features(tmp_path / "maps", view.image_id, np.full((2, 8, 8), i, np.float32))
        pictures = [Picture(np.zeros((60, 80, 3), np.uint8), view.image_id) for view in views]
        maps = SavedFeatures(str(tmp_path / "maps")).encode(pictures)
        assert [feature_map.values[0, 0, 0] for feature_map in maps] == [0, 1, 2]

    def test_two_records_of_one_file(self, tmp_path):
        """As where two exports are merged: each has the record and the annotation."""
        merged = content()
        merged["images"].append({"id": 9, "file_name": "./a.jpg"})
        merged["annotations"].append(merged["annotations"][0] | {"id": 99, "image_id": 9})
        plain, twice = opened(tmp_path, content()), opened(tmp_path, merged)
        assert [p.pair_id for p in twice.pairs()] == [p.pair_id for p in plain.pairs()]
        assert "1 file has several records in `images`" in remarks(twice)
        assert "1 annotation is left out because another record of the same file" in remarks(twice)

    def test_two_records_with_different_objects_are_one_photograph(self, tmp_path):
        merged = content()
        merged["images"].append({"id": 9, "file_name": "a.jpg"})
        other = merged["annotations"][0] | {"id": 99, "image_id": 9, "bbox": [1, 2, 3, 4]}
        merged["annotations"].append(other)
        dataset = opened(tmp_path, merged)
        assert [v.image_id for v in dataset.views()] == ["a#10", "a#99", "b", "c"]
        assert "2 candidate pairs of two objects in one photograph" in remarks(dataset)

    def test_an_object_that_is_annotated_twice_is_said(self, tmp_path):
        twice = content()
        twice["annotations"].append(twice["annotations"][0] | {"id": 99})
        assert "1 annotation has the category, box and keypoints" in remarks(
            opened(tmp_path, twice)
        )

    def test_a_name_like_the_id_of_an_object(self, tmp_path):
        clash = content()
        clash["images"][1]["file_name"] = "a#10.jpg"
        clash["annotations"].append(clash["annotations"][0] | {"id": 99, "bbox": [1, 2, 3, 4]})
        with pytest.raises(KapbenchError, match="Two objects have the id 'a#10'") as error:
            opened(tmp_path, clash)
        assert "Rename" in error.value.fix

    def test_paths_that_windows_wrote(self, tmp_path):
        windows = content()
        for image in windows["images"]:
            image["file_name"] = f"images\\{image['file_name']}"
        dataset = opened(tmp_path, windows)
        assert [view.image_id for view in dataset.views()] == ["images/a", "images/b", "images/c"]
        assert dataset.pixels(dataset.views()[0]).shape == (60, 80, 3)


class TestPairsWithinOnePhotograph:
    @pytest.fixture
    def two_animals(self):
        two = content(2)
        two["annotations"].append(two["annotations"][0] | {"id": 20, "bbox": [1, 2, 30, 40]})
        return two

    def test_are_left_out_and_counted(self, tmp_path, two_animals):
        dataset = opened(tmp_path, two_animals)
        assert [p.pair_id for p in dataset.pairs()] == ["a#10>b", "a#20>b", "b>a#10", "b>a#20"]
        assert "2 candidate pairs of two objects in one photograph are left out" in remarks(dataset)

    def test_are_kept_where_it_is_wished(self, tmp_path, two_animals):
        plain = opened(tmp_path, two_animals)
        kept = opened(tmp_path, two_animals, same_photograph=True)
        assert len(kept.pairs()) == 6
        assert "left out" not in remarks(kept)
        assert kept.revision != plain.revision

    def test_nothing_else_to_pair(self, tmp_path, two_animals):
        del two_animals["annotations"][1]
        with pytest.raises(KapbenchError, match=r"All pairs that could be drawn \(2\)") as error:
            opened(tmp_path, two_animals)
        assert "same_photograph=true" in error.value.fix


class TestAnnotations:
    def test_booleans(self, tmp_path):
        tool = content()
        for annotation in tool["annotations"]:
            annotation["iscrowd"] = False
        assert len(opened(tmp_path, tool).pairs()) == 6
        tool["annotations"][0]["iscrowd"] = True
        tool["annotations"][1]["keypoints"][2::3] = [True, False, True]
        dataset = opened(tmp_path, tool, occluded=False)
        assert [view.image_id for view in dataset.views()] == ["b", "c"]
        assert dataset.views()[0].keypoints.visible.tolist() == [True, False, True]

    def test_nested_lists(self, tmp_path):
        nested = content()
        for annotation in nested["annotations"]:
            annotation["keypoints"] = np.reshape(annotation["keypoints"], (3, 3)).tolist()
        flat = opened(tmp_path, content())
        for view, other in zip(opened(tmp_path, nested).views(), flat.views(), strict=True):
            np.testing.assert_array_equal(view.keypoints.xy, other.keypoints.xy)

    def test_a_category_without_names(self, tmp_path):
        unnamed = content()
        del unnamed["categories"][0]["keypoints"]
        dataset = opened(tmp_path, unnamed)
        assert dataset.pairs()[0].twins.tolist() == [0, 1, 2]
        assert "Category 'cat' names no keypoints. They are named 0 to 2" in remarks(dataset)
        unnamed["annotations"][0]["keypoints"] += [1, 2, 2]
        with pytest.raises(KapbenchError, match=r"'cat' names no keypoints, .* 9 or 12 numbers"):
            opened(tmp_path, unnamed)

    @pytest.mark.parametrize("box", [None, [], [0, 0, 0, 0]])
    def test_no_box(self, tmp_path, box):
        boxless = content()
        boxless["annotations"][1]["bbox"] = box
        dataset = opened(tmp_path, boxless)
        assert dataset.views()[1].bbox == (21, 10, 40, 31)
        assert "1 annotation has no box: the box around the visible" in remarks(dataset)
        boxless["annotations"][1]["keypoints"][2::3] = [2, 0, 0]
        assert "one keypoint alone has no area" in remarks(opened(tmp_path, boxless))

    def test_nan_where_a_keypoint_is_not_labelled(self, tmp_path):
        nan = content()
        nan["annotations"][0]["keypoints"][:3] = [math.nan, math.nan, 0]
        nan["annotations"][1]["keypoints"][:3] = [None, None, 0]
        views = opened(tmp_path, nan, strict=True).views()
        assert [view.keypoints.visible[0] for view in views] == [False, False, True]

    def test_nan_where_it_is_labelled_is_named(self, tmp_path):
        nan = content()
        nan["annotations"][0]["keypoints"][3] = math.nan
        with pytest.raises(KapbenchError, match="not a number") as error:
            opened(tmp_path, nan, strict=True)
        assert str(error.value.place).endswith("k.json, annotation 10, keypoint left_eye")
        dataset = opened(tmp_path, nan)
        assert "annotation 10, keypoint left_eye: The position" in remarks(dataset)
        assert len(dataset.views()) == 2

    def test_wrong_ones_do_not_stop_the_file(self, tmp_path):
        """Each is counted and the first three are named."""
        some = content(4)
        good = some["annotations"][0]
        some["annotations"] += [
            good | {"id": 20, "bbox": [21, 30, 0, 0]},
            good | {"id": 21, "image_id": 99},
            good | {"id": 22, "keypoints": [[1, 2], [3, 4], [5, 6]]},
            good | {"id": 23, "category_id": 99},
        ]
        dataset = opened(tmp_path, some)
        assert len(dataset.pairs()) == 12
        [remark] = dataset.remarks
        assert remark.startswith("4 annotations cannot be used and are left out: ")
        assert "annotation 20: The box [21.0, 30.0, 21.0, 30.0]" in remark
        assert "annotation 21: Image 99 does not exist" in remark
        assert "annotation 22: The list of keypoints has 6 numbers" in remark
        assert "annotation 23" not in remark
        assert "strict=true" in remark
        with pytest.raises(KapbenchError, match="no area") as error:
            opened(tmp_path, some, strict=True)
        assert "annotation 20" in str(error.value.place)


class TestBoxesOfKeypoints:
    """Objects without a box: T comes from the keypoints that are visible in the end."""

    @pytest.fixture
    def boxless(self):
        """The second cat has no box, and its keypoints are 21, 10; 30, 20; 40, 31."""
        boxless = content()
        del boxless["annotations"][1]["bbox"]
        return boxless

    def test_a_keypoint_outside_the_photograph_is_not_in_the_box(self, tmp_path, boxless):
        plain = opened(tmp_path, boxless)
        boxless["annotations"][1]["keypoints"][6:8] = [900, 30]
        dataset = opened(tmp_path, boxless)
        assert dataset.views()[1].bbox == (21, 10, 30, 20)
        assert {p.size for p in dataset.pairs() if p.target.image_id == "b"} == {10}
        assert "1 keypoint lies outside the image" in remarks(dataset)
        assert dataset.revision != plain.revision

    def test_a_hidden_keypoint_is_in_the_box_where_it_counts(self, tmp_path, boxless):
        boxless["annotations"][1]["keypoints"][8] = 1
        counting, visible = (
            opened(tmp_path, boxless, occluded=occluded) for occluded in (True, False)
        )
        assert counting.views()[1].bbox == (21, 10, 40, 31)
        assert visible.views()[1].bbox == (21, 10, 30, 20)

    @pytest.mark.parametrize("last", [[21, 10, 2], [900, 20, 2]])
    def test_one_place_alone_has_no_box(self, tmp_path, boxless, last):
        boxless["annotations"][1]["keypoints"] = [21, 10, 2, 21, 700, 2, *last]
        dataset = opened(tmp_path, boxless)
        assert [view.image_id for view in dataset.views()] == ["a", "c"]
        assert "1 object without a box is left out" in remarks(dataset)

    def test_a_box_of_the_file_is_kept(self, tmp_path):
        outside = content()
        outside["annotations"][1]["keypoints"][6:8] = [900, 30]
        assert opened(tmp_path, outside).views()[1].bbox == (5, 6, 45, 36)


class TestExif:
    """Photographs of 80×60 px as stored and 60×80 px as shown."""

    @pytest.fixture
    def turned(self):
        """Keypoints as shown: some are below what is stored."""
        turned = content()
        for annotation in turned["annotations"]:
            annotation |= {"bbox": [10, 10, 40, 65], "keypoints": [20, 70, 2, 30, 20, 2, 40, 66, 2]}
        return turned

    def state(self, content, size):
        for image in content["images"]:
            image["width"], image["height"] = size
        return content

    @pytest.mark.parametrize("stated", [None, (80, 60), (60, 80)])
    @pytest.mark.parametrize("exif", [None, True])
    def test_keypoints_as_shown(self, tmp_path, turned, stated, exif):
        dataset = opened(
            tmp_path, self.state(turned, stated or (None, None)), orientation=6, exif=exif
        )
        assert {view.size for view in dataset.views()} == {(60, 80)}
        assert all(view.keypoints.visible.all() for view in dataset.views())
        assert dataset.pixels(dataset.views()[0]).shape == (80, 60, 3)
        evidence = "It is followed, because 6 keypoints would lie outside the photographs as stored"
        assert (evidence in remarks(dataset)) is (exif is None)
        assert ("3 sizes that the file states" in remarks(dataset)) is (stated == (80, 60))

    @pytest.mark.parametrize("stated", [None, (80, 60), (60, 80)])
    @pytest.mark.parametrize("exif", [None, False])
    def test_keypoints_as_stored(self, tmp_path, stated, exif):
        stored = self.state(content(), stated or (None, None))
        for annotation in stored["annotations"][:2]:
            annotation["keypoints"][0] = 75
        dataset = opened(tmp_path, stored, orientation=6, exif=exif)
        assert {view.size for view in dataset.views()} == {(80, 60)}
        assert dataset.views()[0].keypoints.visible.all()
        assert dataset.pixels(dataset.views()[0]).shape == (60, 80, 3)
        evidence = "not followed, because 2 keypoints would lie outside the rotated photographs"
        assert (evidence in remarks(dataset)) is (exif is None)

    def test_boxes_decide_where_keypoints_fit_both(self, tmp_path):
        boxes = content()
        for annotation in boxes["annotations"][:2]:
            annotation["bbox"] = [0, 0, 60, 79]
        assert "because 2 corners would lie outside" in remarks(
            opened(tmp_path, boxes, orientation=6)
        )

    @pytest.mark.parametrize("orientation", [2, 3, 6])
    def test_what_nothing_decides_is_refused(self, tmp_path, orientation):
        with pytest.raises(
            KapbenchError, match="do not show whether it is to be followed"
        ) as error:
            opened(tmp_path, content(), orientation=orientation)
        assert "Write --dataset-option exif=true" in error.value.fix
        assert "sizes" not in error.value.fix
        assert "exif=false" in error.value.fix
        assert str(error.value.place).endswith("a.jpg")
        pixels = [
            dataset.pixels(dataset.views()[0])
            for dataset in (
                opened(tmp_path, content(), orientation=orientation, exif=exif)
                for exif in (True, False)
            )
        ]
        assert pixels[0].shape != pixels[1].shape or (pixels[0] != pixels[1]).any()

    @pytest.mark.parametrize(
        ("stated", "reading"), [((60, 80), "rotated photographs"), (SIZE, "photographs as stored")]
    )
    def test_stated_sizes_are_named_and_decide_nothing(self, tmp_path, stated, reading):
        with pytest.raises(KapbenchError) as error:
            opened(tmp_path, self.state(content(), stated), orientation=6)
        assert error.value.fix.endswith(f". The sizes in the file are those of the {reading}")

    def test_points_outside_both_decide_nothing(self, tmp_path, turned):
        turned["annotations"][0]["keypoints"][0] = 75  # beyond the width as shown
        with pytest.raises(KapbenchError, match="do not show"):
            opened(tmp_path, turned, orientation=6)

    @pytest.mark.parametrize(
        ("n_turned", "n_outside", "beyond", "decides"),
        [
            (20, 1, 0.4, False),
            (20, 20, 0.4, False),
            (20, 1, 5, False),
            (20, 2, 5, True),
            (40, 2, 5, False),
            (40, 4, 5, True),
            (2, 1, 5, False),
            (1, 1, 0.9, False),
            (1, 1, 1.1, True),
        ],
    )
    def test_enough_photographs_must_show_it(self, n_turned, n_outside, beyond, decides):
        """One point each, of which some lie below the photographs as stored."""
        header = Header((80, 60), (60, 80), True)
        points = [
            (Path(f"{i}.jpg"), header, np.array([[5.0, 60.0 + beyond if i < n_outside else 5.0]]))
            for i in range(n_turned)
        ]
        if decides:
            assert follows_exif(points, [], "exif")[0]
        else:
            with pytest.raises(KapbenchError, match="do not show"):
                follows_exif(points, [], "exif")

    def test_photographs_without_an_orientation_are_as_before(self, tmp_path):
        dataset = opened(tmp_path, self.state(content(), SIZE), orientation=1)
        assert dataset.remarks == ()
        assert dataset.revision == opened(tmp_path, self.state(content(), SIZE)).revision

    def test_a_size_of_neither_is_refused_at_the_door(self, tmp_path):
        """With advice for the user's own file, not to fetch a data set again."""
        with pytest.raises(
            KapbenchError, match=r"says 640×480 px, the photograph a\.jpg has"
        ) as error:
            opened(tmp_path, self.state(content(), (640, 480)))
        assert str(error.value.place).endswith("k.json, image 0")
        assert "correct width and height" in error.value.fix
        with pytest.raises(KapbenchError, match="width and height are exchanged"):
            opened(tmp_path, self.state(content(), (60, 80)))

    def test_a_photograph_that_cannot_be_read(self, tmp_path):
        dataset = opened(tmp_path, content())
        path = tmp_path / "a.jpg"
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(KapbenchError, match="cannot be read") as error:
            dataset.pixels(dataset.views()[0])
        assert "Fetch" not in error.value.fix


def test_the_tiny_file_of_the_contract_is_read(tmp_path):
    spec, options = tiny.coco(tmp_path)
    assert len(coco(spec.removeprefix("coco:"), **options).pairs()) == 10
