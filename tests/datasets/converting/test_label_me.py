"""LabelMe and X-AnyLabeling: shapes, groups, Windows paths, difficult, files of others."""

import json

import pytest
from annotation_exports import convert_and_load, points_of, save_image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.report import Reason
from kapbench.errors import KapbenchError


def shape(label, points, group=None, kind="point", **more):
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def any_shape(label, points, group=None, kind="point", difficult=False):
    """As X-AnyLabeling writes it; its key visible is false for all shapes."""
    return {
        "label": label,
        "score": None,
        "points": points,
        "group_id": group,
        "description": None,
        "difficult": difficult,
        "shape_type": kind,
        "flags": {},
        "attributes": {},
        "kie_linking": [],
        "visible": False,
    }


def write(folder, name, image, *shapes, size=(200, 100)):
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": "aGVsbG8=",
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content, indent=2))


def test_points_boxes_and_groups(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        save_image(tmp_path / "photos" / name)
    folder = tmp_path / "labels"
    write(
        folder,
        "a.json",
        r"..\photos\a.jpg",
        shape("cat", [[60, 50], [10, 5]], 0, "rectangle"),  # corners in any order
        shape("nose", [[20.5, 30.25]], 0),
        shape("tail", [[50, 40]], 0),
        shape("nose", [[120, 30]], 1) | {"flags": {"blurred": True, "dark": False}},
        shape("tail", [[150, 40]], 1),
        shape("cat", [[1, 1], [5, 1], [5, 5]], 1, "polygon"),
    )
    write(
        folder / "more",
        "b.json",
        "../../photos/b.jpg",
        shape("nose", [[0, 0]]),
        shape("tail", [[200, 100]]),
        shape("ear", [[201.5, 0]]),
        shape("paw", [[201, -0.5]]),
    )
    write(folder / ".ipynb_checkpoints", "a-checkpoint.json", r"..\..\photos\a.jpg")
    write(folder, ".hidden.json", r"..\photos\a.jpg")
    (folder / "._a.json").write_bytes(b"\x00\x05\x16\x07")
    (folder / "notes.json").write_text('{"hello": 1}')
    (folder / "broken.json").write_text("{")
    out = tmp_path / "mine.json"
    _, views, report = convert_and_load("labelme", folder, out, choices=Choices(category="cat"))
    assert points_of(views["a#1"], out) == {"nose": (20.5, 30.25), "tail": (50, 40)}
    assert points_of(views["a#2"], out) == {"nose": (120, 30), "tail": (150, 40)}
    assert points_of(views["b"], out) == {"nose": (0, 0), "tail": (200, 100), "paw": (200, 0)}
    assert views["a#1"].bbox == (10, 5, 60, 50)
    assert views["a#2"].bbox == (120, 30, 150, 40)
    assert report.left_out == {
        Reason.OTHER_SHAPE: ["a.json, shapes[5]"],
        Reason.BAD_FILE: ["broken.json"],
        Reason.OTHER_FILE: ["notes.json"],
        Reason.OUTSIDE: ["more/b.json, object 1, ear"],
    }
    moved = "Keypoints up to 1 px outside their image, which are moved to its edge: 1 ("
    assert f"{moved}more/b.json, object 1, paw)." in report.notes
    assert report.attributes == ["a.json, shapes[3]: blurred=True"]
    content = json.loads(out.read_text())
    assert {image["path"] for image in content["images"]} == {"photos/a.jpg", "photos/b.jpg"}


def test_keypoints_without_a_group_belong_to_the_box_that_holds_them(tmp_path):
    animals = [
        shape("cat", [[0, 0], [50, 50]], 1, "rectangle"),
        shape("nose", [[10, 10]], 1),
        shape("cat", [[60, 0], [120, 50]], 2, "rectangle"),
        shape("nose", [[70, 10]], 2),
    ]
    ungrouped = [shape("tail", [[20, 20]]), shape("tail", [[80, 20]]), shape("ear", [[150, 90]])]
    for name in "abc":
        save_image(tmp_path / f"{name}.png")
    write(tmp_path, "a.json", "a.png", *animals, *ungrouped)
    write(tmp_path, "b.json", "b.png", *animals)
    without_boxes = [item for item in animals if item["shape_type"] == "point"]
    write(tmp_path, "c.json", "c.png", *without_boxes, *ungrouped)
    out = tmp_path / "out" / "mine.json"
    _, views, report = convert_and_load("labelme", tmp_path, out)
    assert points_of(views["a#1"], out) == {"nose": (10, 10), "tail": (20, 20)}
    assert points_of(views["a#2"], out) == {"nose": (70, 10), "tail": (80, 20)}
    assert report.left_out[Reason.NO_OBJECT] == [
        "a.json, shapes[6]",
        *(f"c.json, shapes[{i}]" for i in (2, 3, 4)),
    ]


@pytest.fixture
def typing_error(tmp_path):
    """Three cats, one of which has a tial."""
    for name, tail in {"a": "tail", "b": "tial", "c": "tail"}.items():
        save_image(tmp_path / f"{name}.png")
        box = shape("cat", [[0, 0], [90, 90]], kind="rectangle")
        shapes = [shape(tail, [[30, 40]]), shape("nose", [[20, 30]])]
        write(tmp_path, f"{name}.json", f"{name}.png", box, *shapes)
    return tmp_path


def test_a_name_in_one_image_only_is_named_beside_the_nearest(typing_error):
    out = typing_error / "mine.json"
    dataset, _, report = convert_and_load("labelme", typing_error, out)
    rare = "1 keypoint name occurs in one image only: tial in b.png (did you mean tail?)."
    assert rare in report.notes
    lacking = "Objects that lack a keypoint: 3 (a.json, object 1: tial; b.json, object 1: tail; c"
    assert any(note.startswith(lacking) for note in report.notes)
    assert "--unlabelled absent" in dataset.remarks[-1]  # why KAP is not computed


def test_a_name_in_one_image_only_is_no_absent_keypoint_in_the_others(typing_error):
    out = typing_error / "mine.json"
    with pytest.raises(KapbenchError, match="1 keypoint name occurs in one image only") as error:
        convert("labelme", typing_error, out, choices=Choices(unlabelled="absent"))
    assert error.value.place == "tial in b.png (did you mean tail?)"
    assert "--accept-rare-names" in str(error.value.fix)
    assert not out.exists()
    accepted = Choices(unlabelled="absent", accept_rare_names=True)
    dataset, _, report = convert_and_load("labelme", typing_error, out, choices=accepted)
    assert dataset.has_absent
    assert dataset.remarks == ()
    assert any("tial in b.png" in note for note in report.notes)


def test_an_object_without_a_box_among_others_with_one_is_named(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png")
        box = [shape("cat", [[0, 0], [90, 90]], kind="rectangle")] if name != "c" else []
        shapes = [shape("nose", [[20, 30]]), shape("tail", [[30, 40]])]
        write(tmp_path, f"{name}.json", f"{name}.png", *box, *shapes)
    report = convert("labelme", tmp_path, tmp_path / "mine.json")
    words = " ".join(report.notes)
    assert "Objects without a category: 1 (c.json, object 1)." in words
    assert "without a pair: 1 (object). Add --category NAME" in words
    named = convert("labelme", tmp_path, tmp_path / "mine.json", choices=Choices(category="cat"))
    assert "category" not in " ".join(named.notes)


def test_x_anylabeling_marks_hidden_keypoints_as_difficult(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.jpeg")
        write(
            tmp_path,
            f"{name}.json",
            f"{name}.jpeg",
            any_shape("person", [[10, 10], [90, 10], [90, 80], [10, 80]], 0, "rectangle"),
            any_shape("nose", [[20, 30]], 0),
            any_shape("left_eye", [[30, 40]], 0, difficult=name == "a"),
        )
    out = tmp_path / "mine.json"
    _, views, _ = convert_and_load("x-anylabeling", tmp_path, out)
    assert points_of(views["a"], out) == {"nose": (20, 30), "left_eye": (30, 40)}
    assert (views["a"].category, views["a"].bbox) == ("person", (10, 10, 90, 80))
    hidden = tmp_path / "out" / "hidden.json"
    dataset, views, report = convert_and_load(
        "x-anylabeling", tmp_path, hidden, choices=Choices(occluded="absent")
    )
    assert points_of(views["a"], hidden) == {"nose": (20, 30)}
    assert points_of(views["b"], hidden) == {"nose": (20, 30), "left_eye": (30, 40)}
    assert (dataset.has_absent, report.counts["not visible"]) == (True, 1)


def test_a_folder_without_such_files_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="no file of LabelMe"):
        convert("labelme", tmp_path, tmp_path / "mine.json")
