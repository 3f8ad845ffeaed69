"""Pages of a diagnosis: every format holds the same numbers, sums are shown, notes explain."""

import csv
import io
import json
import re

import pytest
from diagnosed import diagnosed, table, without_new_columns

from kapbench_leaderboard.diagnosis.load import Named
from kapbench_leaderboard.diagnosis.overview import overview
from kapbench_leaderboard.diagnosis.pages import page_of
from kapbench_leaderboard.diagnosis.pictures import change_of
from kapbench_leaderboard.diagnosis.render import render
from kapbench_leaderboard.tables.choices import FORMATS


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def one(rows):
    return Named("lite0", diagnosed(rows))


@pytest.fixture(scope="module")
def other():
    return Named("ours", diagnosed(table(scores_seed=5), "ours"))


def shown(named, how="text", **options) -> str:
    return render(page_of(named), how, **options)


@pytest.mark.parametrize("how", FORMATS)
def test_every_format_shows_the_losses(one, other, how):
    text = shown([one], how)
    loss = float(one.diagnosis.losses.set_index("type")["loss"]["elsewhere"])
    assert (repr(loss) if how in ("csv", "json") else f"{100 * loss:.1f}") in text
    assert "elsewhere" in text
    both = shown([one, other], how)
    gap = other.diagnosis.minus(one.diagnosis).query("kind == 'loss' and name == 'elsewhere'")
    value = float(gap["difference"].iloc[0])
    as_shown = f"{100 * value:+.1f}".replace("-", "$-$" if how == "latex" else "−")
    assert (repr(value) if how in ("csv", "json") else as_shown) in both


def test_the_sentence_stands_first_and_lines_fit(one, other):
    for named in ([one], [one, other], [one, other, one]):
        lines = shown(named).splitlines()
        assert max(map(len, lines)) <= 80
    assert shown([one]).startswith("lite0: KAP is ")
    assert shown([one, other]).startswith("ours loses")


def test_the_losses_are_shown_with_their_sum(one):
    lines = shown([one]).splitlines()
    (total,) = [line for line in lines if line.startswith("sum, 100 − KAP")]
    kap = one.diagnosis.overall.kap
    assert total.split()[-1] == f"{100 * (1 - kap):.1f}"
    assert any(line.startswith(f"KAP@0.10 {100 * kap:.1f} (") for line in lines)


def test_a_negative_gain_is_explained_where_there_is_one(one):
    text = shown([one])
    is_negative = (one.diagnosis.losses["gain"] < -0.0005).any()
    assert ("A gain alone is below 0" in text) == is_negative


def test_old_records_name_the_columns_that_they_lack(rows, one):
    old = shown([Named("old", diagnosed(without_new_columns(rows)))])
    words = "lack group_error_px, other_error_px, on_object"
    assert words in " ".join(old.split())
    assert "earlier version" not in shown([one])
    assert "repeated part" not in old.split("sum, 100")[0]


def test_without_kap_the_page_says_why(rows):
    text = shown([Named("lite0", diagnosed(rows, rules=("pck-sd-dino",)))])
    assert "KAP is not defined if no keypoint can be absent" in " ".join(text.split())
    assert "What each type of error costs" not in text


@pytest.mark.parametrize("by", ["category", "keypoint", "split"])
def test_a_division_adds_its_blocks(rows, by):
    named = Named("lite0", diagnosed(rows, by=by))
    lines = list(csv.DictReader(io.StringIO(shown([named], "csv"))))
    of_by = {line["row"] for line in lines if line["table"] == f"losses.{by}"}
    groups = [*named.diagnosis.groups()]
    assert len(of_by) == sum(group.kap == group.kap for group in groups)
    both = shown([named, Named("ours", diagnosed(rows, "ours", by=by))])
    assert f"by {by}: ours − lite0" in both
    assert max(map(len, both.splitlines())) <= 80


def test_json_has_every_number_with_its_interval(one):
    content = json.loads(shown([one], "json"))
    (losses,) = [t for t in content["tables"] if t["table"] == "losses"]
    rows = {row["row"]: row["values"]["loss"] for row in losses["rows"]}
    frame = one.diagnosis.losses.set_index("type")
    for name, number in rows.items():
        if name != "sum":
            assert number["value"] == frame["loss"][name]
            assert number["low"] == frame["loss_low"][name]
    assert content["sentences"] == [f"lite0: {one.diagnosis.sentence}"]


def test_notes_can_be_left_out_and_reasons_stay(one):
    text = shown([one], with_notes=False)
    assert "Shapley" not in text
    marks = set(re.findall(r"n/a\[(\d)\]", text))
    assert all(f"\n[{mark}] " in text for mark in marks)


def test_hidden_characters_and_markup_of_a_name_are_harmless(one):
    bad = Named("a\x1b[31m<b>|`*", one.diagnosis)
    for how in FORMATS:
        text = shown([bad], how)
        assert "\x1b" not in text
    assert "<b>" not in shown([bad], "html")
    assert "<b>" not in shown([bad], "markdown")


def test_an_overview_has_a_row_for_each_run_the_best_first(one, other):
    page = overview([one, other])
    (block,) = page.blocks
    scores = [row.cells[0].value for row in block.rows]
    assert scores == sorted(scores, reverse=True)
    assert len(page.sentences) == 2
    assert render(page, "markdown").startswith(f"* {block.rows[0].label}: ")


def test_the_steps_of_the_figure_add_up_to_the_difference_of_kap(one, other):
    change = change_of(one, other)
    total = sum(step.change.value for step in change.steps)
    assert total == pytest.approx(change.kap_after - change.kap_before)


def test_second_peaks_that_tie_are_counted(rows, one):
    tied = rows.copy()
    tied["outside@cvpr24@0.10"] = tied["outside@cvpr24@0.10"].where(
        tied["inside@cvpr24@0.10"].isna(), tied["inside@cvpr24@0.10"]
    )
    all_tie = Named("ties", diagnosed(tied, "ties"))
    assert all_tie.diagnosis.tied_peaks == 1
    text = " ".join(shown([all_tie]).split())
    assert "outside of the circle are equal in 100.0 % (ties) of the rows of this type" in text
    assert one.diagnosis.tied_peaks < 1


def test_the_head_of_two_runs_says_what_a_difference_means(rows, one, other):
    text = " ".join(shown([one, other]).split())
    assert "diff.: ours − lite0; of losses, above 0 means that ours loses more" in text
    assert "The interval is not corrected, so it can exclude 0 where p is above 0.05" in text
    assert "diff.:" not in shown([one, other, one])
    places = [Named(name, diagnosed(rows, name, rules=("pck-sd-dino",))) for name in "ab"]
    assert "diff.: b − a\n" in shown(places)


def test_latex_indents_the_rows_below_a_heading(one):
    lines = shown([one], "latex").splitlines()
    assert any(line.startswith("    absence detection & ") for line in lines)
    assert any(line.startswith(r"    \quad all keypoints & ") for line in lines)
