"""`kapbench explore`: the page that it writes, what it prints, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from command_line import DOTS
from PIL import Image

DATA = ("--load-dataset", f"{DOTS}:Dots", "--cache", "cache")
MODEL = ("--load-model", f"{DOTS}:Greys")


@pytest.fixture
def greys(scored):
    (folder,) = scored(("Greys", "--rule", "kap-cvpr24", "--rule", "kap-v1", "--rule", "pck-v1"))
    return folder


def test_a_page_of_a_run(kapbench, greys):
    done = kapbench("explore", greys, *DATA, *MODEL, "--photographs", "--worst", "--pairs", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout == "explore.html\n"
    assert "of 2 pairs, 0." in done.stderr
    assert "% of the best cells lie within one cell" in done.stderr
    page = Path("explore.html").read_text(encoding="utf-8")
    assert "licence: none" in page
    assert "not a fair sample" in page


def test_a_page_of_image_files_and_two_models(kapbench):
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"{name}.png")
    models = ("--model", f"{DOTS}:Greys", "--model", f"{DOTS}:Colours")
    done = kapbench("explore", *models, "a.png", "b.png", "--cache", "cache", "-o", "two.html")
    assert done.exit_code == 0, done.output
    assert done.stdout == "two.html\n"
    assert "greys: " in done.stderr
    assert "colours: " in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "lite0", "a.png", "--worst"), "--model compares image files"),
        (("a.png",), "needs a run folder or the name of a model"),
        (("--model", "lite0", "a.png"), "One image cannot be compared"),
        (("--model", "random", "a.png", "b.png"), "looks at both images of a pair at once"),
        (("--model", "lite0", "a.png", "none.png"), "none.png"),
    ],
)
def test_what_cannot_be_is_refused(kapbench, words, message):
    for name in "ab":
        Image.new("RGB", (64, 64)).save(f"{name}.png")
    done = kapbench("explore", *words)
    assert done.exit_code in (1, 2)
    assert message in done.output or message in str(done.exception)


def test_photographs_of_a_data_set_are_not_passed_on_unasked(kapbench, greys):
    done = kapbench("explore", greys, *DATA, *MODEL)
    assert "--photographs" in done.output or "--photographs" in str(done.exception)
    assert done.exit_code == 1
