"""A page in any format. Shown ×100, kept 0–1 in files."""

from kapbench_leaderboard.diagnosis.csv_json import csv_, json_
from kapbench_leaderboard.diagnosis.markup import html, latex, markdown
from kapbench_leaderboard.diagnosis.page import Page, plain
from kapbench_leaderboard.diagnosis.terminal import text
from kapbench_leaderboard.tables.choices import Format


def render(page: Page, how: Format, *, width: int = 80, with_notes: bool = True) -> str:
    """One string that ends in a newline."""
    page = plain(page)
    if how == "text":
        return text(page, width=width, with_notes=with_notes)
    if how == "csv":
        return csv_(page)
    if how == "json":
        return json_(page)
    return {"markdown": markdown, "latex": latex, "html": html}[how](page, with_notes=with_notes)
