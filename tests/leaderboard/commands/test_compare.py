"""`kapbench compare`: which runs, which rules, into which file."""

import csv
import io
import json
from pathlib import Path

import pytest
from submissions import CARD, DOTS

from kapbench.running.results import find_runs, load_card
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.tables.choices import VIEWS

TWO = ("--rule", "kap-cvpr24", "--rule", "pck-sd-dino")


@pytest.fixture
def runs(scored):
    """Two runs of other pairs."""
    return scored(("Colours",), ("Colours", "--category", "dot"))


def test_all_runs_of_the_folder_by_default(kapbench, runs):
    shown = kapbench("compare").stdout
    assert shown.count("\ncolours") == 2
    assert (
        "Not comparable with the first table: the pairs are 12 pairs of dot, not 24 pairs" in shown
    )


def test_no_line_is_wider_than_eighty_columns(kapbench, runs):
    for by in ((), ("--by", "category"), ("--by", "rule")):
        assert max(map(len, kapbench("compare", *by).stdout.splitlines())) <= 80


def test_a_run_by_folder_by_a_folder_above_it_and_by_name(kapbench, runs):
    assert kapbench("compare", runs[0]).stdout.count("\ncolours") == 1
    assert kapbench("compare", runs[0].parent.parent).stdout.count("\ncolours") == 2
    assert kapbench("compare", "colours").stdout.count("\ncolours") == 2


def test_a_run_named_twice_is_shown_once(kapbench, runs):
    assert kapbench("compare", runs[0], runs[0].resolve()).stdout.count("\ncolours") == 1


def test_the_help_says_what_each_view_shows(kapbench):
    views = kapbench("compare", "--help").stdout.partition("What --by shows")[2]
    lines = views.partition("Options:")[0].splitlines()
    described = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("    ")}
    assert all(described.get(view) for view in VIEWS)
    assert max(map(len, lines)) <= 80


def test_by_category(kapbench, runs):
    shown = kapbench("compare", "--by", "category", runs[0]).stdout
    assert "dot" in shown
    assert "mean" in shown
    assert "KAP by" in shown
    assert "PCK by" in shown


def test_by_rule_shows_every_rule_of_the_runs(kapbench, runs):
    shown = kapbench("compare", "--by", "rule").stdout
    assert all(f" by {rule.name} " in shown for rule in load_card(runs[0]).rules)


def test_files_hold_the_stored_numbers(kapbench, runs):
    card = load_card(runs[0])
    value = card.score("kap-cvpr24", "kap", 0.1, "mean", average="category").value
    (line,) = csv.DictReader(io.StringIO(kapbench("compare", runs[0], "--format", "csv").stdout))
    assert float(line["kap@0.10"]) == value
    (table,) = json.loads(kapbench("compare", runs[0], "--format", "json").stdout)["tables"]
    assert table["rows"][0]["scores"]["kap@0.10"]["value"] == value
    assert f"| {100 * value:.1f} " in kapbench("compare", runs[0], "--format", "markdown").stdout


def test_output_goes_to_a_file(kapbench, runs):
    done = kapbench("compare", "--format", "csv", "-o", "out/scores.csv")
    assert done.stdout == "out/scores.csv\n"
    assert Path("out/scores.csv").read_text() == kapbench("compare", "--format", "csv").stdout


def test_another_alpha(kapbench, runs):
    assert "@0.05" in kapbench("compare", "--alpha", "0.05").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("coluors",), "Did you mean colours?"),
        (("--rule", "kap-v2"), "Did you mean kap-v1"),
        (("--alpha", "0.07"), "Choose --alpha from 0.1, 0.05, 0.01"),
        (("--alpha", "-1"), "--alpha"),
        (("--by", "colour"), "--by"),
        (("--format", "pdf"), "--format"),
        (("--runs", "elsewhere"), "This folder does not exist"),
        (("cache",), "no finished run in this folder"),
    ],
)
def test_what_is_not_there_is_named(kapbench, runs, words, said):
    done = kapbench("compare", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["coluors", "lite0"])
def test_where_runs_were_looked_for_is_a_full_path(kapbench, runs, name):
    assert f"\n  at:  {Path('runs').resolve()}\n" in kapbench("compare", name).stderr


def test_paired_adds_ranks_and_differences_of_models(kapbench, score):
    """Six images a category: enough for intervals."""
    for model in ("Colours", "Greys"):
        score(model, "--dataset-option", "n_images=6", *TWO)
    shown = kapbench("compare", "--paired").stdout
    assert "1. colours" in shown
    assert "paired differences, colours" in shown
    assert "diff." in shown
    assert max(map(len, shown.splitlines())) <= 80
    lines = kapbench("compare", "--paired", "--format", "csv").stdout.splitlines()
    found = [dict(zip(lines[0].split(","), line.split(","), strict=False)) for line in lines[1:]]
    assert {line["rank"] for line in found[:2]} <= {"1", "2"}
    (mean,) = [line for line in found if line["label"] == "mean"]
    assert 0 <= float(mean["p.kap"]) <= 1
    assert float(mean["difference.kap.low"]) < float(mean["difference.kap"])


def test_paired_differences_are_of_the_rule_and_alpha_asked_for(kapbench, score):
    for model in ("Colours", "Greys"):
        score(model, "--dataset-option", "n_images=6", "--rule", "pck-v1")
    words = ("--paired", "--rule", "pck-v1", "--alpha", "0.05", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(kapbench("compare", *words).stdout)))
    above = {line["model"]: float(line["pck@0.05"]) for line in lines if line["pck@0.05"]}
    (mean,) = [line for line in lines if line["label"] == "mean"]
    gap = float(mean["difference.pck"])
    assert abs(gap) == pytest.approx(abs(above["colours"] - above["greys"]), abs=1e-9)
    assert mean["alpha"] == "0.05"
    shown = kapbench("compare", *words[:-2]).stdout
    assert shown.count("PCK@0.05 by pck-v1 (") == 1  # once, under the paired table
    assert max(map(len, shown.splitlines())) <= 80


