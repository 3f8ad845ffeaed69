"""CONTRIBUTING.md from nothing to a checked submission: its code and its card, as they stand there."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.loading import load_model
from kapbench.models.contract import broken
from kapbench_leaderboard.submit import dataset_digest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


@pytest.fixture
def kapbench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kapbench_leaderboard.submit.check_rows.shipped", dataset_digest.shipped)
    Path("my_adapter.py").write_text(block("python"), encoding="utf-8")
    Path("card.toml").write_text(block("toml"), encoding="utf-8")
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def test_the_adapter_is_short_and_keeps_its_contract(kapbench):
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 20
    assert broken(load_model("my_adapter.py:Edges", device="cpu")) == []


@pytest.mark.slow
def test_from_nothing_to_a_checked_submission(kapbench):
    """On synthetic's small variant; the rest is what the page says."""
    done = kapbench(
        "run", "--model", "my_adapter.py:Edges", "--dataset", "synthetic.small", "--no-control"
    )
    assert done.exit_code == 0, done.output
    (run,) = Path("runs").glob("synthetic.small.test@*/edges@1-*/*/*")
    card = json.loads((run / "run.json").read_text())
    card["provenance"]["git_dirty"] = False  # whatever the checkout that is tested
    (run / "run.json").write_text(json.dumps(card))
    to = ("--to", "leaderboard/results", "--card", "card.toml", "--adapter", "my_adapter.py:Edges")
    done = kapbench("submit", "prepare", run, *to)
    assert done.exit_code == 0, done.output
    place = "leaderboard/results/synthetic.small/edges"
    done = kapbench("submit", "adapters", place)
    assert done.exit_code == 0, done.output
    assert re.search(r"ok  adapter .*/edges-\w{8}\.py:Edges", done.output)
    done = kapbench("submit", "check", "--adapter", "my_adapter.py:Edges", place)
    assert done.exit_code == 0, done.output
    assert "ok  adapter my_adapter.py:Edges" in done.output
    assert "| edges |" in done.output
