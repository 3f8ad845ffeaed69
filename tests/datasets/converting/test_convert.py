"""The command, and what all tools share: images on disk, EXIF, strictness, what is written."""

import json
from pathlib import Path

import pytest
from annotation_exports import convert_and_load, points_of, save_image
from command_line import kapbench

from kapbench.datasets.converting.convert import READERS, convert
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.mirror import mirror_by_words
from kapbench.datasets.converting.report import Reason
from kapbench.datasets.manifest.dataset import manifest
from kapbench.errors import KapbenchError
from kapbench.types import Coverage

__all__ = ["kapbench"]
CHEAP = ("--rule", "kap-v1", "--cache", "cache", "--no-control", "--quiet")


def write(folder, *images, name="annotations.xml"):
    """A CVAT export with a nose and a tail in each image.

    Args:
        images: Name, width and height of each.
    """
    shapes = (
        '<points label="nose" occluded="0" points="10.00,20.00" z_order="0"></points>'
        '<points label="tail" occluded="0" points="30.00,44.00" z_order="0"></points>'
    )
    body = "".join(
        f'<image id="{i}" name="{n}" width="{w}" height="{h}">{shapes}</image>'
        for i, (n, w, h) in enumerate(images)
    )
    path = folder / name
    path.write_text(f"<annotations><version>1.1</version>{body}</annotations>")
    return path


@pytest.fixture
def two(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        save_image(tmp_path / name)
    return write(tmp_path, ("a.jpg", 200, 100), ("b.jpg", 200, 100))


def test_the_command_prints_counts_and_the_next_one(kapbench, two):
    done = kapbench("convert", "cvat", two, "-o", "out/mine.json", "--category", "cat")
    assert done.exit_code == 0, done.output
    first, *_, last = done.stdout.splitlines()
    assert first == (
        "out/mine.json: 2 images, 2 objects, 4 keypoints; 0 not visible, 0 not labelled"
    )
    assert "Objects without a box: 2 (a; b)." in done.stdout
    assert last == "Next: kapbench run --model lite0 --dataset manifest:out/mine.json"
    run = kapbench("run", "--model", "pixels", *last.split()[5:], *CHEAP)
    assert run.exit_code == 0, run.output
    again = kapbench("convert", "cvat", two, "-o", "out/mine.json")
    assert "Add --force to replace it" in again.stderr
    assert kapbench("convert", "cvat", two, "-o", "out/mine.json", "--force").exit_code == 0


def test_pairs_are_drawn_by_the_manifests_rule(kapbench, two, tmp_path):
    save_image(tmp_path / "c.jpg")
    write(tmp_path, *((f"{n}.jpg", 200, 100) for n in "abc"))
    words = ("convert", "cvat", tmp_path, "-o", "mine.json", "--pairs", 2, "--seed", 5)
    assert kapbench(*words).exit_code == 0
    assert json.loads((tmp_path / "mine.json").read_text())["rule"] == {"n": 2, "seed": 5}
    assert len(manifest("mine.json").pairs()) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "mine.csv"), "The manifest is JSON"),
        (("-o", "m.json", "--mirror-names", "left"), "two different words"),
        (("-o", "m.json", "--mirror-names", "x,y"), "No two keypoints of a category differ"),
    ],
)
def test_wrong_options(kapbench, two, words, message):
    done = kapbench("convert", "cvat", two, *words)
    assert done.exit_code != 0
    assert message in done.stderr
    assert not Path("m.json").exists()


def test_categories_are_renamed(kapbench, two):
    words = ("convert", "cvat", two, "-o", "mine.json", "--force", "--category")
    assert kapbench(*words, "object=cat").exit_code == 0
    assert manifest("mine.json").categories == ("cat",)
    done = kapbench(*words, "dog=cat")
    assert "'dog'" in done.stderr
    assert "object" in done.stderr
    assert "give one NAME, or OLD=NEW" in kapbench(*words, "cat", "--category", "a=b").stderr
    twice = kapbench(*words, "object=cat", "--category", "object=dog").stderr
    assert "--category names 'object' twice: object=cat and object=dog" in twice


def test_an_option_of_another_tool(kapbench, two):
    done = kapbench("convert", "labelme", two, "-o", "m.json", "--points-in-order")
    assert "for CVAT alone" in done.stderr


