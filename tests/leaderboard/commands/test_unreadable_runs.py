"""Runs whose card cannot be read, beside runs that can."""

import json
import shutil
from pathlib import Path

import pytest

NOTE = "A run is left out."


@pytest.fixture
def folders(scored):
    """A run that can be read, and two that cannot: of `colours`, and of another model."""
    (good,) = scored(("Colours", "--rule", "pck-sd-dino"))
    broken = []
    for name, text in ((good.parents[1].name, '{"schema": 1}'), ("greys@1", "{")):
        folder = good.parents[2] / name / "pck-sd-dino" / "broken"
        shutil.copytree(good, folder)
        (folder / "run.json").write_text(text)
        broken.append(folder)
    return good, *broken


def test_the_good_runs_are_listed_and_the_others_noted(kapbench, folders):
    listed = kapbench("list", "runs", "--format", "json")
    assert listed.exit_code == 0
    assert [line["folder"] for line in json.loads(listed.stdout)] == [str(folders[0])]
    assert listed.stderr.count(NOTE) == 2
    assert "The key schema_version is missing" in listed.stderr
    assert "or remove its folder" in listed.stderr


def test_a_note_is_printed_once_where_the_model_is_named(kapbench, folders):
    for words in (("compare", "colours"), ("show", "report", "colours", "--alpha", "0.07")):
        done = kapbench(*words)
        assert done.stderr.count(NOTE) == 1
        assert str(folders[1]) in done.stderr
    assert kapbench("compare").stderr.count(NOTE) == 2


def test_no_note_where_a_run_folder_is_named_or_the_name_is_unknown(kapbench, folders):
    assert NOTE not in kapbench("show", "report", folders[0], "--alpha", "0.07").stderr
    refused = kapbench("compare", "coluors")
    assert refused.exit_code == 1
    assert NOTE not in refused.stderr


def test_a_named_run_folder_that_cannot_be_read_is_an_error(kapbench, folders):
    refused = kapbench("compare", folders[1])
    assert refused.exit_code == 1
    assert "The key schema_version is missing" in refused.stderr


def test_a_named_folder_of_runs_shows_those_that_can_be_read(kapbench, folders):
    done = kapbench("compare", Path("runs"))
    assert done.exit_code == 0
    assert done.stdout.count("\ncolours") == 1
    assert done.stderr.count(NOTE) == 2
