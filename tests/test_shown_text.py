"""Characters that hide, steer or reorder are found, and written out where text is shown."""

import pytest

from kapbench.errors import KapbenchError
from kapbench.shown_text import escape_hidden, hidden_characters

HIDDEN = {
    "\x1b": "\\x1b",
    "\0": "\\x00",
    "\x7f": "\\x7f",
    "\x9b": "\\x9b",
    "\u202e": "\\u202e",
    "\u2066": "\\u2066",
    "\u200b": "\\u200b",
    "\ufeff": "\\ufeff",
    "\u2028": "\\u2028",
    "\ud800": "\\ud800",
    "\u3164": "\\u3164",
    "\U000e0041": "\\U000e0041",
    "\n": "\\n",
}


@pytest.mark.parametrize(("character", "written"), HIDDEN.items())
def test_a_hidden_character_is_written_out(character, written):
    assert hidden_characters(f"a{character}b{character}") == [character]
    assert escape_hidden(f"a{character}b") == f"a{written}b"


@pytest.mark.parametrize(
    "text", ["", "DINOv2 ViT-B/14", "Ångström 3 × 4 … α", "中文", "Ève‐Marie 😀"]
)
def test_all_other_text_stays(text):
    assert hidden_characters(text) == []
    assert escape_hidden(text) == text


def test_allowed_characters_stay():
    assert escape_hidden("a\nb\x1b", allowed="\n") == "a\nb\\x1b"
    assert hidden_characters("a\nb", allowed="\n") == []


def test_errors_do_not_steer_a_terminal():
    error = KapbenchError("The run \x1b[2J is damaged", place="a\u202eb", fix="Remove it")
    assert str(error) == "The run \\x1b[2J is damaged\n  at:  a\\u202eb\n  fix: Remove it"
