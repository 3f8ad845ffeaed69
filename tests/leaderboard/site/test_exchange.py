"""A site takes the place of another in one step, or in two of which each can be undone."""

from pathlib import Path

import pytest

from kapbench_leaderboard.site import exchange
from kapbench_leaderboard.site.exchange import put_back, replacement


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["one step", "two steps"])
def how(request, monkeypatch):
    if request.param == "two steps":
        monkeypatch.setattr(exchange, "_exchange", lambda *_: False)
    return request.param


@pytest.fixture
def site(tmp_path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "old").write_text("old")
    return tmp_path / "site"


def test_the_new_one_replaces_the_old_one(site, how):
    with replacement(site) as new:
        (new / "new").write_text("new")
    assert names(site) == ["new"]
    assert names(site.parent) == ["site"]


def test_an_error_leaves_the_old_one(site, how):
    with pytest.raises(ZeroDivisionError), replacement(site):
        raise ZeroDivisionError
    assert names(site) == ["old"]
    assert names(site.parent) == ["site"]


def test_the_first_site(tmp_path, how):
    with replacement(tmp_path / "below" / "site") as new:
        (new / "new").write_text("new")
    assert names(tmp_path / "below" / "site") == ["new"]


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux exchanges names")
def test_linux_exchanges_two_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("x")
    assert exchange._exchange(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path / "a") == ["b"]
    with pytest.raises(FileNotFoundError):
        exchange._exchange(tmp_path / "a", tmp_path / "none")


def test_killed_between_the_two_steps(site, monkeypatch):
    monkeypatch.setattr(exchange, "_exchange", lambda *_: False)
    site.rename(site.with_name(".site.before"))
    put_back(site)
    assert names(site) == ["old"]
    with replacement(site) as new:
        (new / "new").write_text("new")
    assert names(site.parent) == ["site"]


def test_killed_after_the_second_step(site):
    site.with_name(".site.before").mkdir()
    put_back(site)
    assert names(site.parent) == ["site"]
    assert names(site) == ["old"]
