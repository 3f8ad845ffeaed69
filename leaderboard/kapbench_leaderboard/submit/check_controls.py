"""Whether a run with the name of a control is of it: by its model card, and by its rows made again."""

import re
from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from kapbench.errors import agreeing, counted
from kapbench.models.controls import Constant, Random
from kapbench.running.results import RunCard
from kapbench.scoring.schema import IDENTITY, OF_CIRCLE, OF_GEOMETRY, Needs, X, Y
from kapbench_leaderboard.comparison.controls import NAMES, shipped_controls
from kapbench_leaderboard.comparison.scoring_versions import is_scored_alike
from kapbench_leaderboard.submit.control_rows import control_columns
from kapbench_leaderboard.submit.dataset_digest import shipped

_OF_MAPS = (
    *OF_GEOMETRY,
    *OF_CIRCLE,
    X,
    Y,
    IDENTITY,
)  # errors follow from points, and laws check them
_LIKE_LETTERS = str.maketrans("01345$@|", "oieassal")
_SHIFTS = ((0.0, 0.0), (1e-3, 1e-3), (-1e-3, -1e-3), (1e-3, -1e-3), (-1e-3, 1e-3))  # pixels
_MEMBERS = ("group_visible", "twin_visible")  # the same where rows show all members of a part
_SIDES = ("source", "target")
_ROUNDING = 1e-6  # pixels, or of a similarity from 0 to 1: other processors round otherwise


def wrong_control(run: RunCard) -> Iterator[str]:
    """A name of a control, or one that reads like it, on anything but this control."""
    name, controls = run.model.name, shipped_controls()
    if name in controls:
        of_control = dict(controls[name])
        if other := [field for field, value in run.model if value != of_control[field]]:
            yield (
                f"{name} is the name of a control of kapbench, and this model is another one: "
                f"{', '.join(other)} {agreeing('differs', len(other))}.\n"
                "  fix: Give your model another name."
            )
    elif (like := _reads_like(name)) is not None:
        yield (
            f"model.name: {name!r} reads like the control {like}.\n"
            "  fix: Give your model another name."
        )
    elif run.model.kind == "oracle":
        yield "model.kind is oracle: a model that reads the annotations is not ranked."


def _reads_like(name: str) -> str | None:
    """The control whose name a reader may take a name for, with any tag behind it."""
    controls = {_letters(control): control for control in NAMES}
    first = re.split(r"[.@:/]", name)[0]
    for part in (name, first):
        for text in (part, part.translate(_LIKE_LETTERS)):
            letters = _letters(text)
            if (
                like := controls.get(letters) or controls.get(letters.removesuffix("s"))
            ) is not None:
                return like
    return None


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalpha())


def other_rows(run: RunCard, records: pd.DataFrame) -> Iterator[str]:
    """Rows of `random` or `constant` that this control does not make; nothing for other models.

    Their maps depend on the names and sizes of images and on the source cell alone.
    """
    shipped_control: dict[str, Random | Constant] = {"random": Random(), "constant": Constant()}
    control = shipped_control.get(run.model.name)
    if control is None:
        return
    data = run.dataset
    manifest = shipped().get((data.name, data.revision, data.split))
    sizes = {} if manifest is None else manifest.image_sizes
    if missing := sorted(_images(records) - set(sizes)):
        yield (
            f"The manifest has no size of the image {missing[0]}, so the rows of the control "
            f"{control.name} cannot be computed again.\n"
            "  fix: A maintainer writes it with `kapbench submit manifest RUN --to FOLDER`."
        )
        return
    rules = [run.rule(card.name) for card in run.rules if is_scored_alike(run, card.name)]
    needs = Needs.of(rules)
    of_maps = (name for name, column in needs.columns.items() if column in _OF_MAPS)
    names = [name for name in of_maps if name in records]
    differ = {name: np.ones(len(records), bool) for name in names}
    for side, shift in product(_SIDES, _SHIFTS):
        again = control_columns(
            control, _shifted(records, side, shift), sizes, needs, [*names, *_MEMBERS]
        )
        complete = np.all(
            [_equal(_floats(records, name), again[name]) for name in _MEMBERS], axis=0
        )
        for name in names:
            same = _equal(_floats(records, name), again[name])
            differ[name] &= ~same & complete if name == IDENTITY.name else ~same
        n_rows = int(np.any([*differ.values()], axis=0).sum())
        if not n_rows:
            return
    yield f"The control {control.name} makes other values in {counted(n_rows, 'row')}."


def _floats(records: pd.DataFrame, name: str) -> Float64[np.ndarray, "n"]:
    return records[name].to_numpy(np.float64)


def _equal(
    stored: Float64[np.ndarray, "n"], values: Float64[np.ndarray, "n"]
) -> Bool[np.ndarray, "n"]:
    return np.asarray(np.isclose(stored, values, 0, _ROUNDING, equal_nan=True))


def _shifted(records: pd.DataFrame, side: str, shift: tuple[float, float]) -> pd.DataFrame:
    """Keypoints of one image beside where records have them. In float32, a source keypoint may cross
    a cell's edge, and a target keypoint leave the middle between two cells that are both nearest.
    """
    names = (f"{side}_x", f"{side}_y")
    return records.assign(
        **{name: records[name] + by for name, by in zip(names, shift, strict=True)}
    )


def _images(records: pd.DataFrame) -> set[str]:
    return {str(i) for c in ("source_image", "target_image") for i in records[c].unique()}
