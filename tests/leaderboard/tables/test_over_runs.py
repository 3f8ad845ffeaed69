"""Means over runs of several seeds: by hand, in every format, and what is refused."""

import csv
import io
import json

import numpy as np
import pytest
import tex_reader

from kapbench.errors import KapbenchError
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.choices import FORMATS, VIEWS
from kapbench_leaderboard.tables.over_runs import tables_over_runs
from kapbench_leaderboard.tables.render import render

KAP = (0.30, 0.32, 0.37)  # mean 0.33, sd sqrt(0.0013) = 0.0360555


@pytest.fixture
def run(card):
    """A run with a label and records of its own."""

    def made(*values, label="ours", seed=0, model="net", facts=None, **more):
        made = card(model, *values, **more)
        provenance = made.provenance.model_copy(update={"records_sha256": f"{model}{seed}"})
        model_card = made.model.model_copy(update={"revision": f"seed{seed}"} | (facts or {}))
        update = {"label": label, "provenance": provenance, "model": model_card}
        return made.model_copy(update=update)

    return made


@pytest.fixture
def seeds(run):
    return [run(kap, 0.5, seed=i, interval=0.01) for i, kap in enumerate(KAP)]


def cells(table, label):
    (row,) = [row for row in table.rows if row.label == label]
    return {column.key: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def test_mean_and_deviation_by_hand(seeds, card):
    (table,) = tables_over_runs(group([*seeds, card("lite0", 0.4, 0.6, interval=0.01)]))
    ours = cells(table, "net [ours]")
    assert ours["n_runs"].value == 3
    assert ours["kap@0.10"].value == pytest.approx(0.33)
    assert ours["kap@0.10"].sd == pytest.approx(0.0360555, abs=1e-6)
    assert ours["pck@0.10"].sd == 0
    assert ours["kap@0.10"].low is None
    alone = cells(table, "lite0")
    assert (alone["n_runs"].value, alone["kap@0.10"].value, alone["kap@0.10"].sd) == (1, 0.4, None)
    assert alone["kap@0.10"].low is None


def test_scores_that_a_run_had_looked_up_before_are_not_taken_for_the_mean(seeds):
    assert seeds[0].headline(seeds[0].rules[0], 0.1).value == 0.30
    (table,) = tables_over_runs(group(seeds))
    assert cells(table, "net [ours]")["kap@0.10"].value == pytest.approx(0.33)


def test_the_order_of_the_runs_does_not_matter(seeds):
    (table,), (other,) = (tables_over_runs(group(cards)) for cards in (seeds, seeds[::-1]))
    ours, theirs = (cells(t, "net [ours]")["kap@0.10"] for t in (table, other))
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)
    assert ours.sd == pytest.approx(theirs.sd, abs=1e-12)


def test_a_row_for_each_model_and_label(run):
    cards = [run(0.3, seed=0), run(0.4, seed=1), run(0.5, seed=2, label="other")]
    cards += [run(0.6, seed=3, label=None), run(0.7, seed=4, label=None)]
    cards += [run(0.2, model="mapper", seed=5)]
    (table,) = tables_over_runs(group(cards))
    assert {row.label: row.cells[0].value for row in table.rows} == {
        "net@seed4": 1,
        "net@seed3": 1,
        "net [other]": 1,
        "net [ours]": 2,
        "mapper [ours]": 1,
    }


def test_a_score_that_one_run_lacks_has_no_mean(run):
    (table,) = tables_over_runs(group([run(0.3, seed=0), run(None, seed=1)]))
    missing = cells(table, "net [ours]")["kap@0.10"]
    assert missing.value is None
    assert missing.reason == "Only 1 of 2 runs have a score here."


@pytest.mark.parametrize("how", FORMATS)
def test_every_format_has_the_mean_the_deviation_and_the_number_of_runs(seeds, how):
    shown = render(tables_over_runs(group(seeds)), how, width=200)
    if how == "csv":
        (line,) = csv.DictReader(io.StringIO(shown))
        assert float(line["kap@0.10"]) == pytest.approx(0.33)
        assert float(line["kap@0.10.sd"]) == pytest.approx(np.std(KAP, ddof=1))
        assert line["n_runs"] == "3"
        assert line["model_revision"] == "seed0 seed1 seed2"
        assert "kap@0.10.low" not in line
    elif how == "json":
        (row,) = json.loads(shown)["tables"][0]["rows"]
        assert row["scores"]["kap@0.10"]["sd"] == pytest.approx(np.std(KAP, ddof=1))
        assert row["scores"]["n_runs"]["value"] == 3
    else:
        assert ("33.0 $\\pm$ 3.6" if how == "latex" else "33.0 ± 3.6") in shown
        assert "not a confidence interval over images" in shown
        assert "No confidence intervals" not in shown


@pytest.mark.parametrize("view", ["summary", *VIEWS])
def test_every_view(seeds, card, view):
    tables = tables_over_runs(group([*seeds, card("random", 0.1, 0.1)]), view)
    assert tex_reader.read(render(tables, "latex"))
    for table in tables:
        assert table.columns[0].key == "n_runs"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"n_pairs": 10}, "the pairs are 10 pairs of cat, cow, not 20 pairs"),
        ({"rules": {"kap-cvpr24": "zzz", "pck-sd-dino": "bbb"}}, "rule kap-cvpr24 has hash zzz"),
        ({"facts": {"conditions_on": ("category",)}}, "conditions_on is category, not nothing"),
        ({"facts": {"supervision": "keypoints"}}, "supervision is keypoints, not none"),
    ],
)
def test_runs_that_are_not_comparable_are_refused(run, other, why):
    with pytest.raises(KapbenchError, match="cannot be averaged") as raised:
        tables_over_runs(group([run(0.3, seed=0), run(0.4, seed=1, **other)]))
    assert why in str(raised.value)
    assert "net [ours]" in str(raised.value)


def test_runs_on_another_data_set_are_another_table(run):
    cards = [run(0.3, seed=0), run(0.4, seed=1), run(0.5, seed=2, dataset="synthetic")]
    assert [len(t.rows) for t in tables_over_runs(group(cards))] == [1, 1]


def test_a_run_that_is_named_twice_is_refused(run):
    with pytest.raises(KapbenchError, match="only 1 have records of their own"):
        tables_over_runs(group([run(0.3, seed=0), run(0.3, seed=0)]))


def test_remarks_of_every_run_stand_below(run):
    cards = [run(0.3, seed=0), run(0.4, seed=1).model_copy(update={"remarks": ("Maps tie",)})]
    (table,) = tables_over_runs(group(cards))
    assert "net [ours]: Maps tie." in table.notes
