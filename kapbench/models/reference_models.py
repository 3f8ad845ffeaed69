"""Reference models: controls that read the answer, so that each has one known weakness or none."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from kapbench.errors import KapbenchError
from kapbench.models.controls import CELLS, FRAME_PX
from kapbench.protocols import Condition
from kapbench.types import TIE_CELLS, Grid, Pair, SimilarityMap


class _ReferenceModel:
    """1 at the cells that the rule calls nearest to chosen keypoints of the target, 0 elsewhere.

    Reference models differ only in which keypoints these are.
    """

    name: str
    revision = "1"
    conditions_on: tuple[Condition, ...] = ()
    reads_answer: Literal[True] = True
    supervision = "the answer"

    def match_pair(
        self, pair: Pair, anchor: Callable[[Grid], Float[np.ndarray, "h w 2"]]
    ) -> SimilarityMap:
        grid = Grid.letterbox(pair.target.size, CELLS, FRAME_PX)
        visible = np.flatnonzero(pair.source.keypoints.visible)
        values = np.zeros((len(visible), CELLS, CELLS), np.float32)
        anchors = anchor(grid)
        if anchors.shape != (CELLS, CELLS, 2):
            raise KapbenchError(
                f"Anchors have the shape {list(anchors.shape)}, not [{CELLS}, {CELLS}, 2]"
            )
        for row, keypoint in enumerate(visible):
            for point in self._peaks(pair, int(keypoint)):
                distance = np.linalg.norm(anchors - point, axis=-1)
                nearest = distance <= distance.min() + TIE_CELLS * min(grid.cell_size)
                values[row].flat[nearest.argmax()] = 1.0  # the first of equally near cells
        return SimilarityMap(values, grid, pair.source.keypoints.xy[visible])

    def _peaks(self, pair: Pair, keypoint: int) -> Float[np.ndarray, "n 2"]:
        """Points of the target in original pixels. Without one, the map is 0 everywhere."""
        target = pair.target.keypoints
        return np.asarray(target.xy[target.visible & self._chosen(pair, keypoint)])

    def _chosen(self, _pair: Pair, _keypoint: int) -> Bool[np.ndarray, "K"]:
        """The keypoints at which the map of this one peaks, if the target shows them."""
        raise NotImplementedError


class Oracle(_ReferenceModel):
    """Reads the annotation: peaks at the keypoint, and nowhere if it is absent."""

    name = "oracle"

    def _chosen(self, pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
        return _only(pair, keypoint)


class SideBlind(_ReferenceModel):
    """Reads the annotation: peaks at the keypoint and at its mirror counterpart alike."""

    name = "side-blind"

    def _chosen(self, pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
        return np.asarray(_only(pair, keypoint) | _only(pair, int(pair.twins[keypoint])))


class PartBlind(_ReferenceModel):
    """Reads the annotation: peaks at the keypoint, its mirror counterpart and its part group alike."""

    name = "part-blind"

    def _chosen(self, pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
        group = pair.groups[keypoint]
        repeated = (pair.groups == group) & (group >= 0)
        counterpart = _only(pair, int(pair.twins[keypoint]))
        return np.asarray(_only(pair, keypoint) | counterpart | repeated)


class TwinTrap(_ReferenceModel):
    """Reads the annotation: peaks at the keypoint, or at its mirror counterpart if it is absent."""

    name = "twin-trap"

    def _chosen(self, pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
        visible = pair.target.keypoints.visible[keypoint]
        return _only(pair, keypoint if visible else int(pair.twins[keypoint]))


class NeverSilent(_ReferenceModel):
    """Reads the annotation: peaks at the keypoint, or at another visible one if it is absent.

    The other one is its mirror counterpart if that is visible, else the visible keypoint of the
    nearest id: of two equally near ones, the lower. Where the target shows no keypoint at all, the
    map peaks at the middle of the image.
    """

    name = "never-silent"

    def _peaks(self, pair: Pair, keypoint: int) -> Float[np.ndarray, "n 2"]:
        if not pair.target.keypoints.visible.any():
            return np.array([pair.target.size]) / 2
        return super()._peaks(pair, keypoint)

    def _chosen(self, pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
        visible = pair.target.keypoints.visible
        for candidate in (keypoint, int(pair.twins[keypoint])):
            if visible[candidate]:
                return _only(pair, candidate)
        ids = np.flatnonzero(visible)
        return _only(pair, int(ids[np.abs(ids - keypoint).argmin()]))  # the first, so the lower


def _only(pair: Pair, keypoint: int) -> Bool[np.ndarray, "K"]:
    return np.asarray(np.arange(len(pair.twins)) == keypoint)
