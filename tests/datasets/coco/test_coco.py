"""COCO-keypoints files: against pycocotools, by hand, and bad input; AP-10K's own rule."""

import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from PIL import Image

from kapbench.datasets.coco.ap_10k import ap_10k, list_crowds
from kapbench.datasets.coco.dataset import coco
from kapbench.datasets.symmetry import mirror_by_name
from kapbench.errors import KapbenchError

REAL = os.environ.get("KAPBENCH_DATA")
SAMPLES = sorted(Path(REAL or "/nowhere").glob("coco-keypoints-samples/*/*.json"))
WHOLE = [p for p in SAMPLES if p.parent.name not in ("ak", "ap10k")]


@pytest.fixture
def content():
    return tiny.coco_content()


def opened(tmp_path, content, **options):
    for image in content["images"]:
        if str(image["file_name"]).endswith(".png"):
            tiny.photograph(tmp_path / "images" / image["file_name"], seed=1)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    return coco(str(path), **options)


@pytest.mark.skipif(REAL is None, reason="KAPBENCH_DATA is not set: no real data")
@pytest.mark.parametrize("path", WHOLE, ids=lambda p: p.parent.name)
def test_equal_to_pycocotools(path):
    """Boxes, keypoints, visibility and so T and pairs, read by COCO's own reader."""
    tools = pytest.importorskip("pycocotools.coco")
    with redirect_stdout(io.StringIO()):
        theirs = tools.COCO(str(path))
    ours = coco(str(path))
    files = {i["id"]: i["file_name"] for i in theirs.loadImgs(theirs.getImgIds())}
    known = {}
    for found in theirs.loadAnns(theirs.getAnnIds()):
        points = np.array(found["keypoints"], float).reshape(-1, 3)
        known[str(Path(files[found["image_id"]]).with_suffix(""))] = (found["bbox"], points)
    assert {v.image_id for v in ours.views()} == set(known)
    for pair in ours.pairs():
        width, height = known[pair.target.image_id][0][2:]
        assert pair.size == pytest.approx(max(width, height))
        for view in (pair.source, pair.target):
            points = known[view.image_id][1]
            np.testing.assert_array_equal(view.keypoints.visible, points[:, 2] > 0)
            shown = view.keypoints.visible
            np.testing.assert_allclose(view.keypoints.xy[shown], points[shown, :2])
    n = len(known)
    assert len(ours.pairs()) == n * (n - 1)  # all of these samples share keypoints


@pytest.mark.skipif(REAL is None, reason="KAPBENCH_DATA is not set: no real data")
def test_a_real_file_whose_categories_are_not_all_there_is_told_so():
    [path] = [p for p in SAMPLES if p.parent.name == "ak"]
    with pytest.raises(KapbenchError, match="Category 4 does not exist"):
        coco(str(path))


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left_eye", "right_eye", "nose"], [(0, 1)]),
        (["R_Eye", "Nose", "L_Eye"], [(0, 2)]),
        (["Eye_Left", "Eye_Right ", "Mouth_Back_Left"], [(0, 1)]),
        (["front left paw", "front right paw", "rear left paw"], [(0, 1)]),
        (["leftover", "rightover", "forelegL1", "forelegR1"], []),
    ],
)
def test_twins_by_name(names, pairs):
    assert mirror_by_name(names) == pairs


def test_objects_of_one_photograph_are_views_of_their_own(tmp_path, content):
    found = opened(tmp_path, content)
    assert [v.image_id for v in found.views()] == ["photo_0", "photo_1", "photo_2#2", "photo_2#3"]
    assert found.pairs()[0].twins.tolist() == [1, 0, 2, 4, 3]
    assert found.pairs()[0].groups.tolist() == [0, 0, -1, 1, 1]
    assert found.pairs()[0].size == 50


def test_hidden_keypoints_count_if_asked_for(tmp_path, content):
    content["annotations"][0]["keypoints"][5] = 1
    with_hidden, without = (opened(tmp_path, content, occluded=o) for o in (True, False))
    shown = [d.views()[0].keypoints.visible.sum() for d in (with_hidden, without)]
    assert shown[0] == shown[1] + 1
    assert with_hidden.revision != without.revision


def test_pairs_are_drawn_by_seed(tmp_path, content):
    whole = {p.pair_id for p in opened(tmp_path, content).pairs()}
    some = [p.pair_id for p in opened(tmp_path, content, pairs=5, seed=3).pairs()]
    assert len(some) == 5
    assert set(some) < whole
    assert some == [p.pair_id for p in opened(tmp_path, content, pairs=5, seed=3).pairs()]
    assert some != [p.pair_id for p in opened(tmp_path, content, pairs=5, seed=4).pairs()]


