"""Runs by data set, categories and label; runs of some pairs; removing runs."""

import json
import shlex
from pathlib import Path

import pytest
from command_line import DOTS

from kapbench.running.plan import some_pairs
from kapbench.running.results import find_runs, load_card, save_run

PCK = ("--rule", "pck-sd-dino")
BRIEFLY = ("Colours", *PCK)


@pytest.fixture
def runs(scored):
    """Two runs of one model on other categories."""
    return scored(BRIEFLY, (*BRIEFLY, "--category", "dot"))


def test_runs_are_chosen_by_their_categories(kapbench, runs):
    assert kapbench("compare", "--category", "dot").stdout.count("\ncolours") == 1
    listed = kapbench("list", "runs", "--category", "dot", "--category", "spot").stdout
    assert listed.count("24 of 40 pairs") == listed.count("colours") // 2 == 1


def test_runs_are_chosen_by_their_data_set(kapbench, runs):
    assert kapbench("compare", "--dataset", "dots").stdout.count("\ncolours") == 2
    refused = kapbench("compare", "--dataset", "spair")
    assert refused.exit_code == 1
    assert "None of 2 named runs is on the data set spair" in refused.output
    assert "dots (dot)" in refused.output


def test_a_figure_of_one_of_several_runs(kapbench, runs):
    refused = kapbench("show", "pair", "colours", "no such pair")
    assert "'colours' names 2 runs, and one is needed" in refused.output
    sentence = " ".join(refused.output.split())
    assert "runs on dots, which differ in their categories: --category NAME chooses" in sentence
    words = ("--category", "dot", "--load-dataset", f"{DOTS}:Dots")
    chosen = kapbench("show", "pair", "colours", "no such pair", *words)
    assert "names 2 runs" not in chosen.output
    assert "Unknown pair 'no such pair'" in chosen.output


def test_a_name_means_the_run_on_unaltered_data(kapbench, scored):
    scored(BRIEFLY, (*BRIEFLY, "--reverse"))
    done = kapbench("diagnose", "colours", "--rule", "pck-sd-dino")
    assert done.exit_code == 0, done.output
    assert "runs of colours on altered data are left out (reverse)" in done.stderr
    assert kapbench("compare", "colours").stdout.count("\ncolours") == 2
    (reversed_run,) = (f for f in find_runs(Path("runs")) if load_card(f).dataset.alterations)
    done = kapbench("diagnose", reversed_run, "--rule", "pck-sd-dino")
    assert done.exit_code == 0, done.output
    assert "left out" not in done.stderr


def of_model(card, name):
    return card.model_copy(update={"model": card.model.model_copy(update={"name": name})})


def test_the_name_of_a_command_finds_the_run_of_its_backbone(kapbench, runs):
    """`--model sphere` makes a run of sphere.lite0."""
    save_run(Path("runs/others/a"), of_model(load_card(runs[0]), "sphere.lite0"))
    assert "sphere.lite0" in kapbench("compare", "sphere").stdout
    save_run(Path("runs/others/b"), of_model(load_card(runs[0]), "sphere.vits14"))
    refused = kapbench("compare", "sphere")
    assert refused.exit_code == 1
    assert "Score it first" in refused.output


def test_a_misspelt_run_with_a_dot_is_no_path(kapbench, runs):
    save_run(Path("runs/others/a"), of_model(load_card(runs[0]), "sphere.lite0"))
    assert "Did you mean sphere.lite0?" in kapbench("compare", "sphere.lite").output
    assert "This path does not exist" in kapbench("compare", "figure.png").output


def test_a_run_of_a_file_has_the_name_of_its_model(kapbench, runs):
    refused = " ".join(kapbench("compare", "adapter.py:Colours").output.split())
    assert "a run is found by the name of its model" in refused
    assert "Give one of colours" in refused


def test_pairs_are_offered_in_quotation_marks(kapbench, runs):
    """Their names hold '>', which a shell reads as the name of a file to write."""
    refused = kapbench("show", "pair", "colours", "no such pair", "--category", "dot")
    assert "e.g. '" in " ".join(refused.output.split())


def of_other_data(card, **change):
    return card.model_copy(update={"dataset": card.dataset.model_copy(update=change)})


def test_every_data_set_is_offered_and_a_folder_where_that_does_not_help(kapbench, runs):
    card = load_card(runs[0])
    save_run(Path("runs/others/a"), of_other_data(card, name="coco.my"))
    refused = " ".join(kapbench("show", "pair", "colours", "p").output.split())
    assert "Give --dataset coco.my, or the folder of one of the runs on dots" in refused
    save_run(runs[0], of_other_data(card, name="spair"))
    refused = " ".join(kapbench("show", "pair", "colours", "p").output.split())
    assert "Give --dataset coco.my or --dataset dots or --dataset spair, or the folder" in refused
    save_run(runs[0], of_other_data(card, revision="other"))
    refused = " ".join(kapbench("show", "pair", "colours", "p", "--dataset", "dots").output.split())
    assert "--dataset does not tell revisions apart" in refused


def test_a_data_set_is_chosen_by_the_spelling_of_its_run(kapbench, runs):
    save_run(Path("runs/others/a"), of_other_data(load_card(runs[0]), name="coco.my"))
    listed = kapbench("list", "runs", "--dataset", "coco:folder/my.json").stdout
    assert "coco.my@" in listed
    assert "dots@" not in listed


