"""Forged records: rows that no model and no annotation gave, scored again so that all agrees."""

from collections.abc import Callable
from random import Random

import numpy as np
import pandas as pd

from campaign.forged_entries.submission import Forgery, Submission


def _rows(
    name: str, change: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
) -> Forgery:
    def forge(submission: Submission, rng: Random) -> None:
        drawn = np.random.default_rng(rng.randrange(2**32))
        submission.rescored(lambda rows: change(rows.copy(), drawn))

    forge.__name__ = name
    return forge


def _columns(rows: pd.DataFrame, *prefixes: str) -> list[str]:
    return [name for name in rows if name.startswith(prefixes)]


def _scaled(prefix: str, factor: float) -> Callable[..., pd.DataFrame]:
    def change(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
        for name in _columns(rows, prefix):
            rows[name] = (rows[name] * factor).astype(rows[name].dtype)
        return rows

    return change


def _shifted(prefix: str, by: float, share: float = 1.0) -> Callable[..., pd.DataFrame]:
    def change(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
        chosen = drawn.random(len(rows)) < share
        for name in _columns(rows, prefix):
            moved = (rows.loc[chosen, name] + by).astype(rows[name].dtype)
            rows.loc[chosen, name] = moved
        return rows

    return change


def _target_moved(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """The keypoint is where the model says that it is, and every error 0."""
    (x, *_), (y, *_) = _columns(rows, "x@"), _columns(rows, "y@")
    visible = rows["target_visible"].to_numpy(bool)
    rows.loc[visible, "target_x"] = rows.loc[visible, x].astype(np.float32)
    rows.loc[visible, "target_y"] = rows.loc[visible, y].astype(np.float32)
    for name in _columns(rows, "error_px@"):
        decode = name.partition("@")[2]
        gaps = rows[[f"x@{decode}", f"y@{decode}"]].to_numpy() - rows[["target_x", "target_y"]]
        rows[name] = np.hypot(*gaps.to_numpy().T)
    return rows


def _answered(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Errors of 0 while the prediction stays where it was."""
    for name in _columns(rows, "error_px@"):
        rows.loc[rows["target_visible"].to_numpy(bool), name] = 0.0
    return rows


def _exchanged(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
    """Some points on the object are called off it, and the reverse."""
    chosen = drawn.random(len(rows)) < 0.3
    for name in _columns(rows, "on_object@"):
        rows.loc[chosen, name] = (1 - rows.loc[chosen, name]).astype(rows[name].dtype)
    return rows


def _easier(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Inside scores above all others."""
    for name in _columns(rows, "inside@"):
        rows[name] += 2
    return rows


def _absent_lower(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """The best score of an absent keypoint below the least of its pair."""
    absent = ~rows["target_visible"].to_numpy(bool)
    for name in _columns(rows, "best@"):
        rows.loc[absent, name] = rows.loc[absent, f"map_min@{name.partition('@')[2]}"] - 1
    return rows


def _swapped(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
    first, second = drawn.choice(len(rows), 2, replace=False)
    order = np.arange(len(rows))
    order[[first, second]] = second, first
    kept = [c for c in rows if c in ("pair_id", "keypoint", "category")]
    swapped = rows.drop(columns=kept).iloc[order].reset_index(drop=True)
    return pd.concat([rows[kept].reset_index(drop=True), swapped], axis=1)[list(rows)]


def _dropped(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
    return rows.drop(index=rows.index[drawn.integers(len(rows))])


def _hard_pair_dropped(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    worst = rows.groupby("pair_id")[_columns(rows, "error_px@")[0]].mean().idxmax()
    return rows[rows["pair_id"] != worst]


def _pair_twice(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
    pair = rows["pair_id"].iloc[int(drawn.integers(len(rows)))]
    return pd.concat([rows, rows[rows["pair_id"] == pair]], ignore_index=True)


def _pair_under_two_names(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
    pair = rows["pair_id"].iloc[int(drawn.integers(len(rows)))]
    other = rows["pair_id"].iloc[0 if pair != rows["pair_id"].iloc[0] else -1]
    copy = rows[rows["pair_id"] == pair].assign(pair_id=other)
    return pd.concat([rows[rows["pair_id"] != other], copy], ignore_index=True)


def _column_is(name: str, value: float) -> Callable[..., pd.DataFrame]:
    def change(rows: pd.DataFrame, drawn: np.random.Generator) -> pd.DataFrame:
        chosen = drawn.random(len(rows)) < 0.3
        rows.loc[chosen, name] = np.array(value, rows[name].dtype)
        return rows

    return change


def _inverted(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Every keypoint that is absent is called visible, and the reverse."""
    return rows.assign(target_visible=~rows["target_visible"].astype(bool))


def _category_renamed(submission: Submission, rng: Random) -> None:
    data = submission.run["dataset"]
    old = data["categories"][0]
    data["categories"] = sorted(["A" + old, *data["categories"][1:]])
    submission.rescored(
        lambda rows: rows.assign(category=rows["category"].astype(str).replace(old, "A" + old))
    )


def _category_exchanged(submission: Submission, rng: Random) -> None:
    first, second, *_ = submission.run["dataset"]["categories"]
    swap = {first: second, second: first}
    submission.rescored(
        lambda rows: rows.assign(category=rows["category"].astype(str).replace(swap))
    )


def _category_left_out(submission: Submission, rng: Random) -> None:
    """The hardest category is missing, and the run does not say so."""
    data = submission.run["dataset"]
    left = data["categories"].pop()
    data["categories_expected"] = list(data["categories"])
    submission.rescored(lambda rows: rows[rows["category"].astype(str) != left])
    data["n_pairs_expected"] = submission.records["pair_id"].nunique()


# Their honest entry needs several categories.
OF_SEVERAL_CATEGORIES = (_category_renamed, _category_exchanged, _category_left_out)
FAMILIES: dict[str, tuple[Forgery, ...]] = {
    "errors": (
        _rows("halved", _scaled("error_px@", 0.5)),
        _rows("negative", _scaled("error_px@", -1.0)),
        _rows("all zero", _answered),
        _rows("a little less", _shifted("error_px@", -1.0, 0.1)),
        _rows("error at the counterpart", _scaled("twin_error_px@", 3.0)),
        _rows("nearest is another", _shifted("nearest@", 1.0)),
        _rows("other keypoints further away", _scaled("other_error_px@", 2.0)),
        _rows("other keypoints below the points", _scaled("other_error_px@", 0.0)),
        _rows("group further away", _scaled("group_error_px@", 2.0)),
        _rows("group is no number", _scaled("group_error_px@", float("nan"))),
    ),
    "predictions": (
        _rows("x moved", _shifted("x@", 5.0)),
        _rows("y moved", _shifted("y@", -3.0, 0.2)),
        _rows("on the object and off it exchanged", _exchanged),
    ),
    "similarities": (
        _rows("inside above the maximum", _easier),
        _rows("best of the absent below the minimum", _absent_lower),
        _rows("outside lower", _shifted("outside@", -0.5)),
        _rows("best lower", _shifted("best@", -0.3, 0.5)),
        _rows("maximum lower", _shifted("map_max@", -0.3)),
        _rows("minimum higher", _shifted("map_min@", 0.5)),
        _rows("outside is no number", _scaled("outside@", float("nan"))),
    ),
    "annotations": (
        _rows("target moved to the prediction", _target_moved),
        _rows("target shifted", _shifted("target_x", 1.0)),
        _rows("source shifted", _shifted("source_y", -2.0, 0.2)),
        _rows("source is no number", _column_is("source_x", float("nan"))),
        _rows("renumbered groups", _column_is("group_visible_renumbered", 2)),
        _rows("no renumbered groups", _column_is("group_visible_renumbered", 0)),
        _rows("larger objects", _scaled("size_px", 1.5)),
        _rows("visible and absent exchanged", _inverted),
        _rows("viewpoint", _column_is("viewpoint_change", 0)),
        _rows("groups", _column_is("group", -1)),
        _rows("extent", _column_is("extent", 0)),
    ),
    "rows": (
        _rows("two swapped", _swapped),
        _rows("one dropped", _dropped),
        _rows("hardest pair dropped", _hard_pair_dropped),
        _rows("a pair twice", _pair_twice),
        _rows("a pair under another name", _pair_under_two_names),
    ),
    "categories": (_category_renamed, _category_exchanged, _category_left_out),
}
