"""Tables to text, Markdown, CSV and JSON."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kapbench_leaderboard.commands.comparison_text import comparison_text as show_runs
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.choices import Style
from kapbench_leaderboard.tables.columns import Cell, Column
from kapbench_leaderboard.tables.format_cells import heading
from kapbench_leaderboard.tables.render import render
from kapbench_leaderboard.tables.score_keys import SPLITS

EIGHTEEN = [f"category{i:02d}" for i in range(18)]


def show(cards, **options):
    return show_runs({Path(str(i)): card for i, card in enumerate(cards)}, **options)


@pytest.fixture
def drawn(card):
    cards = [
        card("random", 0.28, 0.03),
        card("lite0", 0.384, 0.40, interval=0.01),
        card("sphere", None, 0.44),
    ]
    return tables(group(cards))


def test_text_is_the_percentage_with_one_decimal_and_its_interval(drawn):
    shown = render(drawn, "text")
    (line,) = [line for line in shown.splitlines() if line.startswith("lite0")]
    assert line.split()[1:5] == ["38.4", "23.0", "40.0", "65.0"]
    assert "37.4…39.4" in shown
    assert "Ranges are 95 % confidence intervals" in shown


@pytest.mark.parametrize("how", ["text", "markdown", "html"])
def test_a_note_stands_once_below_the_last_table_that_it_concerns(drawn, how):
    (table,) = drawn
    lines = (("of all",), ("of all", "of two"), ("of all", "of two"), ("of all", "of one"))
    every = [replace(table, head=(f"head {i}",), notes=n) for i, n in enumerate(lines)]
    shown = render(every, how, width=200)
    parts = re.split(r"head \d", shown)[1:]
    assert [[note for note in {*sum(lines, ())} if note in part] for part in parts[:2]] == [[], []]
    assert ["of two" in part for part in parts] == [False, False, True, False]
    assert ["of all" in part for part in parts] == [False, False, False, True]
    assert shown.count("Scores ×100.") == shown.count("Ranges are") == 1


def test_a_note_on_the_runs_stands_below_each_group(drawn):
    (table,) = drawn
    both = [table, replace(table, group=replace(table.group))]
    shown = render([replace(t, notes=(*t.notes, "On these pairs.")) for t in both], "markdown")
    assert shown.count("On these pairs.") == 2
    assert shown.count("KAP by ") == shown.count("Scores ×100.") == 1


def test_no_title_breaks_inside_a_word():
    keys = [key for view in SPLITS.values() for of_kind in view.values() for key in of_kind]
    assert keys
    assert not [key.heading for key in keys if "-\n" in key.heading]
    column = Column("k", ("PCK", "pair-", "weighted", "@0.10"), lambda _: Cell(None))
    assert heading(column) == "PCK pair-weighted@0.10"
    assert heading(replace(column, heading=("a - b",))) == "a - b"


def test_a_footnote_stands_below_each_of_its_tables(card):
    shown = render(tables(group([card("sphere", None)])) * 2, "text")
    assert shown.count("\n[1] ") == 2


@pytest.mark.parametrize("how", ["text", "markdown", "html"])
def test_negative_numbers_have_a_true_minus_sign_and_ranges_one_style(card, how):
    signed = Cell(-0.0004, -0.02, 0.0004, signed=True)
    values = [
        Cell(0.384, 0.374, 0.394),
        Cell(-0.016, -0.049, 0.019),
        signed,
        Cell(-0.5, -0.6, -0.4),
    ]
    (made,) = tables(group([card("lite0")]))
    row = replace(made.rows[0], cells=(*values, *made.rows[0].cells[len(values) :]))
    shown = render([replace(made, rows=(row,))], how)
    ranges = ["37.4…39.4", "−4.9…1.9", "−2.0…0.0", "−60.0…−40.0"]
    assert [shown.count(each) for each in ranges] == [1, 1, 1, 1]
    assert "−1.6" in shown
    assert "0.0" in shown
    assert not re.search(r"[-–]\d+\.\d|−0\.0", shown)


def test_files_for_programs_keep_the_hyphen_minus(card):
    (made,) = tables(group([card("lite0", -0.016)]))
    assert "-0.016" in render([made], "csv")
    assert "-0.016" in render([made], "json")


def test_text_gives_the_reason_of_what_is_missing_in_a_footnote(drawn):
    shown = render(drawn, "text")
    (line,) = [line for line in shown.splitlines() if line.startswith("sphere")]
    mark = line.split()[1].removeprefix("n/a")
    assert f"{mark} A category has no positive sample, or no negative one (n = 100)." in shown


@pytest.mark.parametrize("width", [80, 100, 200])
def test_text_keeps_to_its_width_and_loses_no_column(card, width):
    cards = [
        card("dinov2.vitb14reg", categories=EIGHTEEN, interval=0.01),
        card("a" * 40, categories=EIGHTEEN),
    ]
    shown = render(tables(group(cards), "category"), "text", width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert all(shown.count(name) >= 2 for name in EIGHTEEN)
    assert not re.search(r"…(?!\d)", shown)  # no text is cut


def test_intervals_give_way_where_the_screen_is_narrow(card):
    cards = [card("dinov2.vitb14reg", categories=[*"abcdefghijkl"], interval=0.01)]
    made = tables(group(cards), "category")
    assert "Ranges" in render(made, "text", width=200)
    assert "39.0…41.0" in render(made, "text", width=200)
    narrow = render(made, "text", width=60)
    assert "39.0…41.0" not in narrow
    assert (
        "Confidence intervals are left out because the table is too\nwide; --format csv" in narrow
    )


def test_differences_keep_their_intervals_and_their_p_in_blocks(card):
    made = tables(group([card("lite0", categories=[*"abcdefghijkl"], interval=0.01)]), "category")
    (wide,) = (replace(table, view="paired") for table in made[:1])
    lines = render([wide], "text", width=60).splitlines()
    headings = [line.split()[1:] for line in lines if line.startswith("model ")]
    assert len(headings) > 1
    assert all(len(names) % 2 == 0 for names in headings[:-1])
    assert any("39.0…41.0" in line for line in lines)


def test_intervals_are_kept_on_request_though_the_screen_is_narrow(card):
    cards = [card("dinov2.vitb14reg", categories=[*"abcdefghijkl"], interval=0.01)]
    made = tables(group(cards), "category")
    narrow = render(made, "text", width=60, style=Style(intervals=True))
    assert "39.0…41.0" in narrow
    assert "Ranges" in narrow
    assert max(map(len, narrow.splitlines())) <= 60
    assert "39.0…41.0" not in render(made, "text", width=200, style=Style(intervals=False))


def test_text_has_escape_codes_only_where_asked(drawn):
    assert "\x1b" not in render(drawn, "text")
    assert "\x1b" in render(drawn, "text", colour=True)


def test_a_name_in_brackets_is_no_markup(card):
    assert "[bold]x" in render(tables(group([card("[bold]x")])), "text")


def test_csv_holds_shares_and_leaves_the_missing_empty(drawn):
    lines = {line["model"]: line for line in csv.DictReader(io.StringIO(render(drawn, "csv")))}
    assert float(lines["lite0"]["kap@0.10"]) == 0.384
    assert float(lines["lite0"]["kap@0.10.low"]) == pytest.approx(0.374)
    assert lines["sphere"]["kap@0.10"] == ""
    assert lines["lite0"]["rules"] == "kap-cvpr24@aaa pck-sd-dino@bbb"


def test_csv_of_other_columns_leaves_no_hole_in_the_lines(card):
    cards = [card(), card(categories=["cat"], n_pairs=10)]
    lines = list(csv.DictReader(io.StringIO(render(tables(group(cards), "category"), "csv"))))
    assert len(lines) == 6
    assert all(None not in line and None not in line.values() for line in lines)


def test_json_holds_shares_intervals_and_reasons(drawn):
    (table,) = json.loads(render(drawn, "json"))["tables"]
    rows = {row["model"]: row["scores"] for row in table["rows"]}
    assert rows["lite0"]["kap@0.10"]["value"] == 0.384
    assert rows["lite0"]["kap@0.10"]["high"] == pytest.approx(0.394)
    assert rows["sphere"]["kap@0.10"]["value"] is None
    assert "A category has no positive sample" in rows["sphere"]["kap@0.10"]["reason"]
    assert table["dataset"]["n_pairs_expected"] == 30


def test_markdown_is_a_table_with_a_cell_for_every_column(drawn):
    lines = [line for line in render(drawn, "markdown").splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {7}
    assert "| model | KAP@0.10 | KAP skill | PCK@0.10 | absence AUROC all |" in lines[0]
    assert "| 38.4 (37.4…39.4) |" in "".join(lines)


def test_a_run_without_the_rules_asked_for_is_named(card):
    shown = show([card("lite0", rules={"kap-v1": "1"}), card("sphere")], rules=["kap-v1"])
    assert shown.endswith("\nNot scored by kap-v1 and therefore left out:\n  1\n")


def test_two_rules_of_a_kind_are_columns(card):
    shown = show([card(rules={"kap-v1": "1", "kap-cvpr24": "2"})], rules=["kap-v1", "kap-cvpr24"])
    assert "KAP by kap-v1 (1)" in shown
    assert "KAP by kap-cvpr24 (2)" in shown


def test_the_order_of_the_runs_does_not_matter(card):
    cards = [card("lite0", 0.3), card("sphere", 0.4), card("random", 0.1)]
    assert show(cards) == show(cards[::-1])


HOSTILE = "<script>alert(1)</script>|`x`\\_&%"


def test_html_escapes_names(card):
    shown = render(tables(group([card(HOSTILE)])), "html")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<tr>") == shown.count("</tr>") == 2


def test_latex_escapes_names(card):
    cards = [card("a_b&c%", 0.3, 0.2), card("best", 0.4, 0.1), card("oracle", 1.0, 1.0)]
    shown = render(tables(group(cards)), "latex")
    assert r"a\_b\&c\%" in shown
    assert shown.count("{tabular}") == 2
    body = [line for line in shown.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") - line.count(r"\&") for line in body} == {5}


def test_the_lines_of_a_caption_are_sentences(card):
    cards = [card(), card("sphere"), card(categories=["cat"], n_pairs=10)]
    for how in ("latex", "html"):
        shown = render(tables(group(cards)), how)
        assert "of 30 pairs. Not comparable with" in shown


def test_a_note_about_a_column_stands_under_tables_that_have_it(card):
    notes = {
        rules: " ".join(tables(group([card(rules=dict.fromkeys(rules, "1"))]), "twin")[0].notes)
        for rules in (("kap-v1",), ("pck-v1",), ("pck-v1", "geo"))
    }
    kap, pck, geo = notes.values()
    assert ("twin:" in kap, "confusion:" in kap, "dagger:" in kap) == (True, False, False)
    assert ("twin:" in pck, "confusion:" in pck, "geo:" in pck) == (False, True, False)
    assert "geo:" in geo
    assert "symm.:" not in kap + pck + geo


def test_markdown_lets_no_markup_of_a_name_act(card):
    shown = render(tables(group([card(HOSTILE)])), "markdown")
    (line,) = [line for line in shown.splitlines() if "script" in line]
    assert "<script>" not in line
    assert line.count("|") - line.count(r"\|") == 7


@pytest.mark.parametrize("view", ["symmetry", "twin", "viewpoint", "occlusion", "average"])
@pytest.mark.parametrize("how", ["text", "markdown", "latex", "csv", "json", "html"])
def test_every_view_in_every_format(card, view, how):
    shown = render(tables(group([card("lite0"), card("sphere")]), view), how)
    assert "lite0" in shown
    assert "sphere" in shown


def test_ranges_are_explained_only_where_they_are_shown(card):
    cards = [card("dinov2.vitb14reg", categories=EIGHTEEN, interval=0.01)]
    assert "Ranges" not in render(tables(group(cards), "category"), "text", width=80)


def test_a_table_without_intervals_says_why(card):
    (table,) = tables(group([card("lite0", interval=0.01), card("sphere")]))
    undefined = "score is undefined in more than 1 % of the resamples, or the scores were"
    reason = f"a category has fewer than 4 images, or its {undefined} computed without intervals."
    assert f"No confidence intervals for sphere: {reason}" in table.notes
    few = card(categories=["cat", "cow", "bus"])
    (table,) = tables(group([few]))
    assert "No confidence intervals: a category has fewer than 4 images." in table.notes
    (table,) = tables(group([card(categories=["cat"])]))
    assert f"No confidence intervals: the {undefined} computed without intervals." in table.notes


def test_a_run_of_the_command_line_was_computed_with_intervals(card):
    made = card(categories=["cat"]).model_copy(update={"command": "kapbench run"})
    (table,) = tables(group([made]))
    undefined = "the score is undefined in more than 1 % of the resamples"
    assert f"No confidence intervals: {undefined}." in table.notes


def test_numbered_runs_are_told_apart(card):
    isolated = card("lite0")
    provenance = isolated.provenance.model_copy(update={"isolated": ("process",)})
    isolated = isolated.model_copy(update={"provenance": provenance})
    more = card("lite0", rules={"kap-cvpr24": "aaa", "pck-sd-dino": "bbb", "pck-v1": "ccc"})
    (table,) = tables(group([isolated, more], ["kap-cvpr24", "pck-sd-dino"]))
    notes = [note for note in table.notes if note.startswith("lite0@r1 #")]
    assert [note.partition("started")[0] for note in notes] == [
        "lite0@r1 #1: isolated, ",
        "lite0@r1 #2: also scored by pck-v1, ",
    ]


def test_the_category_without_an_interval_is_named(card):
    made, bounds = card("lite0"), {"low": 0.1, "high": 0.5}
    scores = [s.model_copy(update=bounds) if s.category == "cat" else s for s in made.scores]
    (table,) = tables(group([made.model_copy(update={"scores": tuple(scores)})]))
    (note,) = (note for note in table.notes if note.startswith("No confidence intervals"))
    assert "a category (cow) has fewer than 4 images, or its score is undefined" in note
    assert "computed without" not in note


def test_a_name_that_a_spreadsheet_would_run_is_a_text(card):
    (table,) = tables(group([card("=1+1"), card("-x"), card("a")]))
    lines = render([table], "csv").splitlines()[1:]
    assert [",'=1+1," in line or ",'-x," in line for line in lines].count(True) == 2


@pytest.mark.parametrize("how", ["text", "markdown", "latex", "html", "csv", "json"])
def test_hidden_characters_are_written_out_in_every_format(card, how):
    made = render(tables(group([card("a\x1b[2J\u202e"), card("b")])), how)
    assert "\x1b" not in made
    assert "\u202e" not in made
    assert "x1b" in made or "u001b" in made


REMARK = "In 2 of 20 pairs, all similarities are equal: confidences tie"


@pytest.mark.parametrize("how", ["text", "markdown", "html"])
def test_remarks_on_maps_stand_below_the_table(card, how):
    remarked = card("lite0").model_copy(update={"remarks": (REMARK,)})
    shown = render(tables(group([remarked, card("sphere")])), how, width=200)
    assert shown.count(f"lite0: {REMARK}.") == 1
    assert "sphere: In" not in shown
    assert REMARK not in render(tables(group([card("lite0")])), how, width=200)
