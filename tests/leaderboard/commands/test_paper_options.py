"""`kapbench compare`: the options for papers and for several seeds."""

import csv
import io
import shutil
from pathlib import Path

import pytest
import tex_reader


@pytest.fixture
def runs(scored):
    """Two models on six images a category, the first one with a label."""
    few = ("--dataset-option", "n_images=6", "--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
    return scored(("Colours", *few, "--label", "seeds"), ("Greys", *few))


def test_a_paper_s_table(kapbench, runs):
    words = ("--by", "category", "--format", "latex", "--label", "tab:dots", "--no-notes")
    done = kapbench("compare", *words, "--name", "colours=Ours & theirs", "--name", "greys=Grey_")
    assert done.exit_code == 0, done.stderr
    (table,) = tex_reader.read(done.stdout)
    assert table.label == "tab:dots"
    assert table.printed == ""
    assert table.rows[0] == ["model", "dot", "spot", "mean"]
    assert [row[0] for row in table.rows[1:4]] == [
        "KAP@0.10",
        r"Ours \& theirs {[}seeds{]}",
        r"Grey\_",
    ]


def test_what_is_bold_is_tested(kapbench, runs):
    words = ("compare", "--by", "category", "--format", "latex")
    for more in ((), ("--paired",)):
        tested = kapbench(*words, *more).stdout
        assert "every model that is not significantly different" in tested
    scores, differences = tex_reader.read(tested)
    assert r"\scriptsize" in str(differences.rows)  # the interval is what a difference is for
    assert r"\scriptsize" not in str(scores.rows)


def test_the_baseline_is_the_one_named(kapbench, runs):
    """Without one it is the best of several, and of two the better is the first."""
    words = ("compare", "greys", "--paired", "--no-notes", "--baseline")
    for name in ("colours", "seeds"):
        assert "greys − colours [seeds], by category" in " ".join(
            kapbench(*words, name).stdout.split()
        )


@pytest.mark.parametrize(
    ("names", "is_one"), [(("greys", "greys"), True), (("greys", "seeds"), False)]
)
def test_one_model_alone_has_no_differences_and_the_table_says_so(kapbench, runs, names, is_one):
    shown = " ".join(kapbench("compare", *names, "--paired").stdout.split())
    assert ("There are no paired differences: they need two models" in shown) == is_one


@pytest.mark.parametrize("old", ["colours", "seeds", "colours [seeds]"])
def test_a_new_name_is_used_in_every_format(kapbench, runs, old):
    for how in ("text", "markdown", "html", "latex"):
        shown = kapbench("compare", "--name", f"{old}=Ours", "--format", how).stdout
        assert "Ours" in shown
        assert "colours" not in shown
    (line, _) = csv.DictReader(
        io.StringIO(kapbench("compare", "--name", f"{old}=Ours", "--format", "csv").stdout)
    )
    assert line["label"].startswith("Ours")
    assert line["model"] == "colours"


@pytest.mark.parametrize("how", ["markdown", "html", "latex", "csv"])
def test_intervals_on_request(kapbench, runs, how):
    shown = {
        option: kapbench("compare", "--format", how, *option).stdout
        for option in ((), ("--intervals",), ("--no-intervals",))
    }
    mark = {"csv": "kap@0.10.low", "latex": "scriptsize"}.get(how, "Ranges are 95 %")
    assert mark in shown["--intervals",]
    assert mark not in shown["--no-intervals",]
    assert (mark in shown[()]) == (how != "latex")


@pytest.mark.parametrize("how", ["text", "markdown", "html"])
def test_notes_are_left_out(kapbench, runs, how):
    shown = kapbench("compare", "--no-notes", "--format", how).stdout
    assert "colours" in shown
    assert "Scores ×100" not in shown


def test_grouped_by_label(kapbench, runs):
    shown = kapbench("compare", "--group-by", "label").stdout
    assert "runs" in shown
    assert "colours [seeds]" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_baseline_may_be_one_of_the_entries_by_its_models_name(kapbench):
    results = Path(__file__).parents[3] / "leaderboard/results/willow"
    entries = (results / "lite0", results / "sphere.lite0")
    done = kapbench("compare", *entries, "--paired", "--rule", "pck-sd-dino", "--baseline", "lite0")
    assert done.exit_code == 0, done.output
    assert "sphere.lite0 − lite0" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--group-by", "label", "--paired"), "Leave one of them out"),
        (("--baseline", "colours"), "Add --paired"),
        (("--paired", "--baseline", "colour"), "Did you mean colours?"),
        (("--label", "tab:x"), "Add --format latex"),
        (("--label", "a b", "--format", "latex"), "cannot be a label of LaTeX"),
        (("--name", "colours"), "Write OLD=NEW"),
        (("--name", "=x"), "Write OLD=NEW"),
        (("--name", "colours=x", "--name", "colours=y"), "--name names 'colours' twice"),
        (("--name", "colour=x"), "Did you mean colours or"),
        (("--group-by", "seed"), "--group-by"),
    ],
)
def test_what_cannot_be_is_refused(kapbench, runs, words, message):
    done = kapbench("compare", *words)
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_entries_are_tested_with_their_stored_resamples(kapbench):
    results = Path(__file__).parents[3] / "leaderboard/results/spair"
    done = kapbench("compare", results, "--by", "category", "--format", "latex")
    assert done.exit_code == 0, done.stderr
    (table,) = tex_reader.read(done.stdout)
    assert "every model that is not significantly different" in table.printed


def test_an_entry_without_its_resamples_is_not_bold(kapbench):
    results = Path(__file__).parents[3] / "leaderboard/results/spair"
    for model in ("lite0", "sphere.lite0"):
        (entry,) = (results / model).glob("*.json")
        shutil.copy(entry, f"{model}.json")
    done = kapbench("compare", "lite0.json", "sphere.lite0.json", "--format", "latex")
    assert done.exit_code == 0, done.stderr
    assert "textbf" not in done.stdout
