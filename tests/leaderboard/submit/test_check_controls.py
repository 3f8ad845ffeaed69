"""The names of controls are for the controls, and their rows are computed again."""

from pathlib import Path

import numpy as np
import pytest
from submissions import edit, only, planned_again

from kapbench.running.results import RunCard
from kapbench_leaderboard.comparison.controls import NAMES, is_control, shipped_controls
from kapbench_leaderboard.entries.schema import load_entry, records_path
from kapbench_leaderboard.entries.untrusted_files import read_records
from kapbench_leaderboard.submit import check_controls, dataset_digest
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.check_controls import other_rows, wrong_control

RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"
ZEBRA, HORSE = "coco.test_zebra", "coco.test_horse10"


def accepted(dataset: str, model: str):
    (path,) = (RESULTS / dataset / model).glob("*.json")
    run = load_entry(path).run
    return run, read_records(records_path(path), run)


def renamed(run: RunCard, name: str) -> RunCard:
    return run.model_copy(update={"model": run.model.model_copy(update={"name": name})})


CONTROLS = (
    *("random", "constant", "pixels"),
    *("oracle", "side-blind", "part-blind", "twin-trap", "never-silent"),
)


def test_these_are_all_controls():
    assert set(shipped_controls()) == set(CONTROLS) == set(NAMES)


@pytest.mark.parametrize("name", CONTROLS)
def test_another_model_may_not_have_the_name_of_a_control(entry, name):
    edit(entry, lambda c: c["run"]["model"].update(name=name))
    findings = check(planned_again(entry))
    only(findings, f"{name} is the name of a control of kapbench")
    only(findings, "\n  fix: Give your model another name.")


@pytest.mark.parametrize(
    "name",
    [
        *("Random", "RANDOM", "rand0m", "random2", "random.v2", "ran-dom", "0racle", "Constants"),
        *("side_blind", "Side-Blind", "twin-trap2", "neversilent", "never-5ilent", "part-blinds"),
    ],
)
def test_a_name_that_reads_like_a_control_is_refused(name):
    (finding,) = wrong_control(renamed(accepted(ZEBRA, "lite0")[0], name))
    assert "reads like the control" in finding


@pytest.mark.parametrize(
    "name", ["lite0", "randomforest.b", "sphere.lite0", "pixelwise", "blind", "twin"]
)
def test_other_names_are_free(name):
    findings = list(wrong_control(renamed(accepted(ZEBRA, "lite0")[0], name)))
    assert findings == []


def test_only_the_shipped_controls_have_their_special_place():
    run, _ = accepted(ZEBRA, "lite0")
    assert not is_control(renamed(run, "random"))
    assert is_control(accepted(ZEBRA, "random")[0])
    seeded = shipped_controls()["random"].model_copy(update={"revision": "1-seed7"})
    assert is_control(run.model_copy(update={"model": seeded}))


@pytest.mark.parametrize("name", ["random", "constant"])
@pytest.mark.parametrize("dataset", [ZEBRA, HORSE])
def test_rows_of_controls_are_computed_again(dataset, name, monkeypatch):
    monkeypatch.setattr(check_controls, "shipped", dataset_digest.shipped)
    run, records = accepted(dataset, name)
    assert list(other_rows(run, records)) == []
    column = "best@cvpr24"
    changed = records[column].to_numpy().copy()
    changed[3] -= np.float32(0.01)
    (finding,) = other_rows(run, records.assign(**{column: changed}))
    assert finding == f"The control {name} makes other values in 1 row."
