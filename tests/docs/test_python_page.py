"""docs/python.md: its examples on arrays run as they are printed."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_on_arrays_run():
    pytest.importorskip("torchmetrics", reason="needs the extra torchmetrics")
    text = PAGE.read_text(encoding="utf-8")
    _, arrays, training = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(arrays, names)
    exec(training, names)
    assert 0 <= float(names["kap"].compute()) <= 1
