"""Manifests as other programs write them, and several objects in one photograph."""

import json
import math

import numpy as np
import pytest
import tiny_datasets as tiny
from click.testing import CliRunner
from PIL import Image

from kapbench.cli import main
from kapbench.datasets.manifest.check import list_problems
from kapbench.datasets.manifest.dataset import manifest
from kapbench.errors import KapbenchError

NAMES = ["nose", "left_eye", "right_eye"]


@pytest.fixture
def content(tmp_path):
    return tiny.manifest_content(tmp_path)


def write(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


def table(content, separator=",", point="."):
    """With two decimals: 1,024 is refused where commas are decimal points."""
    lines = [separator.join(["path", "category", *(f"{n}_{axis}" for n in NAMES for axis in "xy")])]
    for image in content["images"]:
        points = [image["keypoints"][n] or ("", "") for n in NAMES]
        texts = [f"{n:.2f}" if n != "" else "" for xy in points for n in xy]
        numbers = [text.replace(".", point) for text in texts]
        lines.append(separator.join([image["path"], "cat", *numbers]))
    return "\n".join(lines) + "\n"


class TestSeparators:
    @pytest.mark.parametrize(
        ("separator", "point", "said"),
        [(";", ".", "semicolons"), (";", ",", "semicolons"), ("\t", ".", "tabs")],
    )
    def test_the_table_is_the_same(self, tmp_path, content, separator, point, said):
        path, other = tmp_path / "mine.csv", tmp_path / "comma" / "mine.csv"
        path.write_text(table(content, separator, point))
        dataset = manifest(str(path))
        assert f"The columns of mine.csv are separated by {said}" in dataset.remarks
        content["images"] = [i | {"path": f"../{i['path']}"} for i in content["images"]]
        other.parent.mkdir()
        other.write_text(table(content))
        plain = manifest(str(other))
        assert plain.remarks == ()
        for view, same in zip(dataset.views(), plain.views(), strict=True):
            np.testing.assert_array_equal(view.keypoints.xy, same.keypoints.xy)

    def test_decimal_commas_are_said(self, tmp_path, content):
        path = tmp_path / "mine.csv"
        remark = "Commas in the numbers of mine.csv are read as decimal points"
        path.write_text(table(content, ";", ","))
        assert remark in manifest(str(path)).remarks
        path.write_text(table(content, ";"))
        assert remark not in manifest(str(path)).remarks

    @pytest.mark.parametrize(
        ("separator", "number", "problem"),
        [
            (";", "1,024", "'1,024' may be 1.024 or 1024"),
            ("\t", "1,024", "The value '1,024' is not a number"),
            ("\t", "12,5", "The value '12,5' is not a number"),
            (";", "0,125", None),
            (";", "1,0245", None),
        ],
    )
    def test_commas_between_thousands_are_refused(
        self, tmp_path, content, separator, number, problem
    ):
        path = tmp_path / "mine.csv"
        head, first, *others = table(content, separator).splitlines()
        cells = first.split(separator)
        cells[2] = number
        path.write_text("\n".join([head, separator.join(cells), *others]))
        problems = list_problems(path)
        if problem is None:
            assert problems == []
            assert manifest(str(path)).views()[0].keypoints.xy[0, 0] == float(
                number.replace(",", ".")
            )
        else:
            [(line, message)] = problems
            assert line.startswith("line 2")
            assert problem in message

    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            ("20", "", "nose_y is empty, but nose_x is not"),
            ("", "3", "nose_x is empty, but nose_y is not"),
            ("1_0", "3", "nose_x is '1_0', which is not a number"),
        ],
    )
    def test_a_wrong_cell_is_named_by_its_column(self, tmp_path, x, y, message):
        path = tmp_path / "mine.csv"
        path.write_text(f"path,category,nose_x,nose_y\na.jpg,cat,{x},{y}\n")
        assert ("line 2", message) in list_problems(path)

    def test_a_comma_in_an_id_stays(self, tmp_path, content):
        head, *lines = table(content, ";", ",").splitlines()
        lines = [
            f"{line};{name}" for line, name in zip(lines, ["12,5", "a", "b", "c"], strict=True)
        ]
        (tmp_path / "mine.csv").write_text("\n".join([f"{head};id", *lines]))
        (tmp_path / "mine.pairs.csv").write_text("source;target\n12,5;a\n")
        [pair] = manifest(str(tmp_path / "mine.csv")).pairs()
        assert pair.source.image_id == "12,5"

    def test_pairs_too(self, tmp_path, content):
        (tmp_path / "mine.csv").write_text(table(content))
        (tmp_path / "mine.pairs.csv").write_text("source;target\nphotos/1;photos/0\n")
        [pair] = manifest(str(tmp_path / "mine.csv")).pairs()
        assert (pair.source.image_id, pair.target.image_id) == ("photos/1", "photos/0")

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_problems_are_listed_with_their_line(self, tmp_path, separator):
        path = tmp_path / "mine.csv"
        columns = ["path", "category", "nose_x", "nose_y"]
        lines = [columns, ["a.jpg", "cat", "20", "x"], ["b.jpg", "cat", "20", "3"]]
        path.write_text("\n".join(map(separator.join, lines)))
        done = CliRunner().invoke(main, ["list", "datasets", "--check", str(path)])
        assert done.exit_code == 1
        assert "line 2, path: The image does not exist" in done.output
        assert "line 2, keypoints.nose[1]: The value 'x' is not a number" in done.output

    def test_a_table_of_another_program(self, tmp_path):
        """DeepLabCut's has three lines of heads, and no column path."""
        path = tmp_path / "dlc.csv"
        path.write_text("scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\nv/a.png,20,30\n")
        messages = [message for _, message in list_problems(path)]
        assert messages[:2] == ["Column 'path' is missing", "Column 'category' is missing"]
        assert any("Column 'scorer' is unknown" in message for message in messages)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["categories"].update({"": {"keypoints": []}}),
        lambda c: c["categories"].update({"": {"keypoints": ["", 5]}}),
        lambda c: c["categories"].update({"": None}),
        lambda c: c["images"][0].update(category="", id="", path=""),
        lambda c: c["images"][0]["keypoints"].update({"": [1, 2]}),
        lambda c: c["categories"]["cat"]["keypoints"].append(""),
        lambda c: c.update(pairs=[["", ""]], name=""),
    ],
)
def test_empty_names_are_problems(tmp_path, content, change):
    change(content)
    problems = list_problems(write(tmp_path, content))
    assert any("at least 1 character" in message for _, message in problems)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_not_a_number_is_named(tmp_path, content, number):
    content["images"][2]["keypoints"]["nose"] = [number, 2]
    [(key, message)] = list_problems(write(tmp_path, content))
    assert key == "images[2].keypoints.nose[0]"
    assert "finite number" in message