def test_every_tool_is_in_the_help(kapbench):
    from kapbench.cli.convert import TOOLS

    assert sorted(READERS) == sorted(TOOLS)
    shown = kapbench("convert", "--help").stdout
    assert all(f"\n  {tool}" in shown for tool in READERS)
    assert "kapbench convert label-studio" in shown


def test_images_that_are_missing_broken_or_of_another_size(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    export = write(
        tmp_path,
        ("a.png", 200, 100),
        ("b.png", 200, 100),
        ("c.png", 400, 200),
        ("broken.png", 200, 100),
        ("gone.png", 200, 100),
        ("a.png", 200, 100),
    )
    _, views, report = convert_and_load("cvat", export, tmp_path / "mine.json")
    assert set(views) == {"a", "b"}
    assert report.left_out == {
        Reason.BROKEN_IMAGE: [f"image broken.png: {tmp_path / 'broken.png'}"],
        Reason.NO_IMAGE: ["image gone.png: gone.png"],
        Reason.IMAGE_TWICE: ["image a.png: a.png"],
        Reason.OTHER_SIZE: ["image c.png"],
    }


def test_the_command_names_what_is_left_out(kapbench, two, tmp_path):
    export = write(tmp_path, ("a.jpg", 200, 100), ("b.jpg", 200, 100), ("gone.jpg", 1, 1))
    done = kapbench("convert", "cvat", export, "-o", "mine.json")
    line = (
        "  Left out: 1 annotation (image gone.jpg: gone.jpg). The image is not on disk. Name the "
        "folder that holds the images with --images."
    )
    assert line in done.stdout.splitlines()


def test_two_names_of_one_file_are_no_two_images(tmp_path):
    save_image(tmp_path / "1.png")
    export = write(tmp_path, ("x/1.png", 200, 100), ("y/1.png", 200, 100))
    with pytest.raises(KapbenchError, match="lead to one file") as error:
        convert("cvat", export, tmp_path / "mine.json")
    assert "x/1.png and y/1.png" in str(error.value.place)


def test_a_path_of_another_machine_is_named(tmp_path):
    for name in ("a.jpg", "a.png"):
        save_image(tmp_path / "photos" / name)
    export = write(
        tmp_path, (r"C:\me\photos\a.jpg", 200, 100), ("/elsewhere/photos/a.png", 200, 100)
    )
    _, views, report = convert_and_load("cvat", export, tmp_path / "mine.json")
    assert set(views) == {"a.jpg", "a.png"}  # two photographs
    assert any("Images found by the end of their path alone: 2" in note for note in report.notes)


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("stated", [(60, 40), (40, 60)])
@pytest.mark.parametrize(("stored", "exif"), [((60, 40), True), ((40, 60), False)])
def test_keypoints_show_whether_exif_is_followed(tmp_path, stored, exif, stated, ending):
    save_image(tmp_path / f"a.{ending}", stored, orientation=6)
    save_image(tmp_path / f"b.{ending}", (40, 60))
    export = write(tmp_path, (f"a.{ending}", *stated), (f"b.{ending}", 40, 60))
    out = tmp_path / "mine.json"
    dataset, views, report = convert_and_load("cvat", export, out)  # the tail is at (30, 44)
    assert json.loads(out.read_text())["exif"] == exif
    assert views["a"].size == (40, 60)
    assert dataset.pixels(views["a"]).shape[:2] == (60, 40)
    assert points_of(views["a"], out) == {"nose": (10, 20), "tail": (30, 44)}
    evidence = "1 keypoint would lie outside the " + (
        "photographs as stored" if exif else "rotated photographs"
    )
    assert any(evidence in note for note in report.notes)
    assert any("of the other orientation" in note for note in report.notes) == (stated == (60, 40))
    assert report.left_out == {}


@pytest.mark.parametrize("size", [(100, 100), (60, 43)])  # the tail is less than 2 px outside
def test_exif_that_nothing_decides_is_asked_for(tmp_path, size):
    save_image(tmp_path / "a.jpg", size, orientation=6)
    save_image(tmp_path / "b.jpg", (100, 100))
    export = write(tmp_path, ("a.jpg", *size), ("b.jpg", 100, 100))
    out = tmp_path / "mine.json"
    with pytest.raises(KapbenchError, match="keypoints do not show whether") as error:
        convert("cvat", export, out)
    assert "--exif upright" in str(error.value.fix)
    convert("cvat", export, out, exif="stored")
    assert json.loads(out.read_text())["exif"] is False
    convert("cvat", export, out, exif="upright")
    assert json.loads(out.read_text())["exif"] is True


def test_exif_keypoints_of_both_kinds_are_a_contradiction(tmp_path):
    save_image(tmp_path / "a.jpg", (60, 40), orientation=6)
    save_image(tmp_path / "b.jpg", (40, 60), orientation=6)
    export = write(tmp_path, ("a.jpg", 60, 40), ("b.jpg", 40, 60))
    with pytest.raises(KapbenchError, match="keypoints do not show whether"):
        convert("cvat", export, tmp_path / "mine.json")


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_exif_orientation_that_does_not_exist_is_none(tmp_path, orientation):
    for name in ("a.jpg", "b.jpg"):
        save_image(tmp_path / name, (100, 100), orientation)
    export = write(tmp_path, ("a.jpg", 100, 100), ("b.jpg", 100, 100))
    convert("cvat", export, tmp_path / "mine.json")
    assert json.loads((tmp_path / "mine.json").read_text())["exif"] is False


def test_a_keypoint_outside_its_image_is_unknown(tmp_path):
    for name, size in {"a": (60, 60), "b": (60, 60), "c": (60, 42)}.items():
        save_image(tmp_path / f"{name}.png", size)
    export = write(tmp_path, ("a.png", 60, 60), ("b.png", 60, 60), ("c.png", 60, 42))
    ear = '<points label="ear" points="20.00,30.00"></points></image>'
    export.write_text(export.read_text().replace("</image>", ear))
    out = tmp_path / "mine.json"
    dataset, views, report = convert_and_load("cvat", export, out)
    assert points_of(views["c"], out) == {"nose": (10, 20), "ear": (20, 30)}
    assert "tail" not in json.loads(out.read_text())["images"][2]["keypoints"]
    assert not dataset.has_absent
    assert report.left_out == {Reason.OUTSIDE: ["image c.png, object 1, tail"]}
    absent = Choices(unlabelled="absent")
    dataset, views, report = convert_and_load("cvat", export, out, choices=absent)
    assert set(views) == {"a", "b"}
    assert dataset.has_absent
    assert report.left_out[Reason.DOUBTFUL] == ["image c.png"]


def test_many_pairs_are_named(tmp_path):
    names = [f"{i}.png" for i in range(102)]
    for name in names:
        save_image(tmp_path / name, (60, 60))
    export = write(tmp_path, *((name, 60, 60) for name in names))
    report = convert("cvat", export, tmp_path / "mine.json")
    assert any(note.startswith("Pairs: up to 10,302.") for note in report.notes)


def test_strict_writes_nothing(tmp_path, two):
    export = write(tmp_path, ("a.jpg", 200, 100), ("b.jpg", 200, 100), ("gone.jpg", 1, 1))
    with pytest.raises(KapbenchError, match="not on disk") as error:
        convert("cvat", export, tmp_path / "mine.json", strict=True)
    assert error.value.place == f"{export}, image gone.jpg: gone.jpg"
    assert error.value.fix is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "annotations.xml", "b.jpg"]


def test_no_category_in_two_images(tmp_path):
    save_image(tmp_path / "a.jpg")
    export = write(tmp_path, ("a.jpg", 200, 100))
    with pytest.raises(KapbenchError, match="No two images have objects of one category"):
        convert("cvat", export, tmp_path / "mine.json")


def test_coverage_of_one_category_of_two_that_has_all_pairs():
    coverage = Coverage(("cat",), ("cat", "object"), 2, 2)
    assert str(coverage) == "complete: 1 category, 2 pairs"


def test_mirror_by_words():
    names = ["oor_li", "oor_re", "liesje", "neus", "poot_li", "poot_re"]
    assert mirror_by_words(names, "li", "re") == [("oor_li", "oor_re"), ("poot_li", "poot_re")]
    with pytest.raises(KapbenchError, match="'ll' would have two"):
        mirror_by_words(["ll", "rl", "lr"], "l", "r")
