"""The submission card to fill in, and what of it was left as it was printed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kapbench_leaderboard.entries.schema import SubmissionCard

_MARK = "FILL IN"
TEMPLATE = f"""# Submission card: what a run cannot know of its model.
# Replace every value that says {_MARK}.
# kapbench submit prepare RUN --to leaderboard/results --card card.toml
title = "{_MARK}: name of the model, as a reader knows it"
authors = ["{_MARK}: name of each author"]
# paper = "https://arxiv.org/abs/..."
# code = "https://github.com/..."
licence = "{_MARK}: licence of the weights, e.g. Apache-2.0"
backbone = "{_MARK}: e.g. DINOv2 ViT-B/14"
# weights_sha256 = "..."
supervision = ["{_MARK}: one or more of none, viewpoint, masks, keypoints"]
training_data = "{_MARK}: e.g. none beyond the backbone's"
input_px = "{_MARK}: longer side of the network's input, a number without quotes, e.g. 840"
n_parameters = "{_MARK}: number of parameters, a number without quotes, e.g. 86000000"
# seconds_per_image = 0.05        # default: as the run measured it
command = "{_MARK}: e.g. kapbench run --model my_adapter.py:MyModel --dataset spair"
# notes = "what readers should know"
"""
_OLD_TITLE, _OLD_AUTHORS = "My model", ("Ada Lovelace",)
_VALUES = re.findall(r'"([^"]+)"', TEMPLATE)  # of every field, also of those that are optional
_LEADS_IN = re.compile(r"\s*(e\.g\.|eg\.?|for example|example:)", re.IGNORECASE)


def unfilled(card: Mapping[str, Any]) -> list[str]:
    """Fields of a submission card that still have the template's value, whole or in part."""
    return [name for name, value in card.items() if any(map(_is_template, _texts(value)))]


def examples(card: SubmissionCard) -> list[str]:
    """Fields of a submission card that have the example values of the older template."""
    if card.title != _OLD_TITLE:
        return []
    return ["title", *(["authors"] if card.authors == _OLD_AUTHORS else [])]


def _is_template(text: str) -> bool:
    folded = _folded(text)
    return folded.startswith(_folded(_MARK)) or folded in _TEMPLATES or bool(_LEADS_IN.match(text))


def _folded(text: str) -> str:
    """Letters and digits alone, so that case, spaces and quotes make no difference."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _parts() -> Iterator[str]:
    """Every value of the template with its mark, without it, and what comes before its example."""
    for value in _VALUES:
        text = value.removeprefix(f"{_MARK}: ")
        yield from (value, text, text.partition(", e.g. ")[0])


_TEMPLATES = frozenset(folded for part in _parts() if (folded := _folded(part)))


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, list | tuple):
        return (item for item in value if isinstance(item, str))
    return (value,) if isinstance(value, str) else ()
