"""The trained weights that an entry was scored with: how they are made, and whether a file is these."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.running.results import values_in_command
from kapbench.storage import file_hash
from kapbench_leaderboard.reproduce.targets import EntryTarget

_SHIPPED = "baselines/kapbench_baselines/"  # of a clone: these files are installed with kapbench
_TRAINING = re.compile(r"kapbench train [\w .,:=/+@%-]+")  # nothing else that a shell would run


@dataclass(frozen=True, slots=True)
class ComparedWeights:
    """`are_others`: whether the file is known to be another than the entry's. `note`: one sentence."""

    are_others: bool
    note: str


def needs_weights(target: EntryTarget) -> bool:
    """Whether the entry's command takes a file of weights that is not installed with kapbench."""
    command = target.entry.card.command.rpartition("kapbench run")[2]
    options = values_in_command(command, "--option", "-o")
    files = [
        *values_in_command(command, "--weights"),
        *(text.partition("=")[2] for text in options if text.startswith("weights=")),
    ]
    return any(not file.startswith(_SHIPPED) for file in files) or "FILE" in options


def training_command(target: EntryTarget) -> str | None:
    """The command of the entry's card that makes its weights, where it is one of `kapbench train`."""
    parts = (part.strip() for part in re.split(r";|&&|\n", target.entry.card.command))
    return next((part for part in parts if _TRAINING.fullmatch(part)), None)


def refuse_without_weights(target: EntryTarget, texts: Sequence[str]) -> None:
    """
    Args:
        texts: Options of the model that the user gave.

    Raises:
        KapbenchError: the entry needs weights and the user gave no option, with the command that
            makes them.
    """
    if texts or not needs_weights(target):
        return
    training, digest = training_command(target), target.entry.card.weights_sha256
    how = f"Make them by `{training}`" if training else "Get them as the entry's card says"
    own = f"; the entry's own have the sha256 {digest}" if digest else ""
    raise KapbenchError(
        f"{target.name} was scored with trained weights, which are not part of the entry",
        place=target.path,
        fix=f"{how}, then add --weights FILE{own}",
    )


def compare_weights(target: EntryTarget, texts: Sequence[str]) -> ComparedWeights | None:
    """Whether the file that the user gave is the entry's; None where no weights were given.

    Args:
        texts: Options of the model that the user gave, e.g. weights=FILE.
    """
    paths = [text.partition("=")[2] for text in texts if text.startswith("weights=")]
    if not paths:
        return None
    file, own = Path(paths[-1]).expanduser(), target.entry.card.weights_sha256
    if not file.is_file():
        note = f"{paths[-1]} is not a file, and is not compared with the weights of the entry."
        return ComparedWeights(are_others=False, note=note)
    digest = file_hash(file)
    if own is None:
        note = f"The weights have the sha256 {digest}; the entry's card states none to compare."
        return ComparedWeights(are_others=False, note=note)
    if digest == own:
        return ComparedWeights(are_others=False, note=f"The weights are the entry's: sha256 {own}.")
    note = f"The weights have the sha256 {digest}, those of the entry {own}."
    return ComparedWeights(are_others=True, note=note)
