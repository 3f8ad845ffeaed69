"""`kapbench reproduce` on an entry that was scored with trained weights."""

import hashlib
import json

import pytest
from submissions import edit

from kapbench.errors import KapbenchError
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.reproduce.targets import EntryTarget
from kapbench_leaderboard.reproduce.trained_weights import (
    compare_weights,
    needs_weights,
    refuse_without_weights,
    training_command,
)

TRAINING = "kapbench train dve --backbone lite0 --dataset spair --steps 1000"
RUN = "kapbench run --model dve --weights FILE --dataset spair"
OWN = b"the entry's weights"
DIGEST = hashlib.sha256(OWN).hexdigest()
COMMAND = f"{TRAINING}; {RUN}"

ADAPTER = """
import numpy as np
from kapbench.types import FeatureMap, Grid

class Trained:
    name, revision, conditions_on, similarity = "trained", "1", (), "neg_l2"

    def __init__(self, weights):
        open(weights).close()

    def encode(self, pictures):
        grids = [Grid.stretched(p.size, height=6, width=6) for p in pictures]
        return [FeatureMap(np.ones((2, 6, 6), np.float32), grid) for grid in grids]
"""


@pytest.fixture
def target(entry):
    """Makes the entry one with a command and the sha256 of weights."""

    def made(command=COMMAND, digest=DIGEST):
        def change(content):
            content["card"] |= {"command": command, "weights_sha256": digest}

        edit(entry, change)
        return EntryTarget(entry, load_entry(entry))

    return made


@pytest.fixture
def weights(tmp_path):
    def write(content):
        file = tmp_path / "weights.bin"
        file.write_bytes(content)
        return file

    return write


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (RUN, True),
        ("kapbench run --model dve -o weights=best.pth --dataset spair", True),
        ("kapbench run --model sphere --dataset spair", False),
        (
            "kapbench run --model sphere -o weights=baselines/kapbench_baselines/a/b.safetensors",
            False,
        ),
        ("kapbench run --model constant --dataset spair -o backbone=lite0", False),
    ],
)
def test_which_entries_need_weights(target, command, needed):
    assert needs_weights(target(command)) is needed


def test_without_weights_the_command_that_makes_them_is_named(target, reproduce):
    made = target()
    with pytest.raises(KapbenchError, match="scored with trained weights") as refused:
        refuse_without_weights(made, ())
    assert f"`{TRAINING}`" in refused.value.fix
    assert DIGEST in refused.value.fix
    refuse_without_weights(made, ("weights=some.bin",))
    done = reproduce("spair/constant")
    assert done.exit_code == 1
    assert TRAINING in done.stderr


@pytest.mark.parametrize("more", ["$(reboot)", "`reboot`", "| sh", "& reboot"])
def test_only_a_plain_training_command_is_shown(target, more):
    assert training_command(target()) == TRAINING
    assert training_command(target(f"{TRAINING} {more}; {RUN}")) is None


def test_the_file_is_compared_with_the_card(target, weights):
    texts = (f"weights={weights(OWN)}",)
    same = compare_weights(target(), texts)
    assert (same.are_others, "are the entry's" in same.note) == (False, True)
    assert "states none" in compare_weights(target(digest=None), texts).note
    weights(b"others")
    assert compare_weights(target(), texts).are_others
    assert compare_weights(target(), ()) is None
    assert "is not a file" in compare_weights(target(), (f"weights={weights(OWN).parent}",)).note


def test_other_weights_are_named_beside_the_verdict(target, weights, reproduce, tmp_path):
    target()
    (tmp_path / "adapter.py").write_text(ADAPTER)
    words = ("--model", tmp_path / "adapter.py:Trained", "--in-process", "--weights")
    done = reproduce("spair/constant", *words, weights(b"others"))
    assert "with other weights than the entry's." in " ".join(done.stdout.split())
    assert hashlib.sha256(b"others").hexdigest() in done.stdout
    report = json.loads((tmp_path / "reproductions" / "spair_constant.json").read_text())
    assert report["other_weights"] is True
    heading = (tmp_path / "reproductions" / "spair_constant.md").read_text().splitlines()[0]
    assert heading.endswith(", with other weights than the entry's")
    twice = reproduce("spair/constant", *words, weights(OWN), "-o", "weights=x")
    assert "Leave one of them out" in twice.stderr
    own = reproduce("spair/constant", *words, weights(OWN))
    assert "other weights" not in own.stdout
    assert "The weights are the entry's" in own.stdout
