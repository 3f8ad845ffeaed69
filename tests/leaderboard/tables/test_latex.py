"""Tables in LaTeX: what a TeX engine would take, and what a reader of the paper sees."""

import re
import shutil
import subprocess

import pytest
import tex_reader
from hypothesis import given
from hypothesis import strategies as st

from kapbench.errors import KapbenchError
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.choices import VIEWS, Style
from kapbench_leaderboard.tables.render import render
from kapbench_leaderboard.tables.tex_text import tex

HOSTILE = (
    r"\input{/etc/passwd}",
    "[2em]x",
    "*x",
    "a_b&c%d$e#f{g}h~i^j|k<l>m",
    "50%",
    "a--b---c",
    "``x''",
    "$$",
    "x\\\\",
    "α×±−–…†°",
)
SPAIR = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "train",
    "tvmonitor",
]
EIGHTEEN = [f"category{i:02d}" for i in range(18)]


def drawn(cards, view="category", **style):
    return tex_reader.read(render(tables(group(cards), view), "latex", style=Style(**style)))


@pytest.fixture
def two(card):
    return [card("lite0", 0.3, 0.5, interval=0.02), card("sphere", 0.4, 0.45, interval=0.02)]


@pytest.mark.parametrize("view", ["summary", *VIEWS])
@pytest.mark.parametrize("intervals", [None, True])
def test_every_view_is_read(card, view, intervals):
    cards = [card(name, 0.1 + i / 50, 0.2, interval=0.01) for i, name in enumerate(HOSTILE)]
    for each in drawn([*cards, card("random", 0.1, 0.1)], view, label="tab:x", intervals=intervals):
        assert len(each.rows) > len(HOSTILE)


@given(st.text(max_size=30))
def test_any_text_is_escaped(text):
    tex_reader.check("".join(c for c in tex(text) if c not in "\0"))


@pytest.mark.parametrize("name", HOSTILE[:4] + HOSTILE[8:9])
def test_a_name_is_printed_as_it_is(card, name):
    (table,) = drawn([card(name)], "summary")
    assert tex_reader.plain(table.rows[1][0]) == name


def test_a_name_cannot_end_a_comment(card):
    (table,) = drawn(
        [card("a\nb\\end{table}").model_copy(update={"remarks": ("x\n\\y",)})], "summary"
    )
    assert any("\\n" in comment for comment in table.comments)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a--b", "a-{}-b"),
        ("''", "'{}'"),
        ("[x]", "{[}x{]}"),
        ("−1.6", "$-$1.6"),
        ("±", r"$\pm$"),
        ("a-b", "a-b"),
    ],
)
def test_what_latex_would_draw_otherwise(text, escaped):
    assert tex(text) == escaped


def test_kap_and_pck_by_category_share_a_table_with_the_mean_last(two):
    (table,) = drawn(two, label="tab:both")
    heading, kap, *rows = table.rows
    assert heading == ["model", "cat", "cow", "mean"]
    assert kap == ["KAP@0.10"]
    pck = rows.index(["PCK@0.10"])
    assert table.label == "tab:both"
    names = [row[0] for row in rows if len(row) == 4 and row[0] != "prevalence"]
    blocks = sum(row[0].endswith("@0.10") for row in table.rows)
    assert names == ["sphere", "lite0"] * blocks  # one order, by KAP
    (lite0,) = [row for row in rows[pck:] if row[0] == "lite0"]
    assert [tex_reader.plain(cell) for cell in lite0[1:]] == ["40.0", "60.0", "50.0"]


def test_a_summary_and_its_categories_are_two_tables(two):
    (group_of_both,) = group(two)
    every = [*tables([group_of_both]), *tables([group_of_both], "category")]
    summary, by_category = tex_reader.read(render(every, "latex"))
    assert len(summary.rows) == 3
    assert ["KAP@0.10"] in by_category.rows


def test_the_skill_by_category_is_a_note_without_a_block(two):
    (table,) = drawn(two)
    assert [row for row in table.rows if len(row) == 1] == [["KAP@0.10"], ["PCK@0.10"]]
    assert "KAP skill@0.10 (mean), where 0 is" in table.printed
    assert "sphere 25.0, lite0 12.5." in table.printed
    (bare,) = drawn(two, notes=False)
    assert any(comment.startswith("KAP skill@0.10") for comment in bare.comments)


def test_averages_of_two_kinds_are_called_all(card):
    cards = [card("lite0"), card("sphere")]
    weighted = []
    for each in cards:
        kap, pck = each.rules
        pck = pck.model_copy(update={"headline": ("point", "pair_weighted")})
        weighted.append(each.model_copy(update={"rules": (kap, pck)}))
    (table,) = drawn(weighted)
    assert table.rows[0][-1] == "all"
    assert "weighted by scored pairs over categories" in table.printed


def test_one_metric_by_category_is_named(card):
    (table,) = drawn([card(rules={"kap-v1": "1"})], notes=False)
    assert ["KAP@0.10"] in table.rows


def test_tables_of_other_groups_have_labels_of_their_own(card):
    cards = [card(), card(categories=["cat"], n_pairs=10)]
    assert [t.label for t in drawn(cards, label="tab:x")] == ["tab:x", "tab:x-2"]
    assert {t.label for t in drawn(cards)} == {None}


