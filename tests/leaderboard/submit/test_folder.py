"""A folder of results as a pull request brings it: what is new, what was accepted, what is neither."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from submissions import DOTS, edit

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_leaderboard.entries.schema import records_path
from kapbench_leaderboard.submit import reports
from kapbench_leaderboard.submit.prepare import prepare
from kapbench_leaderboard.submit.reports import check_all


def kapbench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


@pytest.fixture
def results(entry, tmp_path) -> Path:
    """Accepted: an entry in the only commit."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "results")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "accepted")
    return tmp_path / "results"


@pytest.fixture
def checked(monkeypatch) -> list[Path]:
    """Entries whose scores were taken again."""
    real, seen = reports.check, []
    monkeypatch.setattr(
        reports, "check", lambda path, *more: seen.append(path) or real(path, *more)
    )
    return seen


@pytest.mark.parametrize("name", ["evil.bin", "x.html", "orphan.parquet", ".hidden", "card.JSON"])
def test_a_file_of_no_entry(entry, tmp_path, name):
    (entry.parent / name).write_bytes(b"anything")
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert f"REFUSED   {entry.parent / name}: this file belongs to no entry" in report
    assert f"ok  {entry}" in report


def test_a_link_leads_out_and_is_refused(entry, tmp_path):
    (entry.parent / "away").symlink_to("/etc")
    elsewhere = shutil.move(records_path(entry), tmp_path / "elsewhere")
    records_path(entry).symlink_to(elsewhere)
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert report.count("is a link, not a file") == 3  # the records are named by their entry too


def test_one_broken_entry_hides_nothing_of_the_others(entry, other_run, card, tmp_path):
    other = prepare(other_run, tmp_path / "results", card)
    other.write_text("[" * 100_000)
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert f"REFUSED   {other}" in report
    assert f"ok  {entry}" in report
    assert "| colours |" in report


def test_an_entry_that_breaks_the_check_is_refused(entry, tmp_path, monkeypatch):
    def explode(*_):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(reports, "check", explode)
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert (
        "The check itself fails on this entry: ZeroDivisionError: nobody thought of this" in report
    )


def test_only_what_is_new_is_taken_again(entry, results, other_run, card, checked):
    other = prepare(other_run, results, card)
    report, good = check_all([results], "HEAD")
    assert good, report
    assert checked == [other]
    assert f"ok  {other}" in report
    assert "accepted  1 more entry, unchanged since HEAD" in report
    assert "| colours |" in report  # the board on which the new one stands


def test_nothing_new_has_no_board(entry, results, checked):
    report, good = check_all([results], "HEAD")
    assert good
    assert checked == []
    assert "|" not in report


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".safetensors"])
def test_an_accepted_file_that_was_changed_or_removed(entry, results, suffix, checked):
    path = entry.with_suffix(suffix)
    path.write_bytes(path.read_bytes() + b" ")
    for _ in range(2):
        report, good = check_all([results], "HEAD")
        assert not good
        assert f"REFUSED   {path}\n  - Accepted results are never changed" in report
        if suffix == ".json":
            return
        path.unlink(missing_ok=True)
    assert entry in checked


def test_what_a_stranger_wrote_cannot_act_in_the_report(entry, tmp_path):
    evil = "```\n@everyone ![x](https://evil.example)\x1b[2J"
    edit(entry, lambda c: c["run"]["provenance"].update(platform=evil))
    (entry.parent / "``` @everyone \x1b[2J").touch()
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert "@everyone" in report
    inside = report.removeprefix("```\n").partition("\n```\n")
    assert "@everyone" in inside[0]
    assert "@everyone" not in inside[2]
    assert "`" not in inside[0]
    assert "\x1b" not in report


def test_training_data_is_no_markup_under_the_board(entry, tmp_path):
    edit(
        entry,
        lambda c: c["run"]["model"].update(trained_on="@everyone [click](https://evil) ![x](y)"),
    )
    report, good = check_all([tmp_path / "results"])
    assert good, report
    assert r"trained on @<!-- -->everyone \[click\](https://evil) \!\[x\](y)" in report


def test_an_error_is_in_the_report(entry, tmp_path):
    done = kapbench("submit", "check", "--base", "nowhere", tmp_path / "results")
    assert done.exit_code == 1
    assert (
        "REFUSED   the check\n  - The folder cannot be compared with git revision 'nowhere'"
        in done.stdout
    )


@pytest.mark.parametrize("base", ["nowhere", "--output=x"])
def test_a_revision_that_is_none(results, base):
    with pytest.raises(KapbenchError, match=r"cannot be compared|not a git revision"):
        check_all([results], base)


@pytest.fixture
def unread(entry, monkeypatch) -> Path:
    """A place beside an entry that must not be read."""
    real, place = Path.read_text, entry.with_name("endless.json")

    def read_text(path, **how):
        assert path != place, "read before it was looked at"
        return real(path, **how)

    monkeypatch.setattr(Path, "read_text", read_text)
    return place


