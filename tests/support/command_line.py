"""`kapbench ARGUMENTS` in this process, in an empty folder of its own."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kapbench.cli import main
from kapbench.running.results import find_runs

DOTS = Path(__file__).parent / "dots.py"
Kapbench = Callable[..., Result]


@pytest.fixture
def kapbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kapbench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAPBENCH_RUNS", raising=False)
    return _invoke


def _invoke(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=typed)


def _run(model: str = "Colours", *words: str) -> Result:
    given = ("--model", f"{DOTS}:{model}", "--dataset", f"{DOTS}:Dots", "--no-control")
    return _invoke("run", *given, "--cache", "cache", *words)


@pytest.fixture
def score(kapbench: Kapbench) -> Kapbench:
    """`kapbench run` of a model of dots.py on the data set of dots.py."""
    return _run


@pytest.fixture(scope="session")
def scored_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder that the given calls of `score` leave: made once, to be copied."""

    @functools.cache
    def folder(*calls: tuple[str, ...]) -> Path:
        made = tmp_path_factory.mktemp("scored")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(made)
            patch.delenv("KAPBENCH_RUNS", raising=False)
            for call in calls:
                assert _run(*call).exit_code == 0
        return made

    return folder


@pytest.fixture
def scored(kapbench: Kapbench, scored_once: Callable[..., Path]) -> Callable[..., list[Path]]:
    """The folders of runs, in this test's own folder, as the given calls of `score` leave them."""

    def copied(*calls: tuple[str, ...]) -> list[Path]:
        shutil.copytree(scored_once(*calls), ".", dirs_exist_ok=True)
        return find_runs(Path("runs"))

    return copied


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
