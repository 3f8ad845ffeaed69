"""`kapbench.compare`, `kapbench.table` and `kapbench.to_latex`."""

import csv
import io
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
import tex_reader
from submissions import dots

import kapbench
from kapbench.errors import KapbenchError
from kapbench.running import board_plugin, compare_runs
from kapbench.scoring.bootstrap import holm

RULES = ["kap-cvpr24", "pck-sd-dino"]


@pytest.fixture(scope="module")
def results(dots_runs):
    return [kapbench.ResultSet.load(folder) for folder in dots_runs]


@pytest.fixture(scope="module")
def differences(results):
    return kapbench.compare(*results)


def test_scores_of_parts_are_compared_from_the_records(results, shifted):
    frame = kapbench.compare(results[0], shifted, by="concept")
    means = frame[frame["over"] == "mean"].set_index("metric")
    assert list(means.index) == ["pck", "pck_concept", "wrong_member", "identity"]
    for metric, row in means.iterrows():
        query = "alpha == 0.1 and over == 'mean' and is_headline and rule == 'pck-sd-dino' and split == 'all'"
        of_runs = [
            scores[scores["metric"] == metric]
            for scores in (run.scores.query(query) for run in (results[0], shifted))
        ]
        values = [scores["value"].item() for scores in of_runs]
        assert [row["value"], row["baseline_value"]] == pytest.approx(values)
        assert row["n"] == of_runs[0]["n"].item()
    added = means["difference"]["pck_concept"] - means["difference"]["pck"]
    assert means["difference"]["wrong_member"] == pytest.approx(added)
    with pytest.raises(KapbenchError, match="concept"):
        kapbench.compare(*results, by="geco")


@pytest.fixture(scope="module")
def shifted(dots_runs):
    """A third model on the same pairs, whose records are kept in memory."""
    module = dots()
    return kapbench.evaluate(module.Greys(), module.Dots(n_images=6), rule=RULES, label="again")


def test_a_row_for_each_rule_and_category_and_the_mean(differences):
    for metric in ("kap", "pck"):
        own = differences[differences["metric"] == metric]
        assert list(own["category"]) == ["dot", "spot", "mean"]
        assert list(own["over"]) == ["category", "category", "mean"]
    assert set(differences["model"]) == {"colours"}
    assert set(differences["baseline"]) == {"greys"}
    pivoted = differences.pivot(  # noqa: PD010 - pivot_table would average duplicates
        index="category", columns="metric", values="difference"
    )
    assert {"kap", "pck"} <= set(pivoted.columns)


def test_values_are_those_of_the_run_cards(results, differences):
    assert differences.query("metric in ['kap', 'pck']")["value"].notna().all()
    for row in differences.dropna(subset="difference").itertuples():
        for result, value in zip(results, (row.value, row.baseline_value), strict=True):
            scores = result.scores.query(
                "rule == @row.rule and metric == @row.metric and alpha == @row.alpha and split == @row.split "
                "and over == @row.over and category == @row.category and is_headline"
            )
            assert value == pytest.approx(scores["value"].item(), abs=1e-9)
        assert row.difference == pytest.approx(row.value - row.baseline_value, abs=1e-9)
        assert row.low <= row.difference <= row.high
        assert row.n > 0


def test_the_numbers_are_those_of_the_command_line(kapbench_command, results, differences):
    words = ("compare", *(r.folder for r in results), "--paired", "--format", "csv")
    lines = csv.DictReader(io.StringIO(kapbench_command(*words).stdout))
    by_category = {line["label"]: line for line in lines if line["difference.kap"]}
    sign = np.sign(float(by_category["mean"]["difference.kap"]))
    own = np.sign(differences.query("over == 'mean' and metric == 'kap'")["difference"].item())
    for row in differences.query("metric in ['kap', 'pck']").itertuples():
        line = by_category[row.category]
        assert float(line[f"difference.{row.metric}"]) * sign * own == pytest.approx(row.difference)
        if row.over == "category" and line[f"p.{row.metric}"]:
            assert float(line[f"p.{row.metric}"]) == pytest.approx(row.p_adjusted)


@pytest.fixture
def kapbench_command(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from kapbench.cli.main import main

    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def test_several_runs_against_each_other_and_against_a_baseline(results, shifted):
    every = kapbench.compare(*results, shifted)
    pairs = list(dict.fromkeys(zip(every["model"], every["baseline"], strict=True)))
    assert pairs == [("colours", "greys"), ("colours", "greys [again]"), ("greys", "greys [again]")]
    same = every.query("model == 'greys'").dropna(subset="difference")
    assert {"kap", "pck"} <= set(same["metric"])
    assert (same["difference"] == 0).all()
    one = kapbench.compare(*results, shifted, baseline=results[1])
    assert set(one["baseline"]) == {"greys"}
    assert list(dict.fromkeys(one["model"])) == ["colours", "greys [again]"]
    pd.testing.assert_frame_equal(one, kapbench.compare(results[0], shifted, baseline=results[1]))


def test_holm_over_pairs_for_means_and_over_all_rows_of_categories(results, shifted):
    every = kapbench.compare(*results, shifted, rule="pck-sd-dino")
    for over in ("category", "mean"):
        rows = every[every["over"] == over]
        np.testing.assert_array_equal(rows["p_adjusted"], holm(rows["p"].to_numpy()))
        assert (rows["p_adjusted"].dropna() >= rows["p"].dropna()).all()


def test_runs_by_folder_name_and_label(results, tmp_path, differences, monkeypatch):
    root = results[0].folder.parents[3]
    by_name = kapbench.compare("colours", "greys", runs_root=root)
    pd.testing.assert_frame_equal(by_name, differences)
    monkeypatch.setenv("KAPBENCH_RUNS", str(root))
    pd.testing.assert_frame_equal(kapbench.compare("colours", str(results[1].folder)), differences)
    renamed = kapbench.compare("colours", "greys", names={"greys": "G"})
    assert set(renamed["baseline"]) == {"G"}


def test_keypoints_that_hold_are_those_of_their_own_scores(differences):
    mean = differences.query("over == 'mean' and metric == 'pck'").iloc[0]
    of_categories = differences.query("over == 'category' and metric == 'pck'")
    assert mean["keypoints"] == of_categories["keypoints"].sum() > 0
    assert 0 <= mean["keypoints_holding"] <= mean["keypoints"]
    assert differences["p_keypoints"].dropna().between(0, 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "kap-v2"}, "Did you mean kap-v1"),
        ({"alpha": 0.07}, "alpha 0.07"),
        ({"names": {"colour": "x"}}, "Did you mean colours"),
        ({"baseline": "nothing"}, "nothing"),
    ],
)
def test_what_is_not_there_is_named(results, tmp_path, arguments, message):
    with pytest.raises(KapbenchError, match=message):
        kapbench.compare(*results, runs_root=tmp_path, **arguments)


