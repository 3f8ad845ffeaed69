"""Part groups: members that the target shows, and the groups that a published script has instead."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from kapbench.types import Pair

KeypointsInUse = Mapping[str, Bool[np.ndarray, "_"]]  # by category, of each keypoint id


def find_keypoints_in_use(pairs: Iterable[Pair]) -> dict[str, Bool[np.ndarray, "_"]]:
    """By category, whether any image of its pairs, source or target, shows each keypoint id.

    The released scripts (GeoAware-SC, utils_dataset.py) look at the images of the evaluated pairs of
    the split, and at no others.
    """
    views = {
        (id(view), pair.category): view for pair in pairs for view in (pair.source, pair.target)
    }
    used: dict[str, np.ndarray] = {}
    for (_, category), view in views.items():
        visible = view.keypoints.visible
        before = used.get(category, visible)
        if len(before) < len(visible):
            before, visible = visible, before
        used[category] = before | np.pad(visible, (0, len(before) - len(visible)))
    return used


def renumbered_groups(
    pairs: Sequence[Pair], keypoints_in_use: KeypointsInUse
) -> Int[np.ndarray, "p K"]:
    """The groups of each pair as rule `geo-published-point` has them.

    A category that is not in `keypoints_in_use` uses all its ids.
    """
    made: dict[tuple[str, bytes], np.ndarray] = {}
    out = []
    for pair in pairs:
        category, groups = pair.category, np.asarray(pair.groups)
        key = category, groups.tobytes()
        if key not in made:
            used = keypoints_in_use.get(category, np.ones(len(groups), bool))
            made[key] = renumbered(groups, used[: len(groups)])
        out.append(made[key])
    return np.array(out)


def renumbered(groups: Int[np.ndarray, "K"], used: Bool[np.ndarray, "K"]) -> Int[np.ndarray, "K"]:
    """Groups after the renumbering of the released scripts, which scrambles some of them.

    The list of groups and single keypoints, ordered by smallest id, is written out without the ids
    that are not in use, and its n-th id is replaced by n. The numbers are then read as positions
    among the ids in use in ascending order, which is another order. Ids out of use are in no group.
    """
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    smallest = np.where(groups < 0, np.arange(len(groups)), first[which])  # id of each one's group
    order = np.argsort(smallest, kind="stable")
    out = np.full_like(groups, -1)
    out[used] = groups[order[used[order]]]
    return out


def members_visible_renumbered(
    pair: Pair, keypoints_in_use: KeypointsInUse
) -> Int[np.ndarray, "q"]:
    """`members_visible` of each source-visible keypoint, by the groups of `geo-published-point`."""
    keypoint = np.flatnonzero(pair.source.keypoints.visible)
    groups = renumbered_groups([pair], keypoints_in_use)
    visible = pair.target.keypoints.visible
    return members_visible(groups, visible, np.zeros_like(keypoint), keypoint)


def members_visible(
    groups: Int[np.ndarray, "p K"],
    visible: Bool[np.ndarray, "K"],
    pair: Int[np.ndarray, "q"],
    keypoint: Int[np.ndarray, "q"],
) -> Int[np.ndarray, "q"]:
    """Visible members of each keypoint's group in the target; 0 for a keypoint without a group.

    Args:
        groups: Of each pair.
        pair: Which pair each keypoint is of.
    """
    numbers, of_group = np.unique(groups, return_inverse=True)
    of_group = of_group.reshape(groups.shape) + len(numbers) * np.arange(len(groups))[:, None]
    n_visible = np.bincount(of_group[:, visible].ravel(), minlength=len(numbers) * len(groups))
    counts = n_visible[of_group[pair, keypoint]]
    return np.asarray(np.where(groups[pair, keypoint] >= 0, counts, 0))
