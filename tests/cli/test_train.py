"""`kapbench train`: trainers come from entry points, and are imported when they are asked for."""

import subprocess
import sys

from click.testing import CliRunner

from kapbench.cli import main


def test_help_names_the_trainers() -> None:
    found = CliRunner().invoke(main, ["train", "--help"])
    assert found.exit_code == 0
    assert "sphere" in found.output
    (line,) = [line for line in found.output.splitlines() if line.split()[:1] == ["dve"]]
    assert "Dense equivariant image labelling" in line


def test_a_trainers_own_help() -> None:
    found = CliRunner().invoke(main, ["train", "sphere", "--help"])
    assert found.exit_code == 0
    assert "--backbone" in found.output
    assert "--resume" in found.output


def test_an_unknown_trainer_is_answered_with_the_nearest() -> None:
    found = CliRunner().invoke(main, ["train", "spere"])
    assert found.exit_code == 1
    assert "Unknown trainer 'spere'" in found.output
    assert "Did you mean sphere?" in found.output


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom kapbench.cli import main\n"
        "assert CliRunner().invoke(main, ['train', 'sphere', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_value_that_is_given_twice() -> None:
    words = ["train", "sphere", "--dataset", "synthetic.small", "--dataset", "spair"]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 2
    assert "--dataset is given twice" in found.output
