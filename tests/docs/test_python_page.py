"""docs/python.md: its examples run as they are printed, one after the other."""

import re
from pathlib import Path
from typing import Any

import pytest

import kapbench

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The examples of the page, by the heading that they stand below."""
    sections = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    code = {
        heading: "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert all(code.values())
    return code


@pytest.mark.slow  # five runs with intervals
def test_the_examples_on_runs_run(examples, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KAPBENCH_RUNS", raising=False)
    names: dict[str, Any] = {}
    for heading in ("A model on a data set", "Every score as a data frame", "Runs side by side"):
        exec(examples[heading], names)
    differences = names["differences"]
    assert set(differences["model"]) == {"pixels"}
    assert len(differences) == 3 * 5  # KAP, absence AUROC, and PCK; four categories and the mean
    exec(examples["Why a score is what it is"], names)
    assert names["diagnosis"].losses["loss"].sum() == pytest.approx(
        1 - names["diagnosis"].overall.kap
    )
    capsys.readouterr()
    exec(examples["Tables, also for a paper"], names)
    assert r"\label{tab:synthetic}" in capsys.readouterr().out
    exec(examples["Several seeds"], names)
    seeds = kapbench.table("runs", group_by="label").loc["random [3 seeds]"]
    assert seeds["runs"] == 3
    assert seeds["PCK@0.10 sd"] > 0


def test_the_examples_on_arrays_run(examples):
    pytest.importorskip("torchmetrics", reason="needs the extra torchmetrics")
    names: dict[str, Any] = {}
    exec(examples["Arrays that you computed yourself"], names)
    exec(examples["During training"], names)
    assert 0 <= float(names["kap"].compute()) <= 1
