"""Writes docs/published-numbers.md from published.json: python docs/make_published_page.py"""

from pathlib import Path

from kapbench_leaderboard.published.load import published
from kapbench_leaderboard.published.page import page

PAGE = Path(__file__).parent / "published-numbers.md"


def text() -> str:
    return page(published())


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
