"""The user's own data: JSON, CSV, every problem at once, the published schema."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from click.testing import CliRunner

import kapbench.datasets
from kapbench.cli import main
from kapbench.datasets.manifest import manifest, schema_text
from kapbench.datasets.manifest_check import problems
from kapbench.errors import KapbenchError


@pytest.fixture
def content(tmp_path):
    return tiny.manifest_content(tmp_path)


def write(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


def test_the_published_schema_is_that_of_the_code():
    path = Path(kapbench.datasets.__file__).with_name("manifest.schema.json")
    assert path.read_text() == schema_text(), "write kapbench.datasets.manifest.schema_text() there"


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
    [("path,", "file,", "no column 'path'"), ("nose_x", "nose", "means nothing"),
     ("cat,1,", "cat,nan,", "finite"), ("cat,", "cat,x", "number"), ("cat,", "cat,1,", "length")],
)  # fmt: skip
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
    found = dict(problems(path))
    assert found["images[0].keypoints.tail"] == "'tail' is no keypoint of cat"
    assert "no area" in found["images[0].box"]
    assert "outside 60×40" in found["images[1].keypoints.nose"]
    assert "none of cat" in found["images[2].category"]
    assert "no file" in found["images[3].mask"]
    assert "no image 'photos/9'" in found["pairs[0]"]
    assert "with itself" in found["pairs[1]"]
    assert "'rigth_eye' is no keypoint" in found["categories.cat.mirror"]
    assert "stands there 2 times" in found["images"]
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
    assert any(found.startswith(key) for found, _ in problems(write(tmp_path, content)))


def test_boxes_of_width_and_height(tmp_path, content):
    for image in content["images"]:
        image["box"] = [30, 20, 40, 50]
    assert any("x, y, width, height" in said for _, said in problems(write(tmp_path, content)))


def test_photographs_that_are_missing_or_of_another_size(tmp_path, content):
    content["images"][0] |= {"width": 61, "height": 40}
    (tmp_path / "photos/1.png").write_bytes(b"")
    (tmp_path / "photos/2.png").unlink()
    found = dict(problems(write(tmp_path, content)))
    assert "61×40 px, the photograph has 60×40" in found["images[0].width"]
    assert "image cannot be read" in found["images[1].path"]
    assert "image not found" in found["images[2].path"]


def test_no_json_at_all(tmp_path):
    path = tmp_path / "mine.json"
    for text in ("", "{", '{"name": NaN}'):
        path.write_text(text)
        with pytest.raises(KapbenchError, match="not JSON"):
            problems(path)
