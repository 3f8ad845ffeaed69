"""Pages to files that programs read: CSV and JSON, values 0–1."""

import csv
import io
import json
from typing import Any

from kapbench_leaderboard.diagnosis.page import Block, Page, Row
from kapbench_leaderboard.tables.csv_json import csv_field, written_out

SCHEMA_VERSION = 1


def csv_(page: Page) -> str:
    """A line for each number: block, row, column, value, low, high; of a row without one, none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "heading", "value", "low", "high"])
    for block in page.blocks:
        for row in block.rows:
            for column, cell in zip(block.columns, row.cells, strict=True):
                if cell.value is not None:
                    texts = [block.key, row.key, column.key, column.line]
                    writer.writerow([*map(csv_field, texts), cell.value, cell.low, cell.high])
    return out.getvalue()


def json_(page: Page) -> str:
    """Everything on the page; null with its reason."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "sentences": list(page.sentences),
        "head": list(page.head),
        "tables": [_block(block) for block in page.blocks],
        "notes": list(page.notes),
    }
    return written_out(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _block(block: Block) -> dict[str, Any]:
    return {
        "table": block.key,
        "title": block.title,
        "columns": {column.key: column.line for column in block.columns},
        "rows": [_row(block, row) for row in block.rows],
        "notes": list(block.notes),
    }


def _row(block: Block, row: Row) -> dict[str, Any]:
    cells = {
        column.key: {"value": c.value, "low": c.low, "high": c.high, "reason": c.reason}
        for column, c in zip(block.columns, row.cells, strict=True)
    }
    return {"row": row.key, "label": row.label.strip(), "values": cells}
