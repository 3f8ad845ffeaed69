"""Identity: of the members of a keypoint's part that a target shows, is the right one most similar?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from kapbench.scoring.grid_geometry import first_nearest, step_between
from kapbench.scoring.rules import Decode
from kapbench.types import Grid, Pair

# Cells are compared by their centres in original pixels, whatever the rules measure.
CELL_CENTRES = Decode(key="identity", offset="centre", frame_px=None)


def parts_of(pairs: Sequence[Pair]) -> Int[np.ndarray, "p K"]:
    """Number of each keypoint's part: its part group, else the keypoint and its mirror counterpart.

    Only equal numbers of one pair mean the same part.
    """
    groups, twins = (np.array([getattr(p, name) for p in pairs]) for name in ("groups", "twins"))
    ids = np.arange(groups.shape[1])
    # Groups are numbered from 0, so -1 and below are free for keypoints without a group.
    return np.where(groups >= 0, groups, -1 - np.minimum(ids, twins))


def nearest_cells(grid: Grid, xy: Float64[np.ndarray, "n 2"]) -> Int[np.ndarray, "n"]:
    """Number of the cell whose centre is nearest to each point, the first of equally near ones."""
    x, y = grid.centres()
    column = first_nearest(np.abs(x - xy[:, :1]), step_between(x))
    row = first_nearest(np.abs(y - xy[:, 1:]), step_between(y))
    return np.asarray(row * grid.width + column)


def identity_shares(
    pairs: Sequence[Pair],
    pair: Int[np.ndarray, "q"],
    keypoint: Int[np.ndarray, "q"],
    values: Float32[np.ndarray, "q h w"],
    grid: Grid,
) -> Float64[np.ndarray, "q"]:
    """1 where no other visible member of the part is more similar, divided by how many are equal.

    A member's similarity is that of the cell nearest to it, so members of one cell are equal. 0 where
    another member is more similar. NaN where the target does not show the keypoint, or no other member.

    Args:
        pairs: Of one target image.
        pair: Which pair each row is of.
        keypoint: Whose map each row is.
        values: Similarity of each row's keypoint to the cells of the target.
    """
    keypoints = pairs[0].target.keypoints
    cells = nearest_cells(grid, np.asarray(keypoints.xy, np.float64))
    flat = values.reshape(len(values), grid.n_cells)
    return _shares(flat, cells, keypoints.visible, parts_of(pairs), pair, keypoint)


def _shares(
    similarity: Float32[np.ndarray, "q n"],
    cells: Int[np.ndarray, "K"],
    visible: Bool[np.ndarray, "K"],
    parts: Int[np.ndarray, "p K"],
    pair: Int[np.ndarray, "q"],
    keypoint: Int[np.ndarray, "q"],
) -> Float64[np.ndarray, "q"]:
    """
    Args:
        cells: The cell of each keypoint of the target; of absent ones any.
    """
    out = np.full(len(keypoint), np.nan)
    n_cells, codes = similarity.shape[1], _codes(parts)
    # One entry for each cell that holds members of a part, in order of the part.
    entries = codes[:, visible] * n_cells + cells[visible]
    places, n_members = np.unique(entries, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(n_members)])
    own = codes[pair, keypoint]
    first, last = (np.searchsorted(places // n_cells, own, side) for side in ("left", "right"))
    rows = np.flatnonzero(visible[keypoint] & (ends[last] - ends[first] >= 2))
    if not len(rows):
        return out
    lengths = (last - first)[rows]
    starts = np.cumsum(lengths) - lengths
    at = np.arange(lengths.sum()) + np.repeat(first[rows] - starts, lengths)
    values = similarity[np.repeat(rows, lengths), places[at] % n_cells]
    best = np.maximum.reduceat(values, starts)
    is_best = values == np.repeat(best, lengths)
    n_best = np.add.reduceat(np.where(is_best, n_members[at], 0), starts)
    own_value = similarity[rows, cells[keypoint[rows]]]
    with np.errstate(divide="ignore"):  # NaN is equal to nothing: the row is refused elsewhere
        out[rows] = np.where(own_value == best, 1 / n_best, 0.0)
    return out


def _codes(parts: Int[np.ndarray, "p K"]) -> Int[np.ndarray, "p K"]:
    """Numbers from 0 that differ between pairs and parts."""
    numbers, of_part = np.unique(parts, return_inverse=True)
    rows = np.arange(len(parts))[:, None]
    return np.asarray(of_part.reshape(parts.shape) + len(numbers) * rows)