def test_an_entry_that_is_a_link_is_not_read(unread, tmp_path):
    """Not even one that never ends."""
    unread.symlink_to("/dev/zero")
    for root in (tmp_path / "results", unread):
        report, good = check_all([root])
        assert not good
        assert "is a link, not a file" in report
    with pytest.raises(KapbenchError, match="This is a link, not a file"):
        reports.submitted_adapters([unread])


def test_an_entry_that_is_too_large_is_not_read(unread, tmp_path):
    unread.touch()
    os.truncate(unread, 2**31)
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert "The file has 2,048 MiB; at most 5" in report


@pytest.fixture
def with_adapter(run, card, tmp_path) -> Path:
    """Accepted: an entry with its adapter; returns the adapter."""
    prepare(run, tmp_path / "results", card, adapter=f"{DOTS}:Colours")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "results", "adapters")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "accepted")
    (found,) = (tmp_path / "adapters").iterdir()
    return found


def test_an_accepted_adapter_is_part_of_its_entry(with_adapter, tmp_path, checked):
    report, good = check_all([tmp_path / "results"], "HEAD")
    assert good, report
    assert checked == []
    (entry,) = (tmp_path / "results").rglob("*.json")
    for part in (entry, entry.parent, entry.parents[1]):
        assert check_all([part], "HEAD")[1]
        assert reports.submitted_adapters([part], "HEAD") == []
    assert checked == []


@pytest.mark.parametrize("gone", [False, True])
def test_an_accepted_adapter_that_was_changed_or_removed(with_adapter, tmp_path, gone):
    with_adapter.unlink() if gone else with_adapter.write_text("pass")
    report, good = check_all([tmp_path / "results"], "HEAD")
    assert not good
    assert f"REFUSED   {with_adapter}\n  - Accepted results are never changed" in report
    (entry,) = (tmp_path / "results").rglob("*.json")
    report, good = check_all([entry], "HEAD")
    assert not good
    assert "The adapter" in report
    assert len(reports.submitted_adapters([entry], "HEAD")) == 1


@pytest.fixture
def repository(with_adapter, tmp_path) -> Path:
    """The layout of a repository: results and adapters in the folder `leaderboard`."""
    folder = tmp_path / "leaderboard"
    folder.mkdir()
    for name in ("results", "adapters"):
        (tmp_path / name).rename(folder / name)
    return folder


def test_an_adapter_of_no_entry(repository):
    (own,) = (repository / "adapters").iterdir()
    stray = own.with_name("stray-00000000.py")
    stray.write_text("pass")
    own.with_name("away").symlink_to("/etc")
    report, good = check_all([repository / "results"])
    assert not good
    assert f"{stray}: this file belongs to no entry" in report
    assert "away: this is a link, not a file" in report
    assert str(own) not in report
    assert check_all([repository / "results" / "dots"])[1]  # a part knows its own adapters alone


def test_the_adapter_of_an_entry_that_cannot_be_read_is_not_accused(repository):
    (entry,) = (repository / "results").rglob("*.json")
    entry.write_text("{}")
    report, good = check_all([repository / "results"])
    assert not good
    assert report.count("REFUSED") == 1
    assert "belongs to no entry" not in report


def test_folders_of_results_side_by_side_share_their_adapters(
    with_adapter, other_run, card, tmp_path
):
    prepare(other_run, tmp_path / "r3", card, adapter=f"{DOTS}:Greys")
    assert len(list((tmp_path / "adapters").iterdir())) == 2
    for name in ("results", "r3"):
        report, good = check_all([tmp_path / name])
        assert good, report
    with_adapter.with_name("away").symlink_to("/etc")
    assert "away: this is a link, not a file" in check_all([tmp_path / "r3"]).text


def test_a_folder_of_adapters_that_is_a_link(with_adapter, tmp_path):
    with_adapter.parent.rename(tmp_path / "elsewhere")
    with_adapter.parent.symlink_to(tmp_path / "elsewhere")
    report, good = check_all([tmp_path / "results"])
    assert not good
    assert f"REFUSED   {with_adapter.parent}: this is a link, not a file" in report


def test_given_records_are_of_one_entry(entry, run, tmp_path):
    copy = shutil.copy(run / "records.parquet", tmp_path / "rec.pq")
    assert file_hash(Path(copy)) == file_hash(records_path(entry))
    assert check_all([entry], records=Path(copy))[1]
    for paths in ([tmp_path / "results"], [entry, entry]):
        with pytest.raises(KapbenchError, match="Records belong to one entry"):
            check_all(paths, records=Path(copy))


def test_given_records_that_are_a_folder(entry, tmp_path):
    report, good = check_all([entry], records=tmp_path)
    assert not good
    assert "This is a folder, not a file" in report