def wrong(change):
    content = tiny.coco_content()
    change(content)
    return content


def put(*keys):
    """Sets what the last but one key names."""
    *path, last, value = keys

    def change(content):
        for key in path:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said", "place"),
    [
        (put("annotations", 0, "keypoints", 0, "12"), "number", "annotation 0, key keypoints.0"),
        (
            put("annotations", 0, "keypoints", 2, 3),
            "visibility 3",
            "annotation 0, keypoint left_eye",
        ),
        (put("annotations", 0, "keypoints", [1, 2, 2]), "3 numbers", "annotation 0"),
        (put("annotations", 0, "bbox", [1, 2, 3]), "at least 4", "annotation 0, key bbox"),
        (lambda c: c["annotations"][0].pop("id"), "'id' is missing", "annotations[0]"),
        (put("annotations", 0, None), "JSON object", "annotations[0]"),
        (put("annotations", 0, "bbox", [1, 2, 0, 4]), "no area", "annotation 0"),
        (put("annotations", 0, "image_id", 99), "Image 99 does not exist", "annotation 0"),
        (put("annotations", 0, "category_id", 1), "Category 1 does not exist", "annotation 0"),
        (put("annotations", 1, "id", 0), "id 0 occurs twice in annotations", "x.json"),
        (put("images", 1, "id", 0), "id 0 occurs twice in images", "x.json"),
        (put("images", 0, "file_name", 5), "not a text", "images.0.file_name"),
        (put("images", []), "does not exist", "annotation 0"),
        (lambda c: c.pop("categories"), "'categories' is missing", "categories"),
        (put("categories", 0, "flip_pairs", [[0, 9]]), "flip_pairs", "category cat"),
        (put("categories", 0, "flip_pairs", [[0, 1], [1, 2]]), "flip_pairs", "category cat"),
        (put("categories", 0, "flip_pairs", [[0, 0]]), "flip_pairs", "category cat"),
        (put("categories", None), "list", "categories"),
        (put("categories", 5), "list", "categories"),
        (put("categories", [None]), "JSON object", "categories.0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, said, place):
    with pytest.raises(KapbenchError) as error:
        opened(tmp_path, wrong(change), strict=True)
    assert said in error.value.thing
    assert place in str(error.value.place)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "x.json"
    for text, said in (("", "not JSON"), ("[1]", "JSON object"), ('{"images": NaN}', "not a list")):
        path.write_text(text)
        with pytest.raises(KapbenchError, match=said):
            coco(str(path))
    with pytest.raises(KapbenchError, match="file does not exist"):
        coco(str(tmp_path / "none.json"))


def test_a_photograph_that_is_missing(tmp_path, content):
    opened(tmp_path, content)
    (tmp_path / "images/photo_1.png").unlink()
    n = len(list((tmp_path / "images").iterdir())) + 1
    said = rf"1 of {n} photographs is missing: photo_1\.png"
    with pytest.raises(KapbenchError, match=said) as error:
        coco(str(tmp_path / "x.json"))
    assert error.value.place == tmp_path / "images"
    assert "images=FOLDER" in str(error.value.fix)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(KapbenchError, match="There is no photograph photo_"):
        coco(str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    "options", [{"pairs": -3}, {"pairs": 0}, {"min_shared": -1}, {"seed": -1, "pairs": 2}]
)
def test_a_rule_that_cannot_be_followed(tmp_path, content, options):
    with pytest.raises(KapbenchError, match=f"{next(iter(options))}=") as error:
        opened(tmp_path, content, **options)
    assert "or more" in str(error.value.fix)


def test_no_image_is_paired_with_itself(tmp_path, content):
    found = opened(tmp_path, content, min_shared=0).pairs()
    assert found
    assert all(p.source.image_id != p.target.image_id for p in found)


def test_one_image_of_each_category_is_told(tmp_path, content):
    content["categories"] += [content["categories"][0] | {"id": n} for n in range(3)]
    for annotation, n in zip(content["annotations"], (7, 0, 1, 2), strict=True):
        annotation["category_id"] = n
    with pytest.raises(KapbenchError, match="no category with two images"):
        opened(tmp_path, content)


def test_exif_turns_sizes_and_pixels(tmp_path, content):
    """Photographs of 60×40 px that are to be shown as 40×60 px."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("png", "jpg")
        Image.new("RGB", (60, 40)).save(tmp_path / image["file_name"], exif=exif)
    content["annotations"][0]["keypoints"][:3] = [5.0, 55.0, 2]
    stored, upright = (opened(tmp_path, content, exif=e) for e in (False, True))
    assert not stored.views()[0].keypoints.visible[0]
    assert upright.views()[0].keypoints.visible[0]
    for found, size in ((stored, (60, 40)), (upright, (40, 60))):
        for view in found.views():
            assert view.size == size
            assert found.pixels(view).shape == (size[1], size[0], 3)


class TestRemarks:
    def test_boxes_that_are_corners(self, tmp_path, content):
        assert "x1, y1, x2, y2" not in " ".join(opened(tmp_path, content).remarks)
        for annotation in content["annotations"]:
            annotation["bbox"] = [20, 10, 58, 38]
        assert "x1, y1, x2, y2" in " ".join(opened(tmp_path, content).remarks)

    def test_keypoints_outside_are_not_shown_and_told(self, tmp_path, content):
        content["annotations"][1]["keypoints"][:3] = [-4, 5, 2]
        found = opened(tmp_path, content)
        assert "1 keypoint lies outside" in found.remarks[0]
        assert not found.views()[1].keypoints.visible[0]

    def test_points_that_count_from_one(self, tmp_path, content):
        for annotation in content["annotations"]:
            annotation["keypoints"] = [1, 1, 2, 60, 40, 2, 7, 8, 2, 9, 9, 2, 3, 3, 2]
        assert "count from 1" in " ".join(opened(tmp_path, content).remarks)

    def test_annotations_without_keypoints_are_counted(self, tmp_path, content):
        content["annotations"][0]["iscrowd"] = 1
        found = opened(tmp_path, content)
        assert "1 annotation is left out: it is a crowd" in " ".join(found.remarks)
        assert len(found.views()) == 3


class TestAp10k:
    @pytest.fixture
    def root(self, tmp_path):
        tiny.ap_10k(tmp_path)
        return tmp_path

    def kinds(self, found):
        return {(p.source.image_id, p.target.image_id) for p in found.pairs()}

    def test_pairs_are_of_the_kind(self, root):
        """Image n shows species n % 4; 0 and 1 are cats, 2 and 3 dogs."""
        for kind, same_species, same_family in (
            ("intra", True, True),
            ("cross-species", False, True),
            ("cross-family", False, False),
        ):
            found = self.kinds(ap_10k(kind, root=root))
            assert found
            for source, target in found:
                s, t = int(source[-2:]) % 4, int(target[-2:]) % 4
                assert (s == t) is same_species
                assert (s // 2 == t // 2) is same_family

    def test_categories(self, root):
        assert ap_10k("intra", root=root).categories == ("cat", "dog", "lion", "wolf")
        assert ap_10k("cross-species", root=root).categories == ("Canidae", "Felidae")
        assert ap_10k("cross-family", root=root).categories == ("animal",)

    def test_images_of_several_animals_and_crowds_are_left_out(self, root):
        names = {v.image_id for v in ap_10k("intra", root=root).views()}
        assert "000090000012" not in names  # two animals
        assert len(list_crowds()) == 1847
        path = root / "ap-10k/annotations/ap10k-test-split1.json"
        path.write_text(path.read_text().replace("000090000000", sorted(list_crowds())[0]))
        assert sorted(list_crowds())[0] not in {v.image_id for v in ap_10k(root=root).views()}

    def test_three_shared_keypoints(self, root):
        for pair in ap_10k("cross-family", root=root).pairs():
            both = pair.source.keypoints.visible & pair.target.keypoints.visible
            assert both.sum() >= 3

    def test_wrong_words(self, root):
        with pytest.raises(KapbenchError, match="Unknown kind"):
            ap_10k("inter", root=root)
        with pytest.raises(KapbenchError, match="file does not exist"):
            ap_10k("intra", "val", root=root)


def test_a_symmetry_table_of_ones_own(tmp_path, content):
    table = tmp_path / "mine.json"
    table.write_text(json.dumps({"categories": {"cat": {"groups": [[0, 1]], "mirror": [[0, 1]]}}}))
    plain, own = opened(tmp_path, content), opened(tmp_path, content, symmetry_file=str(table))
    assert own.pairs()[0].twins.tolist() == [1, 0, 2, 3, 4]
    assert own.revision != plain.revision
    for text, said in (
        ("{}", "has no symmetry table"),
        ('{"categories": {"cat": {"mirror": [[0, 5]]}}}', "not consistent"),
        ('{"categories": {"cat": {"mirror": [[0, 1], [1, 2]]}}}', "not consistent"),
        ('{"categories": {"cat": {"mirror": [[0, 1]], "groups": [[0], [1]]}}}', "not consistent"),
    ):
        table.write_text(text)
        with pytest.raises(KapbenchError, match=said):
            opened(tmp_path, content, symmetry_file=str(table))
