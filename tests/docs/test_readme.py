"""README.md: its adapter is the guide's, its numbers are those of the accepted entries."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS = (  # rule, metric, average and split
    ("kap-cvpr24", "kap", "category", "all"),
    ("kap-cvpr24", "kap_skill", "category", "all"),
    ("pck-sd-dino", "pck", "point", "all"),
    ("kap-cvpr24", "absence_auroc", "category", "all"),
    ("kap-cvpr24", "absence_auroc", "category", "absent_with_twin"),
)


def code_lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.strip()]


def test_the_model_in_ten_lines_is_the_guides():
    guide = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    blocks = [re.search(r"```python\n(.*?)```", text, re.DOTALL)[1] for text in (README, guide)]
    assert code_lines(blocks[0]) == code_lines(blocks[1])
    assert len(code_lines(blocks[0])) <= 10


@pytest.mark.parametrize("model", ["sphere.lite0", "lite0", "constant", "random"])
def test_the_table_of_spair_shows_the_entries_scores(model):
    [path] = (ROOT / "leaderboard/results/spair" / model).glob("*.json")
    rows = json.loads(path.read_text(encoding="utf-8"))["run"]["scores"]
    expected = [
        f"{100 * row['value']:.1f}"
        for key in COLUMNS
        for row in rows
        if (row["rule"], row["metric"], row["average"], row["split"]) == key
        and (row["alpha"], row["category"]) == (0.10, "mean")
    ]
    table = README.partition("$ kapbench compare leaderboard/results/spair")[2].partition("```")[0]
    cells = re.search(rf"^{re.escape(model)} +(.*)$", table, re.MULTILINE)[1].split()
    assert [cell.replace("−", "-") for cell in cells] == expected
