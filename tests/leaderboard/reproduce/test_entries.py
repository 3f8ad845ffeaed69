"""`kapbench reproduce` on entries of the board."""

import json

import pytest
from submissions import edit, edit_records

from kapbench.running.results import find_runs


def test_an_entry_is_repeated_by_its_name_and_reported(reproduce, entry, constant_run, tmp_path):
    done = reproduce("spair/constant", "--runs", "runs")
    assert done.exit_code == 0, done.output
    assert "Verdict: within tolerance." in done.stdout
    assert "(100.00 %)" in done.stdout
    assert "entry     here  difference" in done.stdout
    assert "published" not in done.stdout
    assert "Scoring constant" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    report = json.loads((tmp_path / "reproductions" / "spair_constant.json").read_text())
    assert report["verdict"] == "within tolerance"
    assert report["n_equal_points"] == report["n_points"] > 0
    assert report["plan_hash"] == constant_run.name
    assert report["command"] == "kapbench run --model constant --dataset spair --rule pck-v1"
    text = (tmp_path / "reproductions" / "spair_constant.md").read_text()
    assert text.startswith("# spair/constant: within tolerance\n")
    assert "| category | entry | here |" in text
    assert report["provenance"]["records_sha256"] in text

    [run] = find_runs(tmp_path / "runs")  # finished, it is read back
    before = (run / "run.json").stat().st_mtime_ns
    assert reproduce(entry, "--runs", "runs").exit_code == 0
    assert (run / "run.json").stat().st_mtime_ns == before


def test_a_score_that_the_model_does_not_get(reproduce, entry, tmp_path):
    def raise_scores(content):
        for score in content["run"]["scores"]:
            if (score["category"], score["split"], score["metric"]) == ("cat", "all", "pck"):
                score["value"] += 0.4

    edit(entry, raise_scores)
    done = reproduce("spair/constant")
    assert done.exit_code == 1
    assert "Verdict: not within tolerance" in done.stdout
    assert "−40.00  beyond ±16.7" in done.stdout  # one of six pairs
    report = json.loads((tmp_path / "reproductions" / "spair_constant.json").read_text())
    assert {line["category"] for line in report["lines"] if not line["within"]} == {"cat"}
    assert reproduce("spair/constant", "--tolerance", "40.1").exit_code == 0


def test_points_that_the_model_does_not_predict_are_counted(reproduce, entry):
    def move_one(rows):
        rows.loc[0, "x@v1"] += 1.0
        return rows

    edit_records(entry, move_one)
    done = reproduce("spair/constant")
    n = int(done.stdout.partition("points: ")[2].partition(" of ")[0])
    assert f"points: {n} of {n + 1} " in done.stdout


def test_another_revision_of_the_model_is_said(reproduce, entry):
    edit(entry, lambda content: content["run"]["model"].update(revision="older"))
    done = reproduce("spair/constant")
    assert "and the entry has older: another model was measured" in " ".join(done.stdout.split())


def test_records_that_lie_elsewhere_are_not_compared(reproduce, entry):
    entry.with_suffix(".parquet").unlink()
    done = reproduce("spair/constant")
    assert done.exit_code == 0
    assert "The entry's records are not beside it" in done.stdout
    assert "Equal predicted points" not in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("spair/constnat", "Did you mean spair/constant?"),
        ("sd-dino.spair.dinov2-b15", "Did you mean sd-dino.spair.dinov2-b14"),
        ("xyz", "Choose one that `kapbench reproduce --list` shows"),
        ("leaderboard", "This folder holds no entry"),
    ],
)
def test_names_that_do_not_exist(reproduce, entry, tmp_path, name, message):
    if name == "leaderboard":
        (tmp_path / "empty").mkdir()
        name = "empty"
    done = reproduce(name)
    assert done.exit_code == 1
    assert message in str(done.exception) + done.output


def test_without_the_folder_of_entries_an_entry_is_refused_with_the_place(reproduce):
    refused = reproduce("spair/constant", "--results", "nowhere")
    assert refused.exit_code == 1
    assert "does not exist" in refused.output
    assert "Give the folder leaderboard/results of a clone: --results FOLDER" in refused.output
    listed = reproduce("--list", "dinov2-b14", "--results", "nowhere")
    assert "`kapbench reproduce DATASET/MODEL` repeats an entry" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80


def test_only_rows_that_a_command_repeats_are_suggested(reproduce, published_file):
    path = published_file({"0.1": 50.0})
    assert (
        "Did you mean paper.spair.row" in reproduce("paper.spair.rwo", "--published", path).output
    )
    content = json.loads(path.read_text())
    content["tables"][0]["rows"][0].pop("model")
    content["tables"][0]["rows"][0]["why_not"] = "The weights are not released."
    path.write_text(json.dumps(content))
    refused = reproduce("paper.spair.rwo", "--published", path).output
    assert "No published number and no entry is called" in refused
