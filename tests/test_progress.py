"""What is said while a run goes on."""

import pytest

from kapbench.progress import Progress


def test_progress_is_silent_unless_somebody_looks(capsys):
    with Progress().stage("pairs", 3) as advance:
        advance(3)
    Progress().say("nobody hears")
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_stderr_and_does_not_lose_a_line(capsys):
    progress = Progress(show=True)
    with progress.stage("pairs", 3) as advance:
        advance(1)
        progress.say("cache file damaged")
        advance(2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cache file damaged" in shown.err
    assert "3/3" in shown.err


def test_a_stage_that_fails_gives_its_console_back(capsys):
    heard: list[str] = []
    progress = Progress(show=True, log=heard.append)
    with pytest.raises(KeyError), progress.stage("pairs", 3):
        raise KeyError
    progress.say("afterwards")
    assert heard == ["afterwards"]
