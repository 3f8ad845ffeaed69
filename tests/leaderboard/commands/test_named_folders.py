"""Folders and models that are named and have no run; runs that cannot be written or removed."""

import errno
import shutil
import tempfile

from command_line import DOTS


def test_a_folder_of_runs_that_does_not_exist_is_an_error(kapbench):
    for words in (("list", "runs"), ("compare",)):
        refused = kapbench(*words, "--runs", "nowhere")
        assert refused.exit_code == 1
        assert "This folder does not exist" in refused.output


def test_a_registered_model_without_a_run_is_to_be_scored_first(kapbench, scored):
    scored(("Colours", "--rule", "pck-sd-dino"))
    refused = " ".join(kapbench("compare", "colours", "constant").output.split())
    assert "kapbench run --model constant --dataset dots" in refused


def read_only(*_arguments, **_options):
    raise OSError(errno.EROFS, "Read-only file system", "records.parquet")


def test_a_run_that_cannot_be_removed_is_named(kapbench, scored, monkeypatch):
    (folder,) = scored(("Colours", "--rule", "pck-sd-dino"))
    monkeypatch.setattr(shutil, "rmtree", read_only)
    refused = kapbench("runs", "rm", "colours", "--yes")
    assert refused.exit_code == 1
    assert "The run folder cannot be removed: Read-only file system" in refused.output
    assert str(folder) in refused.output.replace("\n", "")


def test_a_folder_that_cannot_be_written_is_refused_before_scoring(kapbench, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    words = ("--model", f"{DOTS}:Colours", "--dataset", f"{DOTS}:Dots", "--runs", "locked")
    refused = kapbench("run", *words)
    assert refused.exit_code == 1
    assert "The folder cannot be written: Read-only file system" in refused.output
    assert "with --runs" in refused.output
    assert "Scoring" not in refused.output
