"""Files of figures: their formats, fonts, and that no date is in them."""

import pytest

from kapbench_leaderboard.figures import style


def drawn():
    with style.styled():
        figure = style.blank(2, 1)
        style.canvas(figure).text(0.1, 0.5, "KAP × 100, α·T, −1")
        return figure


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_ending_says_the_format(tmp_path, ending, start):
    path = style.save(drawn(), tmp_path / f"figure.{ending}")
    assert path.read_bytes().startswith(start)


def test_a_pdf_embeds_its_fonts_as_truetype_and_has_no_date():
    content = style.content(drawn(), "pdf")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"Date" not in content
    assert content == style.content(drawn(), "pdf")


@pytest.mark.parametrize(
    ("name", "n_lines", "expected"),
    [
        ("lite0", 1, "lite0"),
        ("geoaware.supervised.lite0", 2, "geoaware.\nsupervised.lite0"),
        ("geoaware.supervised.lite0", 1, "geoaware…"),
        ("x" * 40, 1, "x" * 18 + "…"),
        ("", 1, ""),
    ],
)
def test_a_name_is_broken_at_dots_and_cut_where_it_does_not_fit(name, n_lines, expected):
    assert style.fitted(name, 1.0, n_lines) == expected