@pytest.mark.parametrize("label", ["", "a b", "a}", "%", "\\x", "tab:ü"])
def test_a_label_that_latex_would_not_take_is_refused(card, label):
    with pytest.raises(KapbenchError, match="cannot be a label of LaTeX"):
        drawn([card()], label=label)


def test_intervals_stand_in_the_table_on_request_alone(two):
    assert "scriptsize" not in render(tables(group(two)), "latex")
    shown = render(tables(group(two)), "latex", style=Style(intervals=True))
    assert r"{\scriptsize 38.0\ldots{}42.0}" in shown
    assert "Ranges are 95" in tex_reader.read(shown)[0].printed
    assert "Ranges" not in render(tables(group(two)), "latex")


def test_notes_are_short_or_left_out_and_the_rest_is_a_comment(card):
    cards = [card("lite0", 0.3), card("sphere", 0.4).model_copy(update={"remarks": ("Ties",)})]
    (table,) = drawn(cards)
    assert "KAP by kap-cvpr24 (aaa)" in table.printed
    assert "sphere: Ties." not in table.printed
    assert "sphere: Ties." in table.comments
    (bare,) = drawn(cards, notes=False)
    assert bare.printed == ""
    assert {"sphere: Ties.", "Scores ×100."} <= set(bare.comments)


def test_what_two_blocks_say_stands_once(card):
    """Rows of controls stand in another order by KAP than by PCK."""
    controls = [card("oracle", 0.9, 0.5), card("twin-trap", 0.1, 0.6)]
    (table,) = drawn([card("lite0", 0.3, 0.4, interval=0.02), *controls])
    assert len(table.rows) > 6
    assert sum(c.startswith("No confidence intervals for oracle, ") for c in table.comments) == 1
    [highest] = [c for c in table.comments if c.startswith("Highest possible scores")]
    assert highest.count("@0.10") == 2


@pytest.mark.parametrize("view", ["summary", "category"])
def test_the_revision_of_the_data_set_is_a_comment(two, view):
    shown = render(tables(group(two), view), "latex")
    [caption] = [line for line in shown.splitlines() if r"\caption" in line]
    data = two[0].dataset
    assert caption.startswith(rf"  \caption{{{data.name}, {data.split} split, ")
    assert shown.count(f"{data.name}@{data.revision}") == 1
    assert f"  % Data set: {data.name}@{data.revision}." in shown


def test_a_run_for_debugging_says_so_in_print(card):
    made = card()
    limited = made.model_copy(update={"dataset": made.dataset.model_copy(update={"limit": 20})})
    (table,) = drawn([limited])
    assert "For debugging only" in table.printed


def test_a_negative_score_has_a_minus_sign_and_zero_has_none(card):
    shown = [card("below", -0.016, 0.5), card("zero", -0.0001, 0.4)]
    (table,) = drawn(shown, "summary")
    numbers = {row[0]: row[1] for row in table.rows[1:]}
    assert numbers["below"] == "$-$1.6"
    assert tex_reader.plain(numbers["zero"]) == "0.0"


def test_many_categories_span_both_columns(card):
    text = render(tables(group([card(categories=EIGHTEEN)]), "category"), "latex")
    assert text.startswith("\\begin{table*}\n")
    assert len(tex_reader.read(text)[0].rows[0]) == 20


def test_the_reader_finds_what_tex_would_stop_at(two):
    text = render(tables(group(two), "category"), "latex")
    wrong = [
        text.replace("{tabular}{lrrr}", "{tabular}{lrr}"),
        text.replace("lite0", "lite_0"),
        text.replace("lite0", "[lite0]"),
        text.replace("lite0", "lite0}"),
        text.replace("lite0", "$lite0"),
        text.replace("lite0", r"\unknown{}"),
        text.replace("lite0", "a & b"),
        re.sub(r"\\end\{table\}\n", "", text),
        text.replace("mean \\\\", "mean"),
    ]
    for each in wrong:
        assert each != text
        with pytest.raises((AssertionError, AttributeError)):
            tex_reader.read(each)


def test_a_long_line_of_titles_is_stacked_and_a_wide_table_shrunk(card):
    (table,) = drawn([card()], "symmetry")
    assert "KAP skill symm." in table.rows[0]
    text = render(tables(group([card(categories=SPAIR)]), "category"), "latex")
    assert tex_reader.RESIZED in text
    of_few = tables(group([card(interval=0.02)]), "summary")
    assert "{table}" in render(of_few, "latex")
    assert "{table*}" in render(of_few, "latex", style=Style(intervals=True))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
@pytest.mark.parametrize("view", ["summary", *VIEWS])
def test_tex_sets_every_view_within_a_page(card, view, tmp_path):
    cards = [
        card(name, 0.5, 0.6, interval=0.02, categories=SPAIR) for name in ("a_b", "sphere.lite0")
    ]
    made = tables(group(cards), view)
    text = "\n".join(render(made, "latex", style=Style(intervals=i)) for i in (False, True))
    lines = [
        r"\documentclass{article}",
        r"\usepackage{booktabs,graphicx}",
        r"\setlength{\textwidth}{6.875in}",
    ]
    page = "\n".join([*lines, r"\begin{document}", text, r"\end{document}"])
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