def test_accepted_entries_stand_beside_runs(kapbench, score):
    few = ("--dataset-option", "n_images=6", "--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
    score("Colours", *few)
    (run,) = find_runs(Path("runs"))
    card = json.loads((run / "run.json").read_text())
    card["provenance"]["git_dirty"] = False
    (run / "run.json").write_text(json.dumps(card))
    Path("card.toml").write_text(CARD)
    assert (
        kapbench("submit", "prepare", run, "--to", "results", "--card", "card.toml").exit_code == 0
    )
    score("Greys", *few)
    (entry,) = Path("results").rglob("*.json")
    for place in ("results", entry):
        shown = kapbench("compare", "greys", place, "--paired").stdout
        assert "1. colours" in shown
        assert "colours − greys" in shown
        assert "not comparable" not in shown
    done = kapbench("compare", "card.toml")
    assert done.exit_code == 1
    assert "not a leaderboard entry" in done.stderr


def test_a_damaged_card_is_named_and_hides_no_other(kapbench, runs):
    stray = Path("runs/stray/run.json")
    stray.parent.mkdir()
    stray.write_text("{}")
    done = kapbench("compare")
    assert done.exit_code == 0
    assert "stray" in done.stderr
    assert done.stdout.count("\ncolours") == 2


@pytest.mark.parametrize("how", ["markdown", "latex", "html", "json"])
def test_every_format_goes_to_a_file(kapbench, runs, how):
    assert kapbench("compare", "--by", "symmetry", "--format", how, "-o", "out").exit_code == 0
    assert "colours" in Path("out").read_text()


def test_a_random_run_of_the_folder_is_found_though_only_a_model_is_named(kapbench, score):
    score("Colours", *TWO)
    data = ("--dataset", f"{DOTS}:Dots", "--cache", "cache", *TWO)
    assert kapbench("run", "--model", "random", *data, "--no-control").exit_code == 0
    every = list(csv.DictReader(io.StringIO(kapbench("compare", "--format", "csv").stdout)))
    (random,) = (100 * float(line["kap@0.10"]) for line in every if line["model"] == "random")
    said = f"The control `random` on these pairs: kap-cvpr24@0.10 {random:.1f}."
    Path("elsewhere").mkdir()
    for root in ("runs", "elsewhere"):  # beside the run itself too
        name = "colours" if root == "runs" else find_runs(Path("runs/dots.test@1"))[0]
        shown = kapbench("compare", name, "--by", "symmetry", "--runs", root).stdout
        assert said in " ".join(shown.split())
    assert kapbench("show", "report", "colours", "-o", "out").exit_code == 0
    assert "not among the runs" not in Path("out/report.html").read_text()


def test_a_random_entry_is_found_though_only_a_models_entry_is_named(kapbench):
    results = Path(__file__).parents[3] / "leaderboard/results/spair"
    Path("elsewhere").mkdir()
    for place in (results / "lite0", *(results / "lite0").glob("*.json")):
        shown = kapbench("compare", place, "--by", "symmetry", "--runs", "elsewhere").stdout
        assert "\nlite0 " in shown
        words = " ".join(shown.split())
        assert "The control `random` on these pairs: kap-cvpr24@0.10 23.9." in words


@pytest.fixture
def own_rule(kapbench, score) -> Path:
    """A rule file with a name that kapbench does not ship, and a run that it scored."""
    rule = Path("my-kap.json")
    content = json.loads(load_rule("kap-v1").model_dump_json()) | {"name": "my-kap"}
    rule.write_text(json.dumps(content | {"empty": "zero"}))
    for model in ("Colours", "Greys"):
        done = score(model, "--dataset-option", "n_images=6", "--rule", rule, "--rule", "pck-v1")
        assert done.exit_code == 0
    return rule


def test_a_rule_file_is_read_from_the_run(kapbench, own_rule):
    (first, _) = find_runs(Path("runs"))
    assert load_card(first).rule("my-kap") == load_rule(str(own_rule))
    elsewhere = own_rule.rename("elsewhere.json")
    shown = kapbench("compare", "colours", "greys", "--paired")
    assert shown.exit_code == 0, shown.stderr
    assert "KAP@0.10 by my-kap" in shown.stdout
    assert kapbench("compare", "--rule", "my-kap", "--paired").exit_code == 0
    assert all(kapbench("compare", "--by", view).exit_code == 0 for view in VIEWS)
    for words in ((), ("--rule", "my-kap"), ("--rule", elsewhere)):
        done = kapbench("show", "report", "colours", "-o", "out", *words)
        assert done.exit_code == 0, done.stderr
    assert "my-kap" in Path("out/report.html").read_text()


def test_a_run_without_its_rule_says_which_run_to_repeat(kapbench, own_rule):
    for folder in find_runs(Path("runs")):
        content = json.loads((folder / "run.json").read_text())
        for rule in content["rules"]:
            rule.pop("definition", None)
        (folder / "run.json").write_text(json.dumps(content))
    assert kapbench("compare").exit_code == 0  # the stored scores need no rule
    for words in (("compare", "--paired"), ("show", "report", "colours")):
        done = kapbench(*words)
        assert done.exit_code == 1
        assert "run card does not hold" in done.stderr
        assert "run of colours on dots" in done.stderr
        assert "Repeat the run" in done.stderr
