"""The user's own data: JSON, CSV, every problem at once, the published schema."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from click.testing import CliRunner
from PIL import Image

import kapbench.datasets.manifest
from kapbench.cli import main
from kapbench.datasets.manifest.check import list_problems
from kapbench.datasets.manifest.dataset import manifest, write_manifest
from kapbench.datasets.manifest.schema import Manifest
from kapbench.errors import KapbenchError


@pytest.fixture
def content(tmp_path):
    return tiny.manifest_content(tmp_path)


def write(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


def test_the_published_schema_is_that_of_the_code():
    path = Path(kapbench.datasets.manifest.__file__).with_name("manifest.schema.json")
    expected = json.dumps(Manifest.model_json_schema(), indent=1) + "\n"
    assert path.read_text() == expected, "write the schema of Manifest there"


def test_twins_by_name_box_by_keypoints_all_pairs(tmp_path, content):
    found = manifest(str(write(tmp_path, content)))
    assert (found.name, found.split, len(found.pairs())) == ("mine", "test", 12)
    pair = found.pairs()[0]
    assert pair.twins.tolist() == [0, 2, 1]
    xy = pair.target.keypoints.xy[pair.target.keypoints.visible]
    assert pair.size == pytest.approx(np.ptp(xy, axis=0).max())


def test_listed_pairs_and_boxes(tmp_path, content):
    content["pairs"] = [["photos/1", "photos/0"]]
    content["images"][0]["box"] = [1, 2, 31, 22]
    [pair] = manifest(str(write(tmp_path, content))).pairs()
    assert (pair.source.image_id, pair.target.image_id, pair.size) == ("photos/1", "photos/0", 30)
    content["size_from"] = "image"
    assert manifest(str(write(tmp_path, content))).pairs()[0].size == 60


def test_a_table_is_the_same(tmp_path, content):
    names = content["categories"]["cat"]["keypoints"]
    lines = ["path,category," + ",".join(f"{n}_x,{n}_y" for n in names)]
    for image in content["images"]:
        points = [image["keypoints"][n] or ("", "") for n in names]
        lines.append(",".join([image["path"], "cat", *(str(c) for p in points for c in p)]))
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines) + "\n")
    ours, theirs = manifest(str(path)), manifest(str(write(tmp_path, content)))
    for a, b in zip(ours.pairs(), theirs.pairs(), strict=True):
        assert (a.pair_id, a.size) == (b.pair_id, b.size)
        np.testing.assert_array_equal(a.source.keypoints.xy, b.source.keypoints.xy)
        np.testing.assert_array_equal(a.twins, b.twins)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path,", "file,", "Column 'path' is missing"),
        ("nose_x", "nose", "is unknown"),
        ("cat,1,", "cat,nan,", "finite"),
        ("cat,", "cat,x", "number"),
        ("cat,", "cat,1,", "The line has"),
    ],
)
def test_a_wrong_table(tmp_path, content, old, new, said):
    names = content["categories"]["cat"]["keypoints"]
    lines = ["path,category," + ",".join(f"{n}_x,{n}_y" for n in names)]
    lines += [f"{image['path']},cat,1,2,3,4,5,6" for image in content["images"]]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines).replace(old, new))
    with pytest.raises(KapbenchError, match=said) as error:
        manifest(str(path))
    if said in ("finite", "number"):
        assert "line 2, keypoints.nose" in str(error.value.place)


def spoil(content):
    images = content["images"]
    images[0]["keypoints"]["tail"] = [1, 2]
    images[0]["box"] = [5, 5, 4, 9]
    images[1]["keypoints"]["nose"] = [61, 2]
    images[2]["category"] = "dog"
    images[3]["path"] = "photos/0.png"
    images[3]["mask"] = "nowhere.png"
    content["pairs"] = [["photos/0", "photos/9"], ["photos/1", "photos/1"]]
    content["categories"]["cat"]["mirror"] = [["left_eye", "rigth_eye"]]


def test_every_problem_is_told_at_once(tmp_path, content):
    spoil(content)
    path = write(tmp_path, content)
    found = dict(list_problems(path))
    assert found["images[0].keypoints.tail"] == "'tail' is not a keypoint of cat"
    assert "no area" in found["images[0].box"]
    assert "outside 60×40" in found["images[1].keypoints.nose"]
    assert "not one of the categories: cat" in found["images[2].category"]
    assert "no file" in found["images[3].mask"]
    assert "no image 'photos/9'" in found["pairs[0]"]
    assert "with itself" in found["pairs[1]"]
    assert "'rigth_eye' is not a keypoint" in found["categories.cat.mirror"]
    assert "occurs 2 times" in found["images"]
    done = CliRunner().invoke(main, ["list", "datasets", "--check", str(path)])
    assert done.exit_code == 1
    for key in found:
        assert key in done.output
    with pytest.raises(KapbenchError, match="and 8 more"):
        manifest(str(path))


def test_a_manifest_in_order_is_told_so(tmp_path, content):
    done = CliRunner().invoke(main, ["list", "datasets", "--check", str(write(tmp_path, content))])
    assert done.exit_code == 0, done.output
    assert "12 pairs" in done.output
    assert "manifest:" in done.output


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda c: c["images"][0]["keypoints"].update(nose=["1", 2]), "images[0].keypoints.nose"),
        (lambda c: c["images"][0].pop("path"), "images[0].path"),
        (lambda c: c["images"][0].update(colour="red"), "images[0].colour"),
        (lambda c: c["images"][0].update(box=[1, 2, 3]), "images[0].box"),
        (lambda c: c["images"][0].update(width=0), "images[0].width"),
        (lambda c: c["images"][0].update(azimuth_bin=8), "images[0].azimuth_bin"),
        (lambda c: c.pop("name"), "name"),
        (lambda c: c.update(size_from="mask"), "size_from"),
    ],
)
def test_wrong_kinds_of_values(tmp_path, content, change, key):
    change(content)
    assert any(found.startswith(key) for found, _ in list_problems(write(tmp_path, content)))


def test_boxes_of_width_and_height(tmp_path, content):
    for image in content["images"]:
        image["box"] = [30, 20, 40, 50]
    assert any("x, y, width, height" in said for _, said in list_problems(write(tmp_path, content)))


def test_photographs_that_are_missing_or_of_another_size(tmp_path, content):
    content["images"][0] |= {"width": 61, "height": 40}
    (tmp_path / "photos/1.png").write_bytes(b"")
    (tmp_path / "photos/2.png").unlink()
    found = dict(list_problems(write(tmp_path, content)))
    assert "61×40 px, the photograph 0.png has 60×40" in found["images[0].width"]
    assert "image cannot be read" in found["images[1].path"]
    assert "image does not exist" in found["images[2].path"]


def table(content):
    names = content["categories"]["cat"]["keypoints"]
    lines = ["path,category," + ",".join(f"{n}_x,{n}_y" for n in names)]
    for image in content["images"]:
        points = [image["keypoints"][n] or ("", "") for n in names]
        lines.append(",".join([image["path"], "cat", *(str(c) for p in points for c in p)]))
    return lines


class TestAllAtOnce:
    """What a schema refuses hides nothing else."""

    def test_the_rest_is_checked_beside_what_the_schema_refuses(self, tmp_path, content):
        spoil(content)
        before = dict(list_problems(write(tmp_path, content)))
        content["size_from"] = "mask"
        content["images"][1]["azimuth_bin"] = 8
        content["images"][2]["width"] = "60"
        content["images"][0]["keypoints"]["left_eye"] = ["1", 2]
        content["pairs"].append(["photos/0"])
        found = dict(list_problems(write(tmp_path, content)))
        assert set(found) == set(before) | {
            "size_from",
            "images[1].azimuth_bin",
            "images[2].width",
            "images[0].keypoints.left_eye[0]",
            "pairs[2][1]",
        }

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            (lambda c: c["images"].__setitem__(1, None), "images[1]"),
            (lambda c: c["images"][1].pop("path"), "images[1].path"),
            (lambda c: c["images"][1].pop("category"), "images[1].category"),
            (lambda c: c["images"][1].update(keypoints=[1, 2]), "images[1].keypoints"),
            (lambda c: c["images"][1]["keypoints"].update(nose="x"), "images[1].keypoints.nose"),
            (lambda c: c["categories"].update(cat=None), "categories.cat"),
            (lambda c: c["categories"]["cat"].pop("keypoints"), "categories.cat.keypoints"),
            (lambda c: c["categories"]["cat"].update(mirror=5), "categories.cat.mirror"),
            (lambda c: c.pop("categories"), "categories"),
            (lambda c: c.update(pairs=[["photos/2"], ["photos/2"]]), "pairs[0][1]"),
            (lambda c: c.update(rule={"n": 0}), "rule.n"),
        ],
    )
    def test_a_refused_value_has_no_consequences(self, tmp_path, content, change, key):
        """One problem of each kind is told, and one elsewhere that the schema cannot see."""
        content["images"][3]["mask"] = "nowhere.png"
        change(content)
        found = [
            k for k, _ in list_problems(write(tmp_path, content)) if not k.startswith("pairs[1]")
        ]
        assert found == [key, "images[3].mask"]

    def test_nothing_that_can_be_read(self, tmp_path, content):
        for wrong in ([], {}, {"name": "x", "categories": {}, "images": {}}):
            assert list_problems(write(tmp_path, wrong))
        content["images"] = content["images"][:1]
        assert [key for key, _ in list_problems(write(tmp_path, content))] == ["images"]

    def test_a_key_that_stands_twice(self, tmp_path, content):
        path = write(tmp_path, content)
        path.write_text(path.read_text().replace('"nose": [', '"nose": [1, 2], "nose": [', 1))
        assert list_problems(path) == [
            ("images[0].keypoints", "Key 'nose' occurs 2 times in one object")
        ]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
    def test_json_of_other_encodings(self, tmp_path, content, encoding):
        path = write(tmp_path, content)
        path.write_text(path.read_text(), encoding=encoding)
        assert len(manifest(str(path)).pairs()) == 12


class TestTable:
    def test_every_line_that_is_wrong_is_told(self, tmp_path, content):
        lines = table(content)
        lines[0] = lines[0].replace("nose_x", "nose_q") + ",id,id,colour"
        lines = [lines[0], *(f"{line},{i},{i},red" for i, line in enumerate(lines[1:]))]
        lines[2] += ",more"
        lines[4] = lines[4].replace("photos/3", "photos/9")
        path = tmp_path / "mine.csv"
        path.write_text("\n".join([lines[0], "", *lines[1:]]))  # an empty line counts as one
        said = "; ".join(f"{key}: {what}" for key, what in list_problems(path))
        for words in (
            "'nose_q' is unknown",
            "'colour' is unknown",
            "'id' occurs 2 times",
            "line 4: The line has",
            "line 6, path: The image does not exist",
        ):
            assert words in said
        with pytest.raises(KapbenchError, match=r"and \d more"):
            manifest(str(path))

    def test_without_a_column_that_is_needed(self, tmp_path, content):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join(table(content)).replace("path,category", "file,kind"))
        said = [what for _, what in list_problems(path)]
        assert said[:2] == ["Column 'path' is missing", "Column 'category' is missing"]
        assert len(said) == 4
        assert all("is unknown" in what for what in said[2:])

    def test_a_cell_longer_than_a_table_may_have(self, tmp_path, content):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join([*table(content), "x" * 140_000]))
        assert [key for key, said in list_problems(path) if "not CSV" in said] == ["line 6"]
        with pytest.raises(KapbenchError, match="field larger"):
            manifest(str(path))

    def test_pairs_lie_beside_it(self, tmp_path, content):
        path, listed = tmp_path / "mine.csv", tmp_path / "mine.pairs.csv"
        path.write_text("\n".join(table(content)))
        every = manifest(str(path))
        listed.write_text("source,target\nphotos/1,photos/0\nphotos/0,photos/3\n")
        found = manifest(str(path))
        assert [(p.source.image_id, p.target.image_id) for p in found.pairs()] == [
            ("photos/1", "photos/0"),
            ("photos/0", "photos/3"),
        ]
        assert found.revision != every.revision
        listed.write_text("source,target\nphotos/1,photos/0,1\n\nphotos/0,photos/9\n")
        assert list_problems(path) == [
            ("mine.pairs.csv, line 2", "The line must hold a source and a target"),
            ("mine.pairs.csv, line 4", "There is no image 'photos/9'"),
        ]
        listed.write_text("from,to\nphotos/1,photos/0\n")
        assert "columns must be source, target" in list_problems(path)[0][1]

    def test_truncated_and_occluded(self, tmp_path, content):
        lines = table(content)
        words = ["truncated,occluded", "true,0", "false,1", ",", "yes,maybe"]
        path = tmp_path / "mine.csv"
        path.write_text(
            "\n".join(f"{line},{word}" for line, word in zip(lines, words, strict=True))
        )
        [(key, _)] = list_problems(path)
        assert key == "line 5, occluded"
        path.write_text(path.read_text().replace("maybe", ""))
        views = manifest(str(path)).views()
        assert [v.truncated for v in views] == [True, False, None, True]
        assert [v.occluded for v in views] == [False, True, None, None]


class TestExif:
    """60×40 px as stored, 40×60 as shown."""

    @pytest.fixture
    def turned(self, tmp_path, content):
        exif = Image.Exif()
        exif[0x0112] = 6
        for i in range(4):
            path = tmp_path / "photos" / f"{i}.jpg"
            Image.new("RGB", (60, 40)).save(path, exif=exif)
            points = {"nose": [i, 3.5], "left_eye": [20, 30]}
            content["images"][i] |= {"path": f"photos/{i}.jpg", "keypoints": points}
        content["images"][0]["keypoints"]["nose"] = [5.0, 55.0]
        return content | {"exif": True}

    def test_sizes_are_those_that_are_shown(self, tmp_path, turned):
        path = write(tmp_path, turned)
        assert list_problems(path) == []
        found = manifest(str(path))
        for view in found.views():
            assert view.size == (40, 60)
            assert found.pixels(view).shape == (60, 40, 3)

    def test_without_it_the_point_lies_outside(self, tmp_path, turned):
        [(key, said)] = list_problems(write(tmp_path, turned | {"exif": False}))
        assert key == "images[0].keypoints.nose"
        assert "outside 60×40" in said

    def test_a_size_that_is_said_is_compared_with_what_is_shown(self, tmp_path, turned):
        turned["images"][0] |= {"width": 40, "height": 40}
        [(key, said), *_] = list_problems(write(tmp_path, turned))
        assert key == "images[0].width"
        assert "has 60×40 px" in said
        for width, height in ((40, 60), (60, 40)):  # tools write either
            turned["images"][0] |= {"width": width, "height": height}
            assert list_problems(write(tmp_path, turned)) == []
            assert manifest(str(write(tmp_path, turned))).views()[0].size == (40, 60)


class TestSymmetry:
    def test_twins_are_a_group_unless_groups_are_said(self, tmp_path, content):
        groups = manifest(str(write(tmp_path, content))).pairs()[0].groups
        assert groups.tolist() == [-1, 0, 0]
        content["categories"]["cat"]["groups"] = []
        content["categories"]["cat"]["mirror"] = []
        alone = manifest(str(write(tmp_path, content))).pairs()[0]
        assert alone.groups.tolist() == [-1, -1, -1]

    def test_twins_by_name_in_two_groups(self, tmp_path, content):
        content["categories"]["cat"]["groups"] = [["nose", "left_eye"]]
        [(key, said)] = list_problems(write(tmp_path, content))
        assert key == "categories.cat.mirror"
        assert "in different groups" in said

    def test_another_table(self, tmp_path, content):
        path, table = write(tmp_path, content), tmp_path / "symmetry.json"
        table.write_text('{"categories": {"cat": {"groups": [[0, 1]], "mirror": [[0, 1]]}}}')
        plain, own = manifest(str(path)), manifest(str(path), symmetry_file=str(table))
        assert own.pairs()[0].twins.tolist() == [1, 0, 2]
        assert own.pairs()[0].groups.tolist() == [0, 0, -1]
        assert own.revision != plain.revision


class TestKeypointsOfItsOwn:
    @pytest.fixture
    def own(self, content):
        content["pairs"] = [["photos/1", "photos/0"], ["photos/2", "photos/3"]]
        for i in (0, 1):
            content["images"][i] |= {"names": ["right_eye", "left_eye"], "box": [1, 1, 50, 30]}
            del content["images"][i]["keypoints"]["nose"]
        return content

    def test_each_pair_has_as_many_as_its_images(self, tmp_path, own):
        few, all_three = manifest(str(write(tmp_path, own))).pairs()
        assert few.twins.tolist() == [1, 0]
        assert few.groups.tolist() == [0, 0]
        assert few.source.keypoints.visible.tolist() == [True, False]
        assert all_three.twins.tolist() == [0, 2, 1]

    def test_what_is_wrong_with_them(self, tmp_path, own):
        own["pairs"][0] = ["photos/1", "photos/2"]
        own["images"][0]["names"].append("left_eye")
        own["images"][1]["keypoints"]["nose"] = [1, 2]
        found = dict(list_problems(write(tmp_path, own)))
        assert "different lists of keypoints" in found["pairs[0]"]
        assert "2 times" in found["images[0].names"]
        assert "not a keypoint of cat" in found["images[1].keypoints.nose"]
        del own["pairs"]
        assert (
            "need a list of pairs" in dict(list_problems(write(tmp_path, own)))["images[1].names"]
        )


def test_points_that_count_from_one(tmp_path, content):
    path = write(tmp_path, content)
    assert not manifest(str(path)).remarks
    for image in content["images"]:
        image["keypoints"] = {"nose": [1, 1], "left_eye": [60, 40], "right_eye": [7, 8]}
    done = CliRunner().invoke(main, ["list", "datasets", "--check", str(write(tmp_path, content))])
    assert done.exit_code == 0, done.output
    assert "count from 1" in done.output


def test_one_image_of_each_category_is_told(tmp_path, content):
    content["categories"] |= dict.fromkeys("abc", content["categories"]["cat"])
    for image, name in zip(content["images"], ("cat", "a", "b", "c"), strict=True):
        image["category"] = name
    with pytest.raises(KapbenchError, match="no category with two images"):
        manifest(str(write(tmp_path, content)))


def test_files_are_written_apart_whatever_the_images_are_called(tmp_path, content):
    for image, name in zip(content["images"], ("a#1", "a_1", "../b", "B"), strict=True):
        image["id"] = name
    original = manifest(str(write(tmp_path, content)))
    again = manifest(str(write_manifest(original, tmp_path / "written")))
    assert [v.image_id for v in again.views()] == [v.image_id for v in original.views()]
    for view, other in zip(original.views(), again.views(), strict=True):
        np.testing.assert_array_equal(original.pixels(view), again.pixels(other))
    assert len(list((tmp_path / "written").rglob("*.png"))) == 4


def test_no_json_at_all(tmp_path):
    path = tmp_path / "mine.json"
    for text in ("", "{", '{"name": '):
        path.write_text(text)
        with pytest.raises(KapbenchError, match="not JSON"):
            list_problems(path)
