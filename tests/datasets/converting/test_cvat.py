"""CVAT for images 1.1: skeletons, single points, groups, boxes, numbered points, unsafe XML."""

from pathlib import Path

import pytest
from annotation_exports import convert_and_load, names_of, points_of, save_image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.report import Reason
from kapbench.errors import KapbenchError

META = """<version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <name>made up</name>
      <size>2</size>
      <mode>annotation</mode>
      <labels>
        <label><name>cat</name><color>#c06060</color><type>skeleton</type><attributes></attributes></label>
        <label><name>nose</name><type>points</type><attributes></attributes><parent>cat</parent></label>
      </labels>
    </task>
    <dumped>2026-01-01 10:00:00.000000+00:00</dumped>
  </meta>"""


def element(label, x, y, outside=0, occluded=0):
    return (
        f'<points label="{label}" source="manual" outside="{outside}" occluded="{occluded}" '
        f'points="{x:.2f},{y:.2f}">\n      </points>'
    )


def skeleton(*elements, group=None, label="cat"):
    more = "" if group is None else f' group_id="{group}"'
    return f'<skeleton label="{label}" source="manual" z_order="0"{more}>{"".join(elements)}</skeleton>'


def box(label, corners, more=""):
    names = ("xtl", "ytl", "xbr", "ybr")
    sides = " ".join(f'{n}="{v:.2f}"' for n, v in zip(names, corners, strict=True))
    return f'<box label="{label}" source="manual" occluded="0" {sides} z_order="0"{more}></box>'


def points(label, text, more=""):
    return (
        f'<points label="{label}" source="manual" occluded="0" points="{text}" z_order="0"{more}>'
        "</points>"
    )