class TestOnePhotograph:
    @pytest.fixture
    def two_cats(self, content):
        """The last photograph shows two."""
        content["images"].append(content["images"][3] | {"id": "second"})
        return content

    def test_ids_must_differ(self, tmp_path, two_cats):
        del two_cats["images"][4]["id"]
        [(key, message)] = list_problems(write(tmp_path, two_cats))
        assert (key, message) == (
            "images",
            "The id 'photos/3' occurs 2 times: give each image an id of its own",
        )

    def test_their_pairs_are_left_out_and_counted(self, tmp_path, two_cats):
        path = write(tmp_path, two_cats)
        plain, kept = manifest(str(path)), manifest(str(path), same_photograph=True)
        within = {"photos/3>second", "second>photos/3"}
        assert {p.pair_id for p in kept.pairs()} - {p.pair_id for p in plain.pairs()} == within
        assert "2 candidate pairs of two objects in one photograph" in plain.remarks[0]
        assert kept.remarks == ()
        assert kept.revision != plain.revision
        two_cats["rule"] = {"same_photograph": True}
        assert len(manifest(str(write(tmp_path, two_cats))).pairs()) == len(kept.pairs()) == 20

    def test_listed_ones_are_kept_and_counted(self, tmp_path, two_cats):
        two_cats["pairs"] = [["photos/3", "second"], ["photos/3", "photos/0"]]
        dataset = manifest(str(write(tmp_path, two_cats)))
        assert len(dataset.pairs()) == 2
        assert "1 listed pair is of two objects in one photograph" in dataset.remarks[0]


