"""Label Studio: per cent, boxes by parentID or relation, upload names, several annotations."""

import json
from pathlib import Path

import pytest
from annotation_exports import convert_and_load, points_of, save_image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.report import Reason
from kapbench.errors import KapbenchError

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


def keypoint(key, label, x, y, **more):
    return {
        **SIZE,
        "value": {"x": x, "y": y, "width": 0.4, "keypointlabels": [label]},
        "id": key,
        "from_name": "kp",
        "to_name": "image",
        "type": "keypointlabels",
        "origin": "manual",
        **more,
    }


def rectangle(key, label, x, y, width, height, rotation=0):
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation}
    return {
        **SIZE,
        "value": {**value, "rectanglelabels": [label]},
        "id": key,
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "origin": "manual",
    }


def task(number, image, *annotations):
    return {
        "id": number,
        "annotations": [
            {
                "id": 10 * number + i,
                "completed_by": 1,
                "result": regions,
                "was_cancelled": False,
                "ground_truth": False,
                "updated_at": f"2026-01-0{i + 1}T10:00:00.000000Z",
                **more,
            }
            for i, (regions, more) in enumerate(annotations)
        ],
        "file_upload": image.rpartition("/")[2],
        "drafts": [],
        "predictions": [{"result": [keypoint("p", "tail", 1, 1)]}],
        "data": {"image": image, "caption": "made up"},
        "meta": {},
        "project": 7,
    }


def write(folder: Path, *tasks) -> Path:
    path = folder / "project-7.json"
    path.write_text(json.dumps(tasks))
    return path


@pytest.fixture
def two(tmp_path):
    """Two images: one cat each, by parentID and by a relation."""
    for name in ("cat one.jpg", "b.jpg"):
        save_image(tmp_path / "photos" / name)
    first = [
        rectangle("r1", "cat", 10, 20, 50, 60),
        keypoint("k1", "nose", 25, 50, parentID="r1"),
        keypoint("k2", "left_eye", 30.5, 40, parentID="r1"),
        keypoint("k3", "right_eye", 20, 40, parentID="r1"),
    ]
    second = [
        keypoint("m1", "nose", 50, 10),
        keypoint("m2", "left_eye", 60, 20),
        rectangle("s1", "cat", 40, 0, 30, 50, rotation=90),
        {"from_id": "m1", "to_id": "s1", "type": "relation", "direction": "right"},
        {"from_id": "m2", "to_id": "s1", "type": "relation", "direction": "right"},
    ]
    return write(
        tmp_path,
        task(1, "/data/upload/7/0a1b2c3d-cat%20one.jpg", (first, {})),
        task(2, "/data/local-files/?d=somewhere/b.jpg", (second, {})),
    )


def test_points_boxes_and_unlabelled_keypoints(tmp_path, two):
    out = tmp_path / "mine.json"
    dataset, views, report = convert_and_load("label-studio", two, out, images=tmp_path / "photos")
    assert points_of(views["cat one"], out) == {
        "nose": (50, 50),
        "left_eye": (61, 40),
        "right_eye": (40, 40),
    }
    assert points_of(views["b"], out) == {"nose": (100, 10), "left_eye": (120, 20)}
    assert views["cat one"].bbox == (20, 20, 120, 80)
    # 60 x 50 px, a quarter turn about the corner (80, 0): x from 80 - 50 to 80, y from 0 to 60
    assert views["b"].bbox == pytest.approx((30, 0, 80, 60))
    assert (report.counts["keypoints"], report.counts["not labelled"]) == (5, 1)
    assert not dataset.has_absent  # the tool does not state that the right eye cannot be seen
    assert any("(task 2, object 1: right_eye)" in note for note in report.notes)
    pair = dataset.pairs()[0]
    assert pair.twins.tolist() == [0, 2, 1]


def test_the_user_states_that_unlabelled_means_absent(tmp_path, two):
    dataset, _, _ = convert_and_load(
        "label-studio",
        two,
        tmp_path / "mine.json",
        images=tmp_path / "photos",
        choices=Choices(unlabelled="absent", category="felid"),
    )
    assert dataset.has_absent
    assert dataset.categories == ("felid",)


