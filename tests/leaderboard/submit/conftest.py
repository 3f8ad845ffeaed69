"""A finished run of a small model, made once, and submissions of it that each test may spoil."""

import shutil
from pathlib import Path

import pytest
from submissions import CARD, made_by

from kapbench.running.results import load_card, load_records
from kapbench_leaderboard.submit import check_rows, dataset_digest
from kapbench_leaderboard.submit.prepare import prepare


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    return made_by("Colours", tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def other_run(tmp_path_factory) -> Path:
    return made_by("Greys", tmp_path_factory.mktemp("runs"))


@pytest.fixture
def card(tmp_path) -> Path:
    path = tmp_path / "card.toml"
    path.write_text(CARD)
    return path


@pytest.fixture(autouse=True)
def _manifest(run, monkeypatch):
    made = dataset_digest.make(load_card(run), load_records(run))
    known = {(made.name, made.revision, made.split): made}
    monkeypatch.setattr(check_rows, "shipped", lambda: known)


@pytest.fixture
def entry(run, card, tmp_path) -> Path:
    """A submission that is in order."""
    return prepare(run, tmp_path / "results", card)


@pytest.fixture
def copied_run(run, tmp_path) -> Path:
    return shutil.copytree(run, tmp_path / "run")
