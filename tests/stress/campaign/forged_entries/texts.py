"""Texts that steer a terminal, break a table or a page, or were never filled in."""

from random import Random
from typing import Any

from campaign.forged_entries.submission import Forgery, Submission

_HOSTILE = {
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "zero byte": "a\x00b",
    "delete": "a\x7fb",
    "C1": "a\x9b31mb",
    "next line": "a\x85b",
    "override": "\u202egnp.exe",
    "isolate": "a\u2066b\u2069",
    "zero width": "lite\u200b0",
    "joiner": "lite\u200d0",
    "byte order mark": "\ufefflite",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "surrogate": "a\ud800b",
    "soft hyphen": "a\xadb",
    "tag characters": "a\U000e0041b",
    "private use": "a\ue000b",
    "markup": "<script>alert(1)</script>",
    "only spaces": "   ",
    "newline": "a\nb",
}
_PLACES = (
    "card.title", "card.authors.0", "card.licence", "card.backbone", "card.training_data",
    "card.command", "card.notes", "run.model.name", "run.model.revision", "run.model.supervision",
    "run.model.trained_on", "run.model.options.colour", "run.dataset.licence",
    "run.dataset.categories.0", "run.dataset.categories_expected.0", "run.dataset.split",
    "run.dataset.revision", "run.provenance.kapbench", "run.provenance.python",
    "run.provenance.packages.numpy", "run.provenance.git_commit", "run.provenance.platform",
    "run.provenance.device", "run.provenance.started", "run.label", "run.command",
    "run.scores.0.category", "run.scores.0.rule", "run.rules.0.name",
)  # fmt: skip
_SPACES_ARE_KEPT = ("card.notes",)


def _put(content: Any, place: str, text: str) -> None:
    *above, name = place.split(".")
    for step in above:
        content = content[int(step) if step.isdigit() else step]
    content[int(name) if name.isdigit() else name] = text


def _text(name: str, text: str) -> Forgery:
    def forge(submission: Submission, rng: Random) -> None:
        places = _PLACES if name not in ("only spaces", "newline") else _PLACES[:4]
        _put(submission.content, rng.choice(places), text)

    forge.__name__ = name
    return forge


def _key(submission: Submission, rng: Random) -> None:
    submission.run["model"]["options"][rng.choice(list(_HOSTILE.values()))] = 1


def _pair_ids(submission: Submission, rng: Random) -> None:
    text = rng.choice([t for t in _HOSTILE.values() if "\ud800" not in t])
    submission.rescored(lambda rows: rows.assign(pair_id=rows["pair_id"].astype(str) + text))


def _image_ids(submission: Submission, rng: Random) -> None:
    text = rng.choice([t for t in _HOSTILE.values() if "\ud800" not in t])
    submission.rescored(
        lambda rows: rows.assign(target_image=rows["target_image"].astype(str) + text)
    )


def _template(field: str, text: str) -> Forgery:
    def forge(submission: Submission, rng: Random) -> None:
        _put(submission.content, f"card.{field}", text)

    forge.__name__ = f"template {field}"
    return forge


FAMILIES: dict[str, tuple[Forgery, ...]] = {
    "texts": tuple(_text(name, text) for name, text in _HOSTILE.items()),
    "texts in the records": (_pair_ids, _image_ids),
    "texts as keys": (_key,),
    "template": (
        _template("title", "FILL IN: name of the model, as a reader knows it"),
        _template("title", "name of the model, as a reader knows it"),
        _template("authors.0", "name of each author"),
        _template("authors.0", "fill in"),
        _template("licence", "licence of the weights, e.g. Apache-2.0"),
        _template("backbone", "Fill In: e.g. DINOv2 ViT-B/14"),
        _template("backbone", "e.g. DINOv2 ViT-B/14"),
        _template("training_data", "e.g. none beyond the backbone's"),
        _template("command", "FILL  IN"),
        _template("command", "e.g. kapbench run --model my_adapter.py:MyModel --dataset spair"),
        _template("notes", "what readers should know"),
        _template("paper", "https://arxiv.org/abs/..."),
        _template("code", "https://github.com/..."),
    ),
}