def test_points_without_a_parent_belong_to_the_one_box_that_holds_them(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.png")
    one = [rectangle("q", "cat", 0, 0, 9, 9), keypoint("n", "nose", 50, 50)]  # the only box
    regions = [
        rectangle("r1", "cat", 0, 0, 40, 100),
        rectangle("r2", "dog", 35, 0, 60, 100),
        keypoint("k1", "nose", 10, 50),
        keypoint("k2", "tail", 20, 50),
        keypoint("k3", "nose", 80, 50),
        keypoint("k4", "tail", 37, 50),  # in both
        keypoint("k5", "ear", 99, 50),  # in none
    ]
    out = tmp_path / "mine.json"
    export = write(
        tmp_path, task(1, "s3://bucket/x/a.png", (regions, {})), task(2, "b.png", (one, {}))
    )
    _, views, report = convert_and_load("label-studio", export, out)
    assert points_of(views["b"], out) == {"nose": (100, 50)}
    assert points_of(views["a#1"], out) == {"nose": (20, 50), "tail": (40, 50)}
    assert points_of(views["a#2"], out) == {"nose": (160, 50)}
    assert report.left_out == {Reason.NO_OBJECT: ["task 1, region k4", "task 1, region k5"]}
    assert {view.category for view in views.values()} == {"cat", "dog"}


def test_of_several_annotations_the_ground_truth_else_the_newest(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png")

    def at(x):
        return [keypoint("k", "nose", x, 50), keypoint("l", "tail", 90, 50)]

    export = write(
        tmp_path,
        task(1, "a.png", (at(10), {}), (at(20), {})),
        task(2, "b.png", (at(30), {"ground_truth": True}), (at(40), {})),
        task(3, "c.png", (at(50), {}), (at(60), {"was_cancelled": True})),
    )
    out = tmp_path / "mine.json"
    _, views, report = convert_and_load("label-studio", export, out)
    assert {name: points_of(view, out)["nose"][0] for name, view in views.items()} == {
        "a": 40,
        "b": 60,
        "c": 100,
    }
    assert any("Images with several annotations: 2 (task 1; task 2)." in n for n in report.notes)


def test_bad_regions_are_left_out_and_named(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.png")
    good = [keypoint("k1", "nose", 10, 50), keypoint("k2", "tail", 20, 50)]
    bad = [
        keypoint("k3", "ear", None, 50),
        keypoint("k4", "paw", 30, 50) | {"original_width": None},
        keypoint("k5", "x", 30, 50) | {"value": {"x": 1, "y": 1, "keypointlabels": ["x", "y"]}},
        keypoint("k6", "eye", 30, 50),
        keypoint("k7", "eye", 40, 50),
        {**SIZE, "id": "g", "type": "polygonlabels", "value": {"points": [[1, 1]]}},
        {"id": "k1", "type": "choices", "from_name": "visibility", "value": {"choices": ["no"]}},
    ]
    export = write(tmp_path, task(1, "a.png", (good + bad, {})), task(2, "b.png", (good, {})))
    _, views, report = convert_and_load("label-studio", export, tmp_path / "mine.json")
    assert {reason: len(places) for reason, places in report.left_out.items()} == {
        Reason.NOT_A_NUMBER: 1,
        Reason.NO_STATED_SIZE: 1,
        Reason.NO_LABEL: 1,
        Reason.LABEL_TWICE: 2,
        Reason.OTHER_SHAPE: 1,
    }
    assert views["a"].keypoints.visible.sum() == 2
    assert report.attributes == ["task 1, region k1: visibility"]
    # Where a missing label means absent, an image with a keypoint that cannot be read is left out.
    with pytest.raises(KapbenchError, match="No two images") as error:
        convert("label-studio", export, tmp_path / "x.json", choices=Choices(unlabelled="absent"))
    assert Reason.DOUBTFUL.text in str(error.value.place)
    with pytest.raises(KapbenchError, match="not numbers") as error:
        convert("label-studio", export, tmp_path / "strict.json", strict=True)
    assert error.value.place == f"{export}, task 1, region k3"
    assert not (tmp_path / "strict.json").exists()


def test_a_keypoint_and_its_labels_as_two_results(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.png")

    def two_results(key, label, x):
        point = {"x": x, "y": 50, "width": 0.3}
        return [
            {**SIZE, "id": key, "type": "keypoint", "value": point},
            {**SIZE, "id": key, "type": "labels", "value": {**point, "labels": [label]}},
        ]

    regions = two_results("k1", "nose", 10) + two_results("k2", "tail", 20)
    export = write(tmp_path, *(task(i, f"{n}.png", (regions, {})) for i, n in enumerate("ab")))
    out = tmp_path / "mine.json"
    _, views, _ = convert_and_load("label-studio", export, out)
    assert points_of(views["a"], out) == {"nose": (20, 50), "tail": (40, 50)}


@pytest.mark.parametrize(
    ("image", "file", "is_shortened"),
    [
        ("https://s3/bucket/day2/001.jpg", "001.jpg", True),
        ("/data/upload/7/0a1b2c3d-cat.jpg", "0a1b2c3d-cat.jpg", True),
        ("https://host/ls/data/upload/7/0a1b2c3d-cat.jpg", "cat.jpg", True),
        ("/data/local-files/?d=day/001.jpg", "day/001.jpg", False),
        ("20230415-cat.jpg", "20230415-cat.jpg", False),
        ("20230415-cat.jpg", "cat.jpg", None),
        ("/data/local-files/?d=day/20230415-cat.jpg", "cat.jpg", None),
    ],
)
def test_an_image_of_another_path_is_named_or_missing(tmp_path, image, file, is_shortened):
    for name in (file, "b.png", "c.png"):
        save_image(tmp_path / name)
    good = [keypoint("k1", "nose", 10, 50), keypoint("k2", "tail", 20, 50)]
    images = [image, "b.png", "c.png"]
    export = write(tmp_path, *(task(i, name, (good, {})) for i, name in enumerate(images)))
    report = convert("label-studio", export, tmp_path / "mine.json")
    assert (Reason.NO_IMAGE in report.left_out) == (is_shortened is None)
    note = f"end of their path alone: 1 ({image}: {tmp_path / file})"
    assert any(note in line for line in report.notes) == (is_shortened is True)


def test_percentages_of_the_other_orientation_are_left_out(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.jpg", orientation=6 if name == "c" else 1)
    good = [keypoint("k1", "nose", 10, 50), keypoint("k2", "tail", 20, 50)]
    export = write(tmp_path, *(task(i, f"{n}.jpg", (good, {})) for i, n in enumerate("abc")))
    report = convert("label-studio", export, tmp_path / "mine.json", exif="upright")
    assert report.left_out == {Reason.OTHER_SIZE: ["task 2"]}  # states 200 x 100


def test_regions_that_contradict_each_other_about_the_image(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png")
    good = [keypoint("k1", "nose", 10, 50), keypoint("k2", "tail", 20, 50)]
    two_sizes = [good[0], good[1] | {"original_width": 100}]
    regions = {"a": good, "b": good, "c": two_sizes}
    export = write(tmp_path, *(task(i, f"{n}.png", (regions[n], {})) for i, n in enumerate("abc")))
    _, views, report = convert_and_load("label-studio", export, tmp_path / "mine.json")
    assert set(views) == {"a", "b"}
    assert report.left_out == {Reason.OTHER_SIZE: ["task 2"]}


def test_an_image_that_was_rotated_in_the_tool_is_left_out(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png")
    good = [keypoint("k1", "nose", 10, 50), keypoint("k2", "tail", 20, 50)]
    turned = [region | {"image_rotation": 90} for region in good]
    regions = {"a": good, "b": good, "c": turned}
    export = write(
        tmp_path, *(task(i, f"{n}.png", (regions[n], {})) for i, n in enumerate(regions))
    )
    _, views, report = convert_and_load("label-studio", export, tmp_path / "mine.json")
    assert set(views) == {"a", "b"}
    assert report.left_out == {Reason.TURNED: ["task 2"]}


@pytest.mark.parametrize(
    "content",
    ['[{"image": "a.png", "kp": [{"x": 1, "y": 1, "keypointlabels": ["nose"]}]}]', "[1]", "{"],
)
def test_another_export_is_refused_with_the_format_to_choose(tmp_path, content):
    path = tmp_path / "export.json"
    path.write_text(content)
    with pytest.raises(KapbenchError, match=r"no annotations|not JSON"):
        convert("label-studio", path, tmp_path / "mine.json")
