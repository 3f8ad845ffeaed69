"""`--isolated` on the command line."""

from pathlib import Path

from click.testing import CliRunner

from kapbench.cli import main

ADAPTER = f"{Path(__file__).parent / 'adapter.py'}"


def run(*words):
    return CliRunner().invoke(main, ["run", "--dataset", "synthetic.small", *words])


def test_a_limit_of_seconds_needs_isolation():
    result = run("--model", "lite0", "--model-seconds", "5")
    assert result.exit_code != 0
    assert "--model-seconds has no effect on a model that is not isolated" in result.output


def test_what_cannot_be_isolated_is_refused_before_the_data_set_is_opened():
    for name in ("random", "oracle", "features:maps"):
        result = run("--isolated", "--model", name)
        assert result.exit_code != 0
        assert "cannot be isolated" in result.output
    result = run("--isolated", "--model", "lite")
    assert "Unknown model 'lite'" in result.output
