"""`kapbench convert features`: what it prints, and what it asks for."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import DOTS
from dots import Dots


@pytest.fixture
def lab(tmp_path):
    for number, view in enumerate(Dots().views()):
        path = tmp_path / "lab" / f"{view.image_id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.random.default_rng(number).random((9, 9, 5), np.float32))


WORDS = ("convert", "features", "lab", "--dataset", f"{DOTS}:Dots", "-o", "maps")


def test_the_report_says_what_files_were_taken_for(kapbench, lab):
    done = kapbench(*WORDS, "--grid", "letterbox", "--side", 90, "--trained-on", "dots")
    assert done.exit_code == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["maps:", "8 maps written"] in lines
    assert ["read", "from  8 .npy files"] in lines
    assert ["grid", "letterbox of 90 px, as stated"] in lines
    assert ["cells", "5 channels on 9×9 cells, float32"] in lines
    assert ["axes", "[height, width, channels]:"] in lines
    assert "a letterbox has as many cells across as down: 5 is the last axis" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    report = json.loads(Path("maps/conversion.json").read_text())
    assert report["settings"]["trained_on"] == "dots"
    assert lines[-1][1] == f"kapbench run --model features:maps --dataset {DOTS}:Dots"
    again = kapbench(
        *WORDS, "--grid", "letterbox", "--side", 90, "--trained-on", "dots", "--format", "json"
    )
    assert json.loads(again.stdout)["n_kept"] == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Files do not show where their cells lie"),
        (("--grid", "letterbox"), "Give --side PX with --grid letterbox"),
        (("--grid", "stretched"), "do not show whether channels are first or last"),
        (("--layout", "sd-dino"), "NAME_sd.pt and NAME_dino.pt are missing of every image"),
        (("--layout", "sd-dino", "--grid", "stretched"), "states a letterbox of 840 px"),
    ],
)
def test_nothing_is_guessed(kapbench, lab, words, message):
    done = kapbench(*WORDS, *words)
    assert done.exit_code != 0
    assert message in " ".join(done.stderr.split())