def test_paths_that_windows_wrote(tmp_path, content):
    plain = manifest(str(write(tmp_path, content)))
    (tmp_path / "masks").mkdir()
    Image.new("L", (60, 40), 255).save(tmp_path / "masks/0.png")
    for image in content["images"]:
        image["path"] = image["path"].replace("/", "\\")
    content["images"][0]["mask"] = "masks\\0.png"
    dataset = manifest(str(write(tmp_path, content)))
    assert [p.pair_id for p in dataset.pairs()] == [p.pair_id for p in plain.pairs()]
    assert dataset.mask(dataset.views()[0]).all()
    assert dataset.pixels(dataset.views()[0]).shape == (40, 60, 3)


class TestExifThatTheFileDoesNotState:
    """60×40 px as stored, 40×60 px as shown."""

    @pytest.fixture
    def turned(self, tmp_path, content):
        exif = Image.Exif()
        exif[0x0112] = 6
        for i in range(4):
            Image.new("RGB", (60, 40)).save(tmp_path / "photos" / f"{i}.jpg", exif=exif)
            points = {"nose": [i, 3.5], "left_eye": [20, 30]}
            content["images"][i] |= {"path": f"photos/{i}.jpg", "keypoints": points}
        return content

    @pytest.mark.parametrize(
        ("point", "size", "said"),
        [([5.0, 55.0], (40, 60), "It is followed"), ([55.0, 5.0], (60, 40), "It is not followed")],
    )
    def test_the_keypoints_decide(self, tmp_path, turned, point, size, said):
        for image in turned["images"][:2]:
            image["keypoints"]["nose"] = point
        dataset = manifest(str(write(tmp_path, turned)))
        assert {view.size for view in dataset.views()} == {size}
        assert dataset.pixels(dataset.views()[0]).shape == (size[1], size[0], 3)
        assert said in dataset.remarks[0]

    def test_stated_sizes_are_named_where_nothing_decides(self, tmp_path, turned):
        for image in turned["images"]:
            image |= {"width": 40, "height": 60}
        [(key, message)] = list_problems(write(tmp_path, turned))
        assert key == "exif"
        assert "--dataset-option exif=true" in message
        assert message.endswith("The sizes in the file are those of the rotated photographs")

    def test_sizes_of_the_other_orientation(self, tmp_path, turned):
        """Turned points and stored sizes, as some tools write them."""
        for image in turned["images"]:
            image["keypoints"]["nose"] = [5.0, 55.0]
            image |= {"width": 60, "height": 40}
        path = write(tmp_path, turned)
        assert list_problems(path) == []
        dataset = manifest(str(path))
        assert {view.size for view in dataset.views()} == {(40, 60)}
        assert dataset.pixels(dataset.views()[0]).shape == (60, 40, 3)
        assert (
            "4 sizes that the file states are those of the other orientation"
            in (dataset.remarks[-1])
        )
        turned["images"][0]["width"] = 61
        [(key, message)] = list_problems(write(tmp_path, turned))
        assert key == "images[0].width"
        assert "says 61×40 px, the photograph 0.jpg has 60×40 px" in message

    def test_the_revision_differs_where_exif_is_followed(self, tmp_path, turned):
        """One file, read as stored or as shown by an option, is two data sets."""
        path = str(write(tmp_path, turned))
        assert manifest(path, exif=True).revision != manifest(path, exif=False).revision

    def test_where_nothing_decides_it_is_a_problem(self, tmp_path, turned):
        path = write(tmp_path, turned)
        [(key, message)] = list_problems(path)
        assert key == "exif"
        assert "do not show whether it is to be followed" in message
        assert "exif=true" in message
        with pytest.raises(KapbenchError, match="4 photographs have an EXIF orientation"):
            manifest(str(path))
        sizes = [manifest(str(path), exif=exif).views()[0].size for exif in (True, False)]
        assert sizes == [(40, 60), (60, 40)]
        stated = [
            manifest(str(write(tmp_path, turned | {"exif": exif}))).views()[0].size
            for exif in (True, False)
        ]
        assert stated == sizes


def test_a_coco_file_is_recognised(tmp_path):
    path = tmp_path / "coco.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    done = CliRunner().invoke(main, ["list", "datasets", "--check", str(path)])
    assert done.exit_code == 1
    assert "This is a COCO file, not a manifest" in done.output
    assert f"Write --dataset coco:{path}" in done.output