def test_runs_that_cannot_be_compared_are_refused(results, tmp_path):
    with pytest.raises(KapbenchError, match="needs two runs, and 1 is given"):
        kapbench.compare(results[0])
    with pytest.raises(KapbenchError, match="needs two runs, and 1 is given"):
        kapbench.compare(results[0], results[0].folder)
    with pytest.raises(KapbenchError, match="No run is given"):
        kapbench.compare()
    with pytest.raises(KapbenchError, match="cannot be a list"):
        compare_runs._checked([results])
    module = dots()
    other = kapbench.evaluate(module.Greys(), module.Dots(n_images=4), rule=RULES)
    with pytest.raises(KapbenchError, match="greys is not comparable with the others: the pairs"):
        kapbench.compare(*results, other)
    with pytest.raises(KapbenchError, match="not comparable with the others"):
        kapbench.compare(*results, baseline=other)
    with pytest.raises(KapbenchError, match="cannot share a table: the pairs"):
        kapbench.table(*results, other)
    with pytest.raises(KapbenchError, match="none of the rules scored it"):
        kapbench.table(*results, other, rule="kap-v1")


def test_a_table_holds_what_the_command_line_shows(results):
    table = kapbench.table(*results)
    assert table.index.name == "model"
    assert set(table.index) == {"colours", "greys"}
    for result in results:
        shown = table.loc[result.card.model.name, "KAP@0.10"]
        assert shown == round(100 * result.headline("kap-cvpr24"), 1)
        pd.testing.assert_frame_equal(
            result.table()[["KAP@0.10", "PCK@0.10"]],
            table.loc[[result.card.model.name], ["KAP@0.10", "PCK@0.10"]],
        )
    bounds = kapbench.table(*results, intervals=True)
    assert (bounds["KAP@0.10 low"] <= bounds["KAP@0.10"]).all()
    assert (bounds["KAP@0.10"] <= bounds["KAP@0.10 high"]).all()


def test_a_table_by_category_has_a_metric_above_each_category(results):
    table = kapbench.table(*results, by="category")
    assert table.columns.is_unique
    for metric in ("KAP", "PCK"):
        assert list(table[metric].columns) == ["dot", "spot", "mean"]
    assert (
        table["PCK"].loc["colours", "mean"] == kapbench.table(*results).loc["colours", "PCK@0.10"]
    )


@pytest.mark.parametrize("arguments", [{"by": "colour"}, {"group_by": "seed"}])
def test_an_unknown_view_is_refused(results, arguments):
    for function in (kapbench.table, kapbench.to_latex):
        with pytest.raises(KapbenchError, match="Unknown"):
            function(*results, **arguments)


def test_runs_of_one_label(results, shifted, tmp_path):
    grouped = kapbench.table(*results, shifted, group_by="label")
    assert grouped.loc["greys [again]", "runs"] == 1
    assert grouped.columns[0] == "runs"


def test_latex_of_results(results, shifted):
    (table,) = tex_reader.read(
        kapbench.to_latex(*results, by="category", label="tab:x", names={"greys": "G_"})
    )
    assert table.label == "tab:x"
    assert "not significantly different" in table.printed
    assert r"G\_" in [row[0] for row in table.rows]
    (own,) = tex_reader.read(results[0].to_latex(label="tab:own", notes=False, intervals=True))
    assert own.label == "tab:own"
    assert r"\scriptsize" in str(own.rows)
    tested, *_ = tex_reader.read(kapbench.to_latex(results[0], shifted, by="category", paired=True))
    assert "not significantly different" in tested.printed
    with pytest.raises(KapbenchError, match="Leave one of them out"):
        kapbench.to_latex(*results, paired=True, group_by="label")


def test_without_a_leaderboard_the_error_says_so(results, monkeypatch):
    monkeypatch.setattr(board_plugin, "entry_points", lambda **_: metadata.EntryPoints())
    calls = (
        lambda: kapbench.compare(*results),
        lambda: kapbench.table(*results),
        results[0].table,
        results[0].to_latex,
    )
    for call in calls:
        with pytest.raises(KapbenchError, match=r"leaderboard package.* is not installed"):
            call()
    assert "kap-cvpr24" in repr(results[0])  # what the core shows needs no leaderboard
    assert "kap-cvpr24" in results[0]._repr_html_()
