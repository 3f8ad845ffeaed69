"""A small SPair-71k, an entry on it, and files of published numbers."""

import json
import shutil
from pathlib import Path

import pytest
import tiny_spair
from command_line import kapbench as kapbench_command
from command_line import narrow
from submissions import CARD

import kapbench
from kapbench.loading import load_dataset
from kapbench_leaderboard.submit.prepare import prepare

RULES = ("pck-v1",)
__all__ = ["kapbench_command", "narrow"]


@pytest.fixture(scope="session")
def spair_root(tmp_path_factory) -> Path:
    """Cats and dogs; of the cows in its lists there are no photographs."""
    root = tmp_path_factory.mktemp("data")
    folder = tiny_spair.make(root, categories=("cat", "cow", "dog"), n_images=3)
    shutil.rmtree(folder / "JPEGImages" / "cow")
    return root


@pytest.fixture(scope="session")
def constant_run(spair_root, tmp_path_factory) -> Path:
    """A finished run of a control, on a clean tree."""
    data = load_dataset("spair", data_root=spair_root)
    runs = tmp_path_factory.mktemp("runs")
    made = kapbench.evaluate("constant", data, rule=RULES, runs=runs, cache=runs, device="cpu")
    card = json.loads((made.folder / "run.json").read_text())
    card["provenance"]["git_dirty"] = False
    (made.folder / "run.json").write_text(json.dumps(card))
    return made.folder


@pytest.fixture
def entry(constant_run, tmp_path) -> Path:
    """spair/constant below leaderboard/results of the test's own folder."""
    card = tmp_path / "card.toml"
    card.write_text(CARD)
    return prepare(constant_run, tmp_path / "leaderboard" / "results", card)


@pytest.fixture
def reproduce(kapbench_command, spair_root, constant_run):
    """`kapbench reproduce` with this data, in which the entry's run is finished."""
    folders = ("--data-root", spair_root, "--runs", constant_run.parents[3], "--cache", "cache")

    def call(*words):
        return kapbench_command("reproduce", *folders, "--device", "cpu", *words)

    return call


@pytest.fixture
def published_file(tmp_path):
    """Writes a file of one table with one row."""

    def write(values, *, categories=None, model="constant", ways=None, name="row", **changes):
        parts = {"model": model, "weights": "https://example.org/weights"} | changes.pop(
            "parts", {}
        )
        measure = {
            "dataset": "spair",
            "ways": ways or [{"rule": "pck-v1", "average": "image", "over": "mean"}],
            "tolerance": 0.5,
            "category_tolerance": 1.5,
        } | changes.pop("measure", {})
        table = {
            "name": "paper.spair",
            "source": "A paper (2020)",
            "address": "https://example.org",
            "table": "Table 1",
            "dataset": "SPair-71k",
            "metric": "PCK",
            "average": "per image",
            "subset": "all categories",
            "supervision": "none",
            "grade": "P",
            "measure": measure,
            "rows": [
                {
                    "name": name,
                    "method": "A method",
                    "values": values,
                    "categories": categories or {},
                    "model": "parts",
                }
            ],
        } | changes
        content = {
            "schema_version": 2,
            "about": "Of a test.",
            "not_seen": [],
            "models": {"parts": parts},
            "tables": [table],
        }
        path = tmp_path / "published.json"
        path.write_text(json.dumps(content))
        return path

    return write
