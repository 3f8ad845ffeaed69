"""`kapbench sweep`: all of a list on all of a list; one that fails does not stop the others."""

from pathlib import Path

import pytest

from kapbench.running.results import find_runs, load_card

DOTS = Path(__file__).parents[1] / "support/dots.py"


@pytest.fixture
def sweep(kapbench, tmp_path):
    """Lists as texts, then words; in a folder where a run has its cache and its runs."""

    def swept(models: str, datasets: str, *words: str):
        (tmp_path / "models.txt").write_text(models.replace("DOTS", str(DOTS)))
        (tmp_path / "datasets.txt").write_text(datasets.replace("DOTS", str(DOTS)))
        rule = ("--rule", "kap-cvpr24")
        return kapbench("sweep", "models.txt", "datasets.txt", "--cache", "cache", *rule, *words)

    return swept


def names() -> list[str]:
    return sorted(load_card(folder).model.name for folder in find_runs(Path("runs")))


def test_every_model_on_every_data_set_and_the_control(sweep):
    done = sweep("DOTS:Colours  # ours\n\nDOTS:Greys\n", "DOTS:Dots\n")
    assert done.exit_code == 0, done.output
    assert names() == ["colours", "greys", "random"]
    for name in names():
        assert name in done.stdout
    assert done.stderr.count(": done, ") == 3


def test_what_is_finished_is_not_done_again(sweep):
    sweep("DOTS:Colours\n", "DOTS:Dots\n", "--no-control")
    (folder,) = find_runs(Path("runs"))
    before = (folder / "run.json").stat().st_mtime_ns
    assert sweep("DOTS:Colours\nDOTS:Greys\n", "DOTS:Dots\n", "--no-control").exit_code == 0
    assert (folder / "run.json").stat().st_mtime_ns == before
    assert names() == ["colours", "greys"]


def test_one_that_fails_is_named_and_the_others_are_scored(sweep, tmp_path):
    (tmp_path / "bad.py").write_text(
        f"import sys; sys.path.insert(0, {str(DOTS.parent)!r})\n"
        "from dots import Colours\n"
        "class Bad(Colours):\n    def encode(self, pictures): raise ZeroDivisionError('oh')\n"
    )
    done = sweep("bad.py:Bad\nDOTS:Colours\n", "DOTS:Dots\n", "--no-control")
    assert done.exit_code == 1
    assert "bad.py:Bad on dots.py:Dots: " in done.stderr
    assert "oh" in done.stderr
    assert "1 of 2 runs failed" in done.stderr
    assert names() == ["colours"]
    assert "colours" in done.stdout


def test_by_hand_on_two_machines_then_joined(sweep):
    for shard in ("1/2", "2/2"):
        done = sweep("DOTS:Colours\n", "DOTS:Dots\n", "--shard", shard)
        assert done.exit_code == 0, done.output
        assert "shard scored" in done.stderr
    assert not names()
    assert sweep("DOTS:Colours\n", "DOTS:Dots\n").exit_code == 0
    assert names() == ["colours", "random"]


@pytest.mark.parametrize(
    ("models", "datasets", "message"),
    [
        ("DOTS:Colours\nnosuch\n", "DOTS:Dots\n", "Unknown model 'nosuch'"),
        ("DOTS:Colours\n", "nosuch\n", "Unknown dataset 'nosuch'"),
        ("# nothing\n", "DOTS:Dots\n", "The list is empty"),
        ("lite0\nlite0\n", "DOTS:Dots\n", "Line 2 repeats 'lite0'"),
        ("lite0 'o\n", "DOTS:Dots\n", "Line 1 cannot be read"),
        ("DOTS:Colours o\n", "DOTS:Dots\n", "has no value"),
        ("DOTS:Colours scale=1 scale=2\n", "DOTS:MustNotOpen\n", "names 'scale' twice"),
        ("DOTS:Colours sclae=1\n", "DOTS:MustNotOpen\n", "Did you mean scale?"),
    ],
)
def test_what_could_only_fail_later_fails_at_once(sweep, models, datasets, message):
    done = sweep(models, datasets)
    assert done.exit_code == 1
    assert message in done.stderr.replace("data set", "dataset")
    assert not names()


def test_a_list_that_is_not_there(kapbench):
    done = kapbench("sweep", "no.txt", "no.txt")
    assert done.exit_code == 2
    assert "does not exist" in done.output


def test_corruptions_are_scored_beside_the_clean_images(kapbench, tmp_path):
    words = (
        "sweep",
        "--model",
        f"{DOTS}:Colours",
        "--dataset",
        f"{DOTS}:Dots",
        "--category",
        "dot",
    )
    done = kapbench(*words, "--cache", "cache", "--rule", "pck-v1", "--corrupt", "contrast:5")
    assert done.exit_code == 0, done.output
    cards = [load_card(folder) for folder in find_runs(Path("runs"))]
    alterations = sorted(card.dataset.alterations for card in cards)
    assert alterations == [(), ("contrast-5",)]
    starts = [line.split()[:2] for line in done.stdout.splitlines()]
    assert starts[starts.index(["colours", "clean"]) + 1] == ["contrast", "5"]


RUN_ON_DOTS = ("run", "--model", "lite0", "--dataset", f"{DOTS}:Dots")
SWEEP_ON = ("sweep", "--model", "lite0", "--dataset")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep", "--model", "lite0"), "Give either the file DATASETS, or --dataset"),
        (("sweep", "--corrupt", "fogg:1"), "Did you mean fog?"),
        ((*RUN_ON_DOTS, "--corrupt", "fog:1,2"), "sweep"),
        ((*RUN_ON_DOTS, "--corrupt", "fog"), "Write fog:1 to fog:5"),
        (
            (*RUN_ON_DOTS, "--corrupt", "fog:1", "--dataset-option", "corrupt=fog:2"),
            "one of the two",
        ),
        (
            (*SWEEP_ON, f"{DOTS}:Dots corrupt=fog:2", "--corrupt", "fog:1"),
            "Leave corrupt out of the line",
        ),
    ],
)
def test_corruptions_that_are_refused(kapbench, words, message):
    done = kapbench(*words)
    assert done.exit_code != 0
    assert message in " ".join(done.stderr.split())