def write(folder: Path, *images, head='<?xml version="1.0" encoding="utf-8"?>') -> Path:
    """
    Args:
        images: Name and shapes of each.
    """
    body = "".join(
        f'<image id="{i}" name="{name}" width="200" height="100">{"".join(shapes)}</image>'
        for i, (name, *shapes) in enumerate(images)
    )
    path = folder / "annotations.xml"
    path.write_text(f"{head}<annotations>{META}{body}</annotations>", "utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "sub/b.png"):
        save_image(tmp_path / "images" / name)
    return tmp_path


def test_skeletons_state_what_is_not_visible(folder):
    export = write(
        folder,
        (
            "a.jpg",
            skeleton(
                element("nose", 10.5, 20.25),
                element("left_ear", 30, 40, occluded=1),
                element("right_ear", 5, 5, outside=1),
                element("whisker", 5, 5, outside=1),
            ),
            box("cat", (1, 2, 60, 70)),
            '<tag label="good_frame" source="manual"></tag>',
        ),
        (
            "sub/b.png",
            skeleton(
                element("nose", 100, 50),
                element("left_ear", 110, 60),
                element("right_ear", 90, 60),
                element("whisker", 5, 5, outside=1),
            ),
        ),
    )
    out = folder / "mine.json"
    dataset, views, report = convert_and_load("cvat", export, out)
    assert points_of(views["a"], out) == {"nose": (10.5, 20.25), "left_ear": (30, 40)}
    assert points_of(views["sub/b"], out) == {
        "nose": (100, 50),
        "left_ear": (110, 60),
        "right_ear": (90, 60),
    }
    assert views["a"].bbox == (1, 2, 60, 70)
    assert views["sub/b"].bbox == (90, 50, 110, 60)
    assert names_of(out, "cat") == ["nose", "left_ear", "right_ear"]  # no whisker was visible
    assert dataset.has_absent  # every keypoint is placed, or marked as outside
    assert (report.counts["not visible"], report.counts["not labelled"]) == (3, 0)
    assert report.left_out == {}

    _, views, _ = convert_and_load(
        "cvat", export, folder / "hidden.json", choices=Choices(occluded="absent")
    )
    assert points_of(views["a"], folder / "hidden.json") == {"nose": (10.5, 20.25)}


def test_a_skeleton_with_a_point_that_cannot_be_read_is_left_out(folder):
    good = skeleton(element("nose", 1, 2), element("tail", 5, 6, outside=1), element("ear", 7, 8))
    bad = good.replace('points="7.00,8.00"', 'points=""')
    export = write(folder, ("a.jpg", good, bad), ("sub/b.png", good))
    dataset, views, report = convert_and_load("cvat", export, folder / "mine.json")
    assert set(views) == {"a", "sub/b"}
    assert report.left_out == {Reason.NOT_A_NUMBER: ["image a.jpg, skeleton 2, ear"]}
    assert dataset.has_absent


def test_single_points_are_grouped_by_number(folder):
    export = write(
        folder,
        (
            "a.jpg",
            points("nose", "10.00,20.00", ' group_id="1"'),
            points("tail", "30.00,20.00", ' group_id="1"'),
            box("cat", (0, 0, 40, 40), ' group_id="1"'),
            points("nose", "110.00,20.00", ' group_id="2"'),
            points("tail", "130.00,25.00", ' group_id="2"'),
            box("dog", (100, 40, 140, 60), ' group_id="2" rotation="90.00"'),
        ),
        (
            "sub/b.png",
            points("nose", "1.00,2.00"),
            points("tail", "5.00,6.00"),
            box("cat", (0, 0, 9, 9)),
        ),
    )
    out = folder / "mine.json"
    _, views, report = convert_and_load("cvat", folder, out)
    assert export.name == "annotations.xml"  # found in its folder
    assert points_of(views["a#1"], out) == {"nose": (10, 20), "tail": (30, 20)}
    assert points_of(views["a#2"], out) == {"nose": (110, 20), "tail": (130, 25)}
    assert [views[name].category for name in ("a#1", "a#2", "sub/b")] == ["cat", "dog", "cat"]
    unpaired = next(note for note in report.notes if "Categories in one image only" in note)
    assert "without a pair: 1 (dog). Add --category NAME" in unpaired
    assert views["a#2"].bbox == pytest.approx((110, 30, 130, 70))  # turned about its centre
    assert report.left_out == {}


def test_attributes_are_named(folder):
    shapes = [
        points("nose", "1.00,2.00").replace(
            "></points>", '><attribute name="presumed">true</attribute></points>'
        ),
        points("tail", "5.00,6.00").replace(
            "></points>", '><attribute name="presumed">false</attribute></points>'
        ),
    ]
    export = write(folder, ("a.jpg", *shapes), ("sub/b.png", *shapes))
    _, _, report = convert_and_load("cvat", export, folder / "mine.json")
    [line] = [line for line in report.lines() if line.startswith("Attributes of keypoints")]
    assert "not converted: 2 (image a.jpg, points 1: presumed=true; image sub/b.png" in line


def test_shapes_with_several_points_need_a_statement(folder):
    shapes = [
        ("a.jpg", points("face", "1.00,2.00;3.50,4.00;5.00,6.00")),
        (
            "sub/b.png",
            points("face", "11.00,2.00;13.00,4.00;15.00,6.00"),
            points("face", "11.00,2.00;13.00,4.00"),
            points("face", "11.00,oops;13.00,4.00"),
            '<polygon label="cat" occluded="0" points="1,1;2,2;3,1" z_order="0"></polygon>',
        ),
    ]
    export = write(folder, *shapes)
    with pytest.raises(KapbenchError, match="No object of the export can be converted") as error:
        convert("cvat", export, folder / "mine.json")
    assert "--points-in-order" in str(error.value.place)

    out = folder / "mine.json"
    _, views, report = convert_and_load("cvat", export, out, points_in_order=True)
    assert points_of(views["a"], out) == {"1": (1, 2), "2": (3.5, 4), "3": (5, 6)}
    assert views["a"].category == "face"
    assert report.left_out == {
        Reason.OTHER_NUMBER: ["image sub/b.png, points 2"],
        Reason.NOT_A_NUMBER: ["image sub/b.png, points 3"],
        Reason.OTHER_SHAPE: ["image sub/b.png, polygon 4"],
    }


BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("head", [BOMB, FILE, '<!DOCTYPE x SYSTEM "http://localhost/x.dtd">'])
def test_a_document_type_is_refused(folder, head):
    export = write(folder, ("a.jpg", points("nose", "1,1")), head=head)
    with pytest.raises(KapbenchError, match="DOCTYPE") as error:
        convert("cvat", export, folder / "mine.json")
    assert "line 1" in str(error.value.place)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotations><track id='0' label='cat'></track></annotations>", "CVAT for video"),
        ("<annotation><folder>VOC</folder></annotation>", "another tool"),
        ("<annotations><image>", "not XML"),
    ],
)
def test_another_export_is_refused(tmp_path, content, message):
    path = tmp_path / "annotations.xml"
    path.write_text(content)
    with pytest.raises(KapbenchError, match=message) as error:
        convert("cvat", path, tmp_path / "mine.json")
    assert "CVAT for images 1.1" in str(error.value.fix)