def test_runs_of_other_categories_and_options_are_told_apart(kapbench, runs):
    card = load_card(runs[0])
    save_run(runs[0], card.model_copy(update={"command": "kapbench run -o scale=0.5"}))
    listed = kapbench("list", "runs").stdout
    assert "    scale=0.5" in listed
    assert "    categories: dot\n" in listed
    assert card.provenance.started[:10] in listed


def test_data_sets_are_filtered_for_runs_only(kapbench):
    refused = kapbench("list", "models", "--dataset", "spair")
    assert refused.exit_code == 2
    assert "options of `list runs`" in refused.output


def test_a_label_is_shown_and_finds_the_run(kapbench, score):
    assert score(*BRIEFLY, "--label", "wide net").exit_code == 0
    (folder,) = find_runs(Path("runs"))
    assert load_card(folder).label == "wide net"
    assert "colours [wide net]" in kapbench("list", "runs").stdout
    assert "colours [wide net]" in kapbench("compare", "wide net").stdout


def test_a_label_is_part_of_no_identity(score):
    """A finished run is read back under another label, and keeps it."""
    score(*BRIEFLY, "--label", "one")
    again = score(*BRIEFLY, "--label", "two")
    assert "colours [two]" in again.stdout
    score(*BRIEFLY)
    (folder,) = find_runs(Path("runs"))
    assert load_card(folder).label == "two"


@pytest.mark.parametrize("label", ["", "a/b", "<b>", "x" * 61, "-x"])
def test_a_label_is_a_short_plain_text(score, label):
    refused = score(*BRIEFLY, "--label", label)
    assert refused.exit_code == 2
    assert not Path("runs").exists()


def test_the_command_and_the_options_are_stored(kapbench, score, monkeypatch):
    words = ["kapbench", "run", "--model", "my adapter.py:Model"]
    monkeypatch.setattr("sys.argv", words)
    score(*BRIEFLY, "-o", "scale=0.5")
    (folder,) = find_runs(Path("runs"))
    command = load_card(folder).command
    assert shlex.split(command) == words
    (line,) = json.loads(kapbench("list", "runs", "--format", "json").stdout)
    assert line["command"] == command


def test_a_run_of_some_pairs_says_so_everywhere(kapbench, score):
    done = score(*BRIEFLY, "--limit", "7")
    note = "For debugging only: --limit 7 was given, so 7 of 40 pairs were scored."
    (folder,) = find_runs(Path("runs"))
    card = load_card(folder)
    assert (card.dataset.limit, card.dataset.n_pairs) == (7, 7)
    for text in (done.stdout, kapbench("compare").stdout):
        assert note in " ".join(text.split())
    assert "7 of 40 pairs (--limit 7)" in kapbench("list", "runs").stdout
    whole = score(*BRIEFLY)
    assert note not in whole.stdout
    assert len(find_runs(Path("runs"))) == 2


def test_pairs_of_a_limit_are_even_over_categories_and_always_the_same():
    from dots import Dots

    pairs = Dots().pairs()
    chosen = some_pairs(pairs, 7)
    ids = [pair.pair_id for pair in chosen]
    assert ids == [pair.pair_id for pair in pairs if pair.pair_id in ids]
    counts = sorted(sum(p.source.category == c for p in chosen) for c in ("dot", "spot"))
    assert counts == [3, 4]
    assert some_pairs(list(reversed(pairs)), 7) == tuple(reversed(chosen))
    assert {p.pair_id for p in some_pairs(pairs, 6)} < {*ids}
    assert some_pairs(pairs, 1000) == tuple(pairs)


def test_runs_are_removed_after_a_question(kapbench, runs):
    assert kapbench("runs", "rm", "colours", typed="n\n").exit_code == 1
    assert len(find_runs(Path("runs"))) == 2
    assert kapbench("runs", "rm", "colours", "--category", "dot", typed="y\n").exit_code == 0
    (left,) = find_runs(Path("runs"))
    assert load_card(left).dataset.categories == ("dot", "spot")
    assert kapbench("runs", "rm", str(left), "--yes").exit_code == 0
    assert not list(Path("runs").rglob("*.json"))


def test_a_run_folder_with_other_files_is_not_removed(kapbench, runs):
    (runs[0] / "thesis.tex").touch()
    refused = kapbench("runs", "rm", "colours", "--yes")
    assert refused.exit_code == 1
    assert "also holds thesis.tex" in refused.output
    assert len(find_runs(Path("runs"))) == 2


@pytest.mark.parametrize(
    "words", [("compare",), ("show", "report", "colours"), ("site", "--results", "results")]
)
def test_an_output_that_looks_like_an_option_is_refused(kapbench, words):
    refused = kapbench(*words, "-o", "weights=net.bin")
    assert refused.exit_code == 2
    assert "looks like an option of a model" in refused.output


def test_an_option_without_a_value_names_where_a_run_is_written(score):
    refused = score(*BRIEFLY, "-o", "pictures")
    assert "Write -o KEY=VALUE, or --runs FOLDER" in refused.output


def test_quiet_prints_the_table_with_its_notes_and_nothing_else(score):
    done = score(*BRIEFLY, "--quiet", "--limit", "7")
    assert done.stderr == ""
    assert "For debugging only" in done.stdout
    assert "run folder" not in done.stdout
