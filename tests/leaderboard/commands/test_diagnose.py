"""`kapbench diagnose`: runs, entries, files and wrong commands."""

import json
from pathlib import Path

import pytest

from kapbench.running.results import load_card
from kapbench.scoring.diagnosis.loss_types import TYPES

RESULTS = Path(__file__).parents[3] / "leaderboard/results"
# Of the page on metrics: AUROC of all keypoints, with a visible counterpart, within one keypoint.
SPAIR = {
    "lite0": (65.3, 60.6, 64.8),
    "sphere.lite0": (67.8, 62.1, 66.9),
    "constant": (50.0, 50.0, 50.0),
}
TWO = ("--rule", "kap-cvpr24", "--rule", "pck-sd-dino")


@pytest.fixture
def runs(scored):
    """Two runs of other pairs."""
    return scored(("Colours",), ("Colours", "--category", "dot"))


def test_a_run_and_its_numbers_in_a_file(kapbench, runs):
    shown = kapbench("diagnose", runs[0])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("colours: ")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    done = kapbench("diagnose", runs[0], "--format", "json", "-o", "out/d.json")
    assert done.stdout == "out/d.json\n"
    (losses,) = [
        t for t in json.loads(Path("out/d.json").read_text())["tables"] if t["table"] == "losses"
    ]
    total = sum(row["values"]["loss"]["value"] for row in losses["rows"] if row["row"] != "sum")
    score = load_card(runs[0]).score("kap-cvpr24", "kap", 0.1, "mean", average="category")
    assert total == pytest.approx(1 - score.value, abs=1e-6)


def test_figures(kapbench, score):
    for model in ("Colours", "Greys"):
        score(model, "--dataset-option", "n_images=5", *TWO)
    for suffix, begin in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        done = kapbench("diagnose", "colours", "greys", "-o", f"steps.{suffix}")
        assert done.stdout == f"steps.{suffix}\n"
        done = kapbench("diagnose", "runs", "--figure", "bars", "-o", f"bars.{suffix}")
        assert done.exit_code == 0
        steps, bars = (Path(f"{name}.{suffix}").read_bytes() for name in ("steps", "bars"))
        assert steps.startswith(begin)
        assert steps != bars


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("coluors",), "Did you mean colours?"),
        (("colours", "--rule", "kap-v2"), "Did you mean kap-v1"),
        (
            ("colours", "--category", "dot", "--alpha", "0.07"),
            "Choose an alpha that both rules have",
        ),
        (("colours", "--by", "pair"), "--by"),
        (("colours",), "the pairs are"),
        (("colours", "--figure", "bars"), "--figure needs a file"),
        (("colours", "--format", "csv", "-o", "a.png"), "--format csv is a format of numbers"),
        (("colours", "--category", "dot", "--figure", "waterfall", "-o", "a.png"), "need two runs"),
        (("colours", "--worst", "near miss"), "--worst draws pairs of one run"),
        (("colours", "--worst", "near miss", "-o", "a.csv"), "ends in .png, .pdf or .svg"),
        (
            ("colours", "--category", "dot", "--worst", "mirror"),
            "Did you mean 'mirror counterpart'?",
        ),
        (("colours", "--by", "category", "-o", "a.png"), "--by category divides the tables"),
        (("colours", "--by", "split", "--worst", "near miss"), "--by split divides the tables"),
        (("colours", "-o", "a.gif"), "and not to a.gif"),
        ((), "Missing argument"),
    ],
)
def test_a_wrong_command_says_what_to_do(kapbench, runs, words, message):
    done = kapbench("diagnose", *words)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert done.stdout == ""


def test_changed_records_are_refused(kapbench, runs):
    with (runs[0] / "records.parquet").open("ab") as file:
        file.write(b"more")
    done = kapbench("diagnose", runs[0])
    assert done.exit_code == 1
    assert "changed after the run" in done.stderr


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[pytest.mark.slow] if m != "constant" else []) for m in SPAIR]
)
def test_entries_of_spair_have_the_published_absence_detection(kapbench, model):
    done = kapbench("diagnose", RESULTS / "spair" / model, "--format", "json", "-o", "d.json")
    assert done.exit_code == 0
    tables = {t["table"]: t for t in json.loads(Path("d.json").read_text())["tables"]}
    skills = {row["row"]: row["values"]["value"]["value"] for row in tables["skills"]["rows"]}
    keys = ("absence_auroc", "absence_auroc.absent_with_twin", "absence_auroc.keypoint")
    assert [round(100 * skills[key], 1) for key in keys] == [*SPAIR[model]]


@pytest.mark.slow
def test_what_the_sphere_repairs_on_spair(kapbench):
    entries = [RESULTS / "spair" / name for name in ("lite0", "sphere.lite0")]
    done = kapbench("diagnose", *entries)
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert text.startswith("sphere.lite0 loses significantly less than lite0 to matches at another")
    assert "lite0: KAP is not significantly above what scores that all tie get" in text


def test_the_oracle_loses_nothing_and_has_no_intervals(kapbench):
    text = kapbench("diagnose", RESULTS / "synthetic/oracle").stdout
    assert text.startswith("oracle: Nothing is lost: KAP@0.10 100.0 by kap-cvpr24.")
    assert "Controls that read the annotation have no intervals" in " ".join(text.split())
    assert "95 %" not in text.split("Scores ×100")[0]


def test_a_data_set_without_kap(kapbench):
    done = kapbench("diagnose", RESULTS / "pf-pascal/lite0")
    assert "KAP is not defined if no keypoint can be absent" in " ".join(done.stdout.split())
    done = kapbench("diagnose", RESULTS / "pf-pascal/lite0", "-o", "a.png")
    assert done.exit_code == 1
    assert "KAP is not defined for these runs" in done.stderr


def test_a_new_run_has_every_type_and_place(kapbench):
    words = (
        "--model",
        "constant",
        "--dataset",
        "synthetic.small",
        "--no-control",
        "--device",
        "cpu",
    )
    rules = ("--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
    assert kapbench("run", *words, *rules, "--cache", "cache").exit_code == 0
    text = kapbench("diagnose", "constant", "--no-notes").stdout
    for name in (*TYPES, "elsewhere on the object", "background"):
        assert f"\n{name} " in text
