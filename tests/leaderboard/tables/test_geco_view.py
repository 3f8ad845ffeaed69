"""`compare --by geco`: scores that a run has, what earlier runs lack, and n below them."""

from dataclasses import replace

import pytest
from diagnosed import card
from scoring_cases import drawn, records

from kapbench.running.results import RunCard
from kapbench.scoring.geco_splits import GECO_SPLITS
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_requests, score_table
from kapbench.scoring.splits import select
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.comparison.later_scores import with_later_scores
from kapbench_leaderboard.site.boards import VIEWS
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.notes import on_n
from kapbench_leaderboard.tables.score_keys import SPLITS


@pytest.mark.parametrize(("kind", "rule"), [("kap", "kap-v1"), ("pck", "pck-v1")])
def test_every_column_is_scored(kind, rule):
    scored = {(request.metric, request.split) for request in score_requests([load_rule(rule)])}
    shown = {(key.metric or kind, key.split) for key in SPLITS["geco"][kind]}
    assert shown <= scored
    assert {split for metric, split in shown if metric == kind} == {"n11", "n10", "n1x"}


RULES = ("kap-cvpr24", "pck-sd-dino")


def drawn_records(n_pairs):
    parts = {"n_keypoints": 6, "groups": (-1,) * 6, "twins": (1, 0, 2, 4, 3, 5)}
    return records(drawn(3, n_pairs, **parts, n_images=8), [load_rule(name) for name in RULES])


@pytest.fixture(scope="module")
def rows():
    return drawn_records(60)


@pytest.fixture(scope="module")
def run(rows):
    """With the scores of the splits that are looked at: all would take long."""
    every = score_requests([load_rule(name) for name in RULES])
    requests = [r for r in every if r.split in (*GECO_SPLITS, "other") and r.alpha == 0.10]
    scores = tuple(score_table(rows, [], requests=requests))
    return RunCard(**dict(card(drawn_records(2), rules=RULES)) | {"scores": scores})


def of_version_4(run: RunCard) -> RunCard:
    provenance = run.provenance.model_copy(update={"scoring": 4})
    kept = tuple(score for score in run.scores if score.split not in GECO_SPLITS)
    return RunCard(**dict(run) | {"provenance": provenance, "scores": kept})


def values(run: RunCard):
    return [[(c.value, c.n) for c in t.rows[0].cells] for t in tables(group([run]), "geco")]


def test_records_of_earlier_runs_give_what_later_ones_store(rows, run):
    before = of_version_4(run)
    assert not any(value for of_table in values(before) for value, _ in of_table)
    made = with_later_scores(before, rows, kinds=["geco"])
    assert values(made) == values(run)
    (pck,) = (table for table in tables(group([made]), "geco") if table.metric == "PCK")
    n11 = pck.rows[0].cells[0]
    assert n11.low < n11.value < n11.high


def test_n_is_the_number_of_keypoints_that_a_column_counts(rows, run):
    *_, pck = tables(group([run]), "geco")
    (n,) = (row for row in pck.references if row.key == "n")
    splits = ["n11", "n10", "n1x", "n11", "n01"]
    assert [cell.value for cell in n.cells] == [select(rows, split).sum() for split in splits]
    assert n.label == "n"
    assert "n: the keypoints that the column counts, in all pairs." in pck.notes


def test_n_of_tables_by_symmetry_is_the_number_of_samples_and_of_keypoints(rows, run):
    (table,) = tables(group([run]), "symmetry")
    (n,) = (row for row in table.references if row.key == "n")
    counted = {c.key: cell.value for c, cell in zip(table.columns, n.cells, strict=True)}
    visible = rows["target_visible"]
    other = (rows["twin"] == rows["keypoint"]) & (rows["group"] < 0)
    assert counted["pck@0.10.other"] == (other & visible).sum()
    assert counted["kap@0.10.other"] == 2 * (other & visible).sum() + (other & ~visible).sum()
    assert [note.partition(":")[0] for note in table.notes if note.startswith("n of")] == [
        "n of KAP, its skill and its AUROC",
        "n of other scores",
    ]


def test_n_of_a_rule_per_image_is_the_number_of_pairs(run):
    (per_point,) = group([run])
    rule = per_point.rule_of("pck").model_copy(update={"headline": ("image", "mean")})
    per_image = replace(per_point, rules=(rule,))
    n_notes = [on_n(members, "geco", "pck") for members in (per_point, per_image)]
    assert ["number of pairs" in notes[-1] for notes in n_notes] == [False, True]


def test_what_is_not_stored_has_its_reason(run):
    (first, *_), *_ = (table.rows[0].cells for table in tables(group([of_version_4(run)]), "geco"))
    assert first.reason.startswith("The run was scored before these scores were stored")
    made = tables(group([of_version_4(run)]), "geco")
    assert not any(row.key == "n" for table in made for row in table.references)
    assert "n: " not in [note[:3] for table in made for note in table.notes]


def test_the_board_has_the_view():
    assert VIEWS["geco"] == "GECO splits"
