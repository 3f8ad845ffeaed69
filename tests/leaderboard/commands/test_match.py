"""`kapbench match` on images of coloured blocks, whose matches are known."""

import json
import shutil
from pathlib import Path

import blocks
import numpy as np
import pytest
from blocks import SIDE
from PIL import Image

BLOCKS = f"{blocks.__file__}:Blocks"
PAIRS = f"{blocks.__file__}:Pairs"
NUMBERS = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)


@pytest.fixture
def match(kapbench, tmp_path):
    """`kapbench match`, in a folder with a.png and images in which it is moved."""
    Path("folder").mkdir()
    for name, moved in (("a", 0), ("b", 1), ("folder/c", 2), ("folder/d", 3)):
        pixels = blocks.blocks(np.roll(NUMBERS, moved, axis=1))
        Image.fromarray(pixels).save(f"{name}.png")
    Path("folder/notes.txt").write_text("no image")

    def run(*words, model=BLOCKS):
        return kapbench("match", *words, "--model", model, "--cache", "cache", "-q")

    return run


def test_points_in_a_table_of_80_columns(match):
    done = match("a.png", "b.png", "--at", "2.5,2.5", "--at", " 12 , 7")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "blocks: a.png → b.png"
    assert lines[1].split("  ")[0] == "point"
    second = ["28,8", "-1.000", "1.000"]  # number 16: the next step of the other colour
    assert lines[2].split() == ["1", "2,2", "8,2", "0.000", *second, "mutual"]
    assert lines[3].split()[:4] == ["2", "12,7", "18,8", "0.000"]
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1].startswith("picture: kapbench ")
    assert lines[-1].endswith(" -o match.png")


def test_a_regular_set_both_ways(match):
    done = match("a.png", "b.png", "--points", "36")
    rows = [line.split() for line in done.stdout.splitlines()[2:4]]
    assert rows[0][:5] == ["a.png", "b.png", "36", "36", "36"]
    assert rows[1][:5] == ["b.png", "a.png", "36", "36", "36"]


def test_json_has_what_python_has(match):
    import kapbench

    assert match("a.png", "b.png", "--at", "2.5,2.5", "-o", "m.json").exit_code == 0
    written = json.loads(Path("m.json").read_text())
    of_python = kapbench.match(BLOCKS, "a.png", "b.png", [[2.5, 2.5]], cache="cache")
    assert written == {"matches": [of_python.to_dict()], "unreadable": []}


def test_several_files_of_one_pair(match):
    names = ["m.png", "m.pdf", "m.svg"]
    done = match("a.png", "b.png", "--at", "2,2", *(w for name in names for w in ("-o", name)))
    assert done.stdout.splitlines()[-3:] == names
    heads = [Path(name).read_bytes()[:5] for name in names]
    assert heads == [b"\x89PNG\r", b"%PDF-", b"<?xml"]


def test_a_folder_in_the_order_of_its_names(match):
    Path("folder/broken.jpg").write_text("no image")
    done = match("a.png", "folder", "b.png", "--at", "2,2", "-o", "out.png", "-o", "out.json")
    assert done.exit_code == 1
    assert "broken.jpg" in done.stderr
    assert "1 target of 4 could not be matched" in done.stderr
    rows = [line.split()[:4] for line in done.stdout.splitlines()[2:5]]
    assert rows == [
        ["c.png", "1", "2,2", "12,2"],
        ["d.png", "1", "2,2", "18,2"],
        ["b.png", "1", "2,2", "8,2"],
    ]
    figures = ["out.png", "out-01-c.png", "out-02-d.png", "out-03-b.png"]
    assert done.stdout.splitlines()[-5:] == [*figures, "out.json"]
    assert all(Path(name).stat().st_size for name in figures)
    written = json.loads(Path("out.json").read_text())
    assert [m["target"]["image"] for m in written["matches"]] == [
        "folder/c.png",
        "folder/d.png",
        "b.png",
    ]
    assert written["unreadable"] == ["folder/broken.jpg"]


def test_a_pdf_has_a_page_for_each_target_and_its_fonts(match):
    match("a.png", "folder", "-o", "out.pdf")
    content = Path("out.pdf").read_bytes()
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") == 3
    assert b"/Type3" not in content
    assert b"/FontFile2" in content


def test_the_source_is_left_out_of_its_own_folder(match):
    shutil.copy("a.png", "folder/a.png")
    done = match("folder/a.png", "folder", "--at", "2,2")
    assert [line.split()[0] for line in done.stdout.splitlines()[2:4]] == ["c.png", "d.png"]


def test_two_models_have_a_table_each(match):
    done = match("a.png", "b.png", "--model", PAIRS, "--at", "2,2", "-o", "m.png")
    assert done.exit_code == 0
    heads = [line for line in done.stdout.splitlines() if "→" in line]
    assert heads == ["pairs: a.png → b.png", "blocks: a.png → b.png"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["a.png", "b.png", "--at", "2"], 2, "--at 2: write X,Y in pixels"),
        (["a.png", "b.png", "--at", "2;3"], 2, "write X,Y in pixels"),
        (["a.png", "b.png", "--at", "61,3"], 1, "The point 61,3 lies outside the image"),
        (["a.png", "none.png"], 1, "The image does not exist"),
        (["none.png", "b.png"], 1, "The image does not exist"),
        (["a.png", "a.png"], 1, "The source and the target are the same file"),
        (["a.png", "folder/../a.png"], 1, "The source and the target are the same file"),
        (["a.png", "b.png", "b.png"], 1, "The target is named twice"),
        (["a.png", "folder", "folder/c.png"], 1, "The target is named twice"),
        (["a.png", "cache-of-nothing"], 1, "The image does not exist"),
        (["a.png", "folder/notes.txt"], 1, "The image cannot be read"),
        (["a.png", "b.png", "-o", "m.gif"], 1, "The ending '.gif' names no format"),
        (["a.png", "b.png", "-o", "layers=3"], 2, "looks like an option of a model"),
        (["a.png", "folder", "-o", "folder/m.png"], 1, "lie among the images"),
        (["a.png", "b.png", "--lines", "--at", "2,2"], 2, "Leave --at or --lines out"),
        (["a.png", "b.png", "--model", BLOCKS], 2, "A model is named twice"),
        (["a.png", "b.png", "--model", "oracle"], 1, "reads the annotation"),
        (["a.png", "b.png", "--model", "blcks"], 1, "Unknown model 'blcks'"),
    ],
)
def test_mistakes(match, words, status, message):
    done = match(*words)
    assert done.exit_code == status
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_folder_without_images(match):
    Path("empty").mkdir()
    assert "holds no image to match" in match("a.png", "empty").stderr


def test_errors_advise_options_that_this_command_has(kapbench, match):
    missing = kapbench("match", "a.png", "b.png")
    assert missing.exit_code == 2
    assert "--model lite0" in missing.stderr
    done = match("a.png", "b.png", model="dve")
    assert "--model-option weights=FILE" in done.stderr
    Path("mask.png").write_text("no image")
    done = match("a.png", "b.png", "--source-mask", "mask.png")
    assert "Give a mask of the image's size" in done.stderr
