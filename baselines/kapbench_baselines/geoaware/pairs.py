"""Training pairs: maps of images and their mirror images, and keypoints in cells of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Float32, Int
from torch import Tensor

from kapbench.models.inputs import make_picture
from kapbench.protocols import Dataset, Encoder
from kapbench.types import Grid, Pair
from kapbench_baselines.geoaware.maps import HELD_BYTES, Collection, Maps
from kapbench_baselines.sphere.views import check_sees_pixels, mirrored


@dataclass(frozen=True)
class Side:
    """Keypoints of an image by id, in cells of its map (x, y; cell centres at .5)."""

    xy: Float32[Tensor, "k 2"]
    visible: Bool[Tensor, "k"]


@dataclass(frozen=True)
class TrainingPairs:
    """Each image has two maps: as it is, and mirrored."""

    features: Float16[Tensor, "n 2 c s s"] | Maps  # averages of unit features, or raw features
    sides: tuple[tuple[Side, Side], ...]  # as it is, mirrored; ids are those of the image as it is
    pairs: Int[Tensor, "p 2"]  # image numbers
    twins: tuple[Int[Tensor, "k"], ...]  # by pair
    sizes: tuple[float, ...] = ()  # longer side of each image's box, in cells

    def side(self, image: int, pair: int, *, mirror: bool) -> Side:
        """Keypoints of an image; of its mirror image with left and right relabelled."""
        side = self.sides[image][int(mirror)]
        if not mirror:
            return side
        twins = self.twins[pair]
        return Side(side.xy[twins], side.visible[twins])


def prepare(
    dataset: Dataset,
    pairs: Sequence[Pair],
    encoder: Encoder,
    cells: int | None,
    advance: Callable[[int], None] = lambda _: None,
    held_bytes: int = HELD_BYTES,
    *,
    unit: bool = True,
) -> TrainingPairs:
    """Encodes every image of the pairs and its mirror image.

    Args:
        encoder: Should be a CachedEncoder: every image is needed at every start, and maps that
            take more than `held_bytes` are read from its cache at every draw.
        cells: A side of the maps; None: as the encoder makes them.
        unit: Whether features are normalised.

    Raises:
        KapbenchError: a backbone that knows images by name; see `Collection.add`.
    """
    check_sees_pixels(encoder)
    views = {v.image_id: v for p in pairs for v in (p.source, p.target)}
    number = {name: i for i, name in enumerate(views)}
    keep = Collection(encoder, cells, len(views), held_bytes, unit)
    sides, sizes = [], []
    for view in views.values():
        picture = make_picture(dataset, view, encoder.conditions_on)
        grids = keep.add(picture, mirrored(picture))
        xy, other = view.keypoints.xy, view.keypoints.xy.copy()
        other[:, 0] = view.size[0] - other[:, 0]
        visible = torch.from_numpy(view.keypoints.visible.copy())
        plain, flipped = (
            Side(in_cells(at, grid, keep.side), visible)
            for at, grid in zip((xy, other), grids, strict=True)
        )
        sides.append((plain, flipped))
        corners = in_cells(np.array(view.bbox).reshape(2, 2), grids[0], keep.side)
        sizes.append(float((corners[1] - corners[0]).max()))
        advance(1)
    return TrainingPairs(
        keep.maps(),
        tuple(sides),
        torch.tensor([[number[p.source.image_id], number[p.target.image_id]] for p in pairs]),
        tuple(torch.from_numpy(np.array(p.twins, np.int64)) for p in pairs),
        tuple(sizes),
    )


def in_cells(xy: Float[np.ndarray, "k 2"], grid: Grid, cells: int) -> Float32[Tensor, "k 2"]:
    """Original pixels to cells of a map averaged to `cells` a side."""
    x0, y0, x1, y1 = grid.box
    at = (xy - [x0, y0]) / [x1 - x0, y1 - y0] * cells
    return torch.from_numpy(np.nan_to_num(at)).float()
