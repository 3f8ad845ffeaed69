"""What a run card says about where the run was made."""

import subprocess

import pytest

from kapbench.running import provenance as provenance_module


def provenance_of(**changes):
    arguments = {"device": "cpu", "started": "now", "seconds": 1.23456, "seed": 0, "records": "x"}
    arguments |= {"scoring": 1}
    return provenance_module.provenance(**(arguments | changes))


def test_provenance_without_git(monkeypatch):
    def no_git(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", no_git)
    found = provenance_of()
    assert (found.git_commit, found.git_dirty) == (None, None)
    assert found.seconds == 1.235


@pytest.mark.parametrize(
    "error", [subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)]
)
def test_provenance_outside_a_checkout(monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", fails)
    assert provenance_of().git_commit is None


def test_provenance_of_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(provenance_module, "PACKAGES", ("numpy", "no-such-package"))
    assert list(provenance_of().packages) == ["numpy"]
