"""Tables to text, Markdown, LaTeX, HTML, CSV and JSON. Shown ×100, kept 0-1 in files."""

from collections.abc import Sequence

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.choices import Format
from kapbench_leaderboard.tables.csv_json import csv_, json_
from kapbench_leaderboard.tables.markup import html, latex, markdown
from kapbench_leaderboard.tables.plain import plain
from kapbench_leaderboard.tables.terminal import text


def render(tables: Sequence[Table], how: Format, *, width: int = 80, colour: bool = False) -> str:
    """The tables as one string that ends in a newline."""
    tables = [plain(table) for table in tables]
    if how == "text":
        return "\n".join(text(table, width=width, colour=colour) for table in tables)
    if how == "csv":
        return csv_(tables)
    if how == "json":
        return json_(tables)
    return {"markdown": markdown, "latex": latex, "html": html}[how](tables)
