"""Identity of the control `random` is computed again where records show all members of a part."""

from types import SimpleNamespace

import numpy as np
import pytest
from committed_entries import RESULTS
from scoring_cases import drawn, records

from kapbench.models.controls import Random
from kapbench.running.results import RuleCard
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import Needs
from kapbench.types import Picture
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.submit import check_controls
from kapbench_leaderboard.submit.control_rows import control_columns

RULE = load_rule("pck-v1")
PARTS = {"n_keypoints": 6, "groups": (0, 0, 0, -1, -1, -1), "twins": (1, 0, 2, 4, 3, 5)}
MEMBERS = ("group_visible", "twin_visible")


def picture(view) -> Picture:
    width, height = view.size
    return Picture(np.zeros((height, width, 3), np.uint8), view.image_id)


@pytest.fixture(scope="module")
def pairs():
    return [pair for pair, _ in drawn(7, 12, **PARTS, n_images=3, categories=("cat",))]


@pytest.fixture(scope="module")
def rows(pairs):
    cases = []
    for pair in pairs:
        queries = pair.source.keypoints.xy[pair.source.keypoints.visible]
        cases.append(
            (pair, Random().match(picture(pair.source), picture(pair.target), queries).values)
        )
    return records(cases, [RULE])


@pytest.fixture(scope="module")
def sizes(pairs):
    return {view.image_id: view.size for pair in pairs for view in (pair.source, pair.target)}


def test_identity_is_that_of_the_run_where_all_members_are_known(rows, sizes):
    again = control_columns(Random(), rows, sizes, Needs.of([RULE]), ["identity", *MEMBERS])
    known = np.all([rows[name].to_numpy() == again[name] for name in MEMBERS], axis=0)
    assert known.sum() > 20
    assert rows["identity"][known].notna().sum() > 5
    np.testing.assert_array_equal(rows["identity"][known], again["identity"][known])


def test_another_identity_is_refused(rows, sizes, monkeypatch):
    (path,) = (RESULTS / "coco.test_zebra" / "random").glob("*.json")
    run = load_entry(path).run
    data = run.dataset
    manifest = {(data.name, data.revision, data.split): SimpleNamespace(image_sizes=sizes)}
    monkeypatch.setattr(check_controls, "shipped", lambda: manifest)
    run = run.model_copy(update={"rules": (RuleCard.of(RULE),)})
    assert list(check_controls.other_rows(run, rows)) == []
    changed = rows["identity"].to_numpy().copy()
    row = int(np.flatnonzero(~np.isnan(changed))[0])
    changed[row] = 1 - np.ceil(changed[row])
    (finding,) = check_controls.other_rows(run, rows.assign(identity=changed))
    assert finding == "The control random makes other values in 1 row."
