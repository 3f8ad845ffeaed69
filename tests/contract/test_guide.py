"""docs/adapters.md: its code runs, and the command lines beside it name classes that it defines."""

import re

import pytest
from built import GUIDE, build, guide_blocks, guide_classes
from scattered import Scattered

import kapbench


@pytest.mark.parametrize("cls", guide_classes())
def test_the_guides_adapters_are_scored(cls, tmp_path):
    model = build(f"my_adapter.py:{cls}", tmp_path)
    result = kapbench.evaluate(model, Scattered(), rule=["kap-v1", "pck-v1"], cache=tmp_path)
    assert 0 <= result.headline("kap-v1") <= 1
    assert 0 <= result.headline("pck-v1") <= 1


def test_the_first_adapter_is_ten_lines():
    lines = [line for line in guide_blocks()[0].splitlines() if line.strip()]
    assert len(lines) <= 10


def test_the_guides_commands_name_its_classes():
    asked = re.findall(r"--model my_adapter\.py:(\w+)", GUIDE.read_text(encoding="utf-8"))
    assert asked
    assert set(asked) <= set(guide_classes())
