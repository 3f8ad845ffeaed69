"""The records table's contract: what it lists is what is computed, stored and documented."""

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scoring_cases import MAP_RULES, drawn, similarity

from kapbench.scoring.build_records import pair_columns
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import EVERY, TEXT, Needs, arrow_schema, column

ROOT = Path(__file__).parents[2]
PACKAGES = ("kapbench", "baselines/kapbench_baselines", "leaderboard/kapbench_leaderboard")
SCHEMA = ROOT / "kapbench/scoring/schema.py"


@pytest.mark.parametrize("supervised", [False, True])
def test_rows_have_the_columns_that_the_schema_lists_in_its_order_and_types(supervised):
    needs = Needs.of([*MAP_RULES, load_rule("pck-dift")], supervised)
    [(pair, maps)] = drawn(3, 1)
    pixels = {"dift": np.zeros((len(maps), 2))}
    rows = pair_columns(pair, similarity(pair, maps), needs, pixels)
    types = {name: "text" if name in TEXT else str(rows[name].dtype) for name in rows}
    assert list(rows) == list(needs.columns)
    assert types == {name: c.type for name, c in needs.columns.items()}


def test_a_full_name_leads_to_its_column():
    needs = Needs.of(MAP_RULES)
    assert all(column(name) is c for name, c in needs.columns.items())
    assert set(needs.columns.values()) == set(EVERY)
    with pytest.raises(KeyError):
        column("errors@sd-dino")


def test_the_arrow_schema_is_what_pandas_stores_of_such_a_table():
    types = {name: c.type for name, c in Needs.of(MAP_RULES).columns.items()}
    rows = {
        n: pd.Series(["a"] if t == "text" else [1]).astype("str" if t == "text" else t)
        for n, t in types.items()
    }
    stored = pa.Schema.from_pandas(pd.DataFrame(rows), preserve_index=False)
    assert arrow_schema(types).equals(stored, check_metadata=True)
    assert arrow_schema(types).field("pair_id").type == pa.large_string()


def test_the_page_of_the_documents_is_made_from_the_schema():
    path = ROOT / "docs/make_records_page.py"
    spec = importlib.util.spec_from_file_location("make_records_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), f"run {path.name}"


def modules():
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def test_only_the_schema_builds_the_names_of_columns():
    """Elsewhere a name such as error_px@sd-dino is neither put together nor written out."""
    stems = {c.name for c in EVERY}
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        named = [t for t in texts if "@" in t and t.partition("@")[0] in stems and " " not in t]
        assert named == [], path


def test_columns_that_are_read_by_name_are_in_the_schema():
    """Of tables called records or rows, and of one row."""
    stems, read = {c.name for c in EVERY}, set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.slice, ast.Constant)
                and isinstance(node.slice.value, str)
                and ast.unparse(node.value).rpartition(".")[2] in ("records", "rows", "row")
            ):
                read.add(node.slice.value)
    assert len(read) > 10
    assert read - stems - {"place"} == set()  # a chunk's own column
