"""`kapbench ARGUMENTS` in this process, in an empty folder of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kapbench.cli import main

DOTS = Path(__file__).parent / "dots.py"
Kapbench = Callable[..., Result]


@pytest.fixture
def kapbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kapbench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAPBENCH_RUNS", raising=False)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def score(kapbench: Kapbench) -> Kapbench:
    """`kapbench run` of a model of dots.py on the data set of dots.py."""

    def run(model: str = "Colours", *words: str) -> Result:
        given = ("--model", f"{DOTS}:{model}", "--dataset", f"{DOTS}:Dots", "--no-control")
        return kapbench("run", *given, "--cache", "cache", *words)

    return run


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
