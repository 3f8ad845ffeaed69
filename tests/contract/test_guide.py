"""docs/adapters.md and docs/models.md: their code runs, as it stands there."""

import dataclasses
import re

import numpy as np
import pytest
from built import GUIDE, build, guide_blocks, guide_classes, python_blocks
from scattered import Scattered

import kapbench
from kapbench.protocols import ModelInfo

MODELS = GUIDE.with_name("models.md")


@pytest.mark.parametrize("cls", guide_classes())
def test_the_guides_adapters_are_scored(cls, tmp_path):
    model = build(f"my_adapter.py:{cls}", tmp_path)
    result = kapbench.evaluate(
        model, Scattered(), rule=["kap-v1", "pck-v1"], cache=tmp_path, intervals=False
    )
    assert 0 <= result.headline("kap-v1") <= 1
    assert 0 <= result.headline("pck-v1") <= 1


def test_the_first_adapter_is_ten_lines():
    lines = [line for line in guide_blocks()[0].splitlines() if line.strip()]
    assert len(lines) <= 10


def test_the_guides_commands_name_its_classes():
    asked = re.findall(r"--model my_adapter\.py:(\w+)", GUIDE.read_text(encoding="utf-8"))
    assert asked
    assert set(asked) <= set(guide_classes())


def test_maps_saved_as_the_guide_says_are_scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = Scattered()
    rng = np.random.default_rng(0)
    features, similarity = python_blocks(MODELS)
    for block, kind in ((features, "features"), (similarity, "similarity")):
        (tmp_path / kind).mkdir()
        monkeypatch.chdir(tmp_path / kind)
        stubs = {
            "dataset": dataset,
            "my_network": lambda pixels: rng.normal(size=(4, 6, 6)),
            "my_matcher": lambda source, target, queries: rng.normal(size=(len(queries), 6, 6)),
        }
        exec(block, stubs)
        model = kapbench.load_model(f"{kind}:maps", device="cpu")
        result = kapbench.evaluate(model, dataset, rule="kap-v1", cache=tmp_path, intervals=False)
        assert 0 < result.headline("kap-v1") < 1


def test_the_guides_table_has_the_attributes_that_kapbench_reads():
    of_attributes = GUIDE.read_text(encoding="utf-8").partition("## What identifies a model")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", of_attributes, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    read = {field.name for field in dataclasses.fields(ModelInfo)}
    special = {
        "kind",
        "prepares",
        "reads_image_id",
        "padding",
        "parts",
        "over",
    }  # not for every adapter
    assert listed == read - special
