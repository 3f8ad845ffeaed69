"""A training's folder is tried before anything is prepared for the training."""

import pytest
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench_baselines.training.output_folder import try_folder


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    try_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "weights").write_text("x")
    try_folder(tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["weights"]


@pytest.mark.parametrize("place", ["file/below", "file", "/proc/none"])
def test_a_folder_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KapbenchError, match="The training cannot be written: ") as caught:
        try_folder(tmp_path / place)
    assert caught.value.place == tmp_path / place


def test_the_command_says_so_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_text("x")
    words = ["train", "sphere", "--dataset", "synthetic", "--out", str(tmp_path / "file" / "out")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "The training cannot be written: Not a directory" in done.stderr
    assert not (tmp_path / "cache").exists()
