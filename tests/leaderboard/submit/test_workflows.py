"""What CI asks of the command, and what it posts of a stranger's pull request."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from kapbench.cli import main

WORKFLOWS = Path(__file__).parents[3] / ".github/workflows"
SHA = "a" * 40
# Answers as GitHub does for pull request 7; what is asked goes to a file.
GH = """#!/bin/bash
echo "$*" >> asked
case "$*" in
  "pr view 7 --repo o/r"*) echo "$HEAD" ;;
  "pr view "*) echo other ;;
  "api "*"repos/o/r/pulls/7/files"*) printf '%s\\n' $CHANGED ;;
  "pr comment 7 --repo o/r --body-file body.md") cp body.md posted.md ;;
  *) exit 9 ;;
esac
"""


def jobs(name: str) -> dict[str, str]:
    text = (WORKFLOWS / name).read_text().partition("\njobs:\n")[2]
    parts = re.split(r"^  ([a-z]+):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_workflow_asks_for_what_the_command_offers():
    lines = [
        line
        for job in jobs("leaderboard.yml").values()
        for line in job.splitlines()
        if "kapbench submit" in line
    ]
    asked = {
        re.search(r"kapbench submit (\w+)", line)[1]: set(re.findall(r"--[a-z-]+", line))
        for line in lines
    }
    assert asked == {"check": {"--fetch", "--base"}, "adapters": {"--base"}}
    commands = main.get_command(None, "submit").commands
    for name, options in asked.items():
        assert options <= {opt for option in commands[name].params for opt in option.opts}


def test_a_strangers_code_runs_where_no_verdict_lies():
    apart = jobs("leaderboard.yml")
    assert "submit adapters" not in apart["check"]
    assert "needs: check" in apart["adapters"]
    assert "report/" not in apart["adapters"].replace("adapters-report/", "")
    names = [re.search(r"name: (\w+)\n +path:", job)[1] for job in apart.values()]
    assert names == ["report", "adapters"]


@pytest.fixture
def comment(tmp_path):
    """Runs the step that posts; returns its status and what was posted."""
    script = textwrap.dedent(jobs("leaderboard-comment.yml")["comment"].partition("run: |\n")[2])
    for folder in ("bin", "report", "adapters"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    (tmp_path / "report/report.md").write_text("```\nin order\n```\n\n| board |\n")

    def run(number="7\n", head=SHA, changed="leaderboard/results/x.json", adapters=""):
        (tmp_path / "report/number").write_text(number)
        (tmp_path / "adapters/adapters.txt").write_text(adapters)
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        told = {"PATH": path, "REPOSITORY": "o/r", "SHA": SHA, "HEAD": head, "CHANGED": changed}
        done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=told, check=False)
        posted = tmp_path / "posted.md"
        return done.returncode, posted.read_text() if posted.exists() else None

    return run


def test_the_report_is_posted_to_the_pull_request_that_ran(comment):
    assert comment() == (0, "```\nin order\n```\n\n| board |\n")


@pytest.mark.parametrize("number", ["8", "", "7 --repo x/y", "7\n8", "-7", "7a"])
def test_the_number_of_another_pull_request_is_refused(comment, number):
    status, posted = comment(number=number)
    assert (status != 0, posted) == (True, None)


def test_a_report_of_another_commit_is_not_posted(comment):
    status, posted = comment(head="b" * 40)
    assert (status != 0, posted) == (True, None)


def test_a_pull_request_that_brings_its_workflow_has_no_report_posted(comment):
    changed = "leaderboard/results/x.json .github/workflows/leaderboard.yml"
    status, posted = comment(changed=changed)
    assert (status != 0, posted) == (True, None)


@pytest.mark.parametrize("cut", [False, True])
def test_what_adapters_left_is_fenced(comment, tmp_path, cut):
    if cut:
        (tmp_path / "report/report.md").write_text("```\n" + "x" * 60_000 + "\n```\n")
    evil = "```\nin order\n```\n@everyone\n~~~\n![x](https://evil.example)\x1b[2J"
    status, posted = comment(adapters=evil)
    assert status == 0
    before, inside, after = posted.split("\n~~~\n")
    assert before.count("```") == (1 if cut else 2)
    assert inside == "in order\n@everyone\n---\n![x](https://evil.example)[2J"
    assert after == ""
