"""The coordinates that a rule measures in, and how they lie on an image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Real

from kapbench.scoring.decodes import Decode, FramePlace
from kapbench.types import Grid, Letterbox


@dataclass(frozen=True, slots=True)
class Frame:
    """The coordinates a rule measures in: a square of `side` px, or the original pixels.

    `place`: how the square lies on the image, as of `Decode`. `truncates`: whether annotations are
    cut to whole pixels before and after they are scaled.
    """

    image_size: tuple[int, int]
    side: int | None
    place: FramePlace = "letterbox"
    truncates: bool = False

    @classmethod
    def of(cls, decode: Decode, image_size: tuple[int, int], grid: Grid | None) -> "Frame":
        """The frame of a decode. `grid`: of the image's cells; None only without `frame_px`."""
        side = decode.frame_px
        if decode.whole_cells and side is not None and grid is not None:
            n_cells = max(1, round(max(image_size) / grid.cell_size[0]))
            side = nearest_multiple(side, n_cells)
        return cls(image_size, side, decode.frame, decode.keypoints == "truncated")

    @property
    def scale(self) -> float:
        """Frame px per original pixel; of a stretched frame, along the image's longer side."""
        return 1.0 if self.side is None else self.side / max(self.image_size)

    @property
    def scales(self) -> Float64[np.ndarray, "2"]:
        """Frame px per original pixel, along x and y."""
        if self.side is not None and self.place == "stretched":
            return self.side / np.array(self.image_size, np.float64)
        return np.full(2, self.scale)

    @property
    def offset(self) -> Float64[np.ndarray, "2"]:
        """The image's top-left corner in the frame."""
        if self.side is None or self.place in ("corner-square", "stretched"):
            return np.zeros(2)
        if self.place == "centre-square":
            return (self.side - np.array(self.image_size) * self.scale) / 2
        return np.array(Letterbox(self.image_size, self.side).offset, np.float64)

    def points(self, xy: Real[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Original pixels to this frame (through float32 in a letterbox, as published)."""
        if self.side is None:
            return np.asarray(xy, np.float64)
        if self.place == "letterbox":
            return Letterbox(self.image_size, self.side).to_frame(xy).astype(np.float64)
        if self.truncates:
            whole = np.trunc(np.asarray(xy, np.float64))
            return np.asarray(np.trunc(whole * self.side / max(self.image_size)))
        return np.asarray(xy, np.float64) * self.scales + self.offset

    def to_image(self, xy: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        return xy if self.side is None else np.asarray((xy - self.offset) / self.scales)

    def edges(self, grid: Grid) -> tuple[Float64[np.ndarray, "w"], Float64[np.ndarray, "h"]]:
        """Left and top edges of a grid's cells; whole numbers for a grid of this frame."""
        if self._is_read_as_square(grid):
            square = Grid(grid.height, grid.width, (0.0, 0.0, float(self._px), float(self._px)))
            return square.edges()
        (x, y), (dx, dy) = grid.edges(), self.offset
        if self.side is None:
            return x, y
        # Converting to original pixels and back loses 1e-13; whole numbers must stay whole.
        return np.round(x * self.scales[0] + dx, 6), np.round(y * self.scales[1] + dy, 6)

    def cell_size(self, grid: Grid) -> tuple[float, float]:
        """Width and height of a cell; whole numbers for a grid of this frame."""
        if self._is_read_as_square(grid):
            return self._px / grid.width, self._px / grid.height
        dx, dy = grid.cell_size
        if self.side is None:
            return dx, dy
        return round(float(dx * self.scales[0]), 6), round(float(dy * self.scales[1]), 6)

    def per_pixel(
        self, size_px: Float64[np.ndarray, "q"], bbox: tuple[float, float, float, float]
    ) -> Float64[np.ndarray, "q"]:
        """What distances in this frame are divided by, to be compared with T in original pixels.

        In a stretched frame T is the longer side of the stretched box, or, where T is the longer
        side of the image, that of the frame.

        Args:
            size_px: T of each row.
            bbox: Of the target: x1, y1, x2, y2.
        """
        box = np.array([bbox[2] - bbox[0], bbox[3] - bbox[1]], np.float64)
        if self.place != "stretched" or not (box > 0).all():
            return np.full(len(size_px), self.scale)
        of_image = size_px == max(self.image_size)
        return np.where(of_image, self.scale, (box * self.scales).max() / box.max())

    @property
    def _px(self) -> int:
        return self.side or 0

    def _is_read_as_square(self, grid: Grid) -> bool:
        """Whether published code reads a grid as if its cells tiled the padded square.

        They do so of cells that reach beyond it alike on both sides, by less than a cell, because
        the image was padded to a multiple of the patch; and of a padding of half pixels.
        """
        if self.side is None or self.place not in ("corner-square", "centre-square"):
            return False
        box = np.array(grid.box).reshape(2, 2) * self.scale + self.offset  # corners
        beyond = np.stack([-box[0], box[1] - self.side])
        cell = np.array(grid.cell_size) * self.scale
        one_px = max(1.0, self.scale) + 1e-6
        alike = np.abs(beyond[0] - beyond[1]) <= one_px
        return bool((alike & (np.abs(beyond) < cell).all(axis=0)).all())


def nearest_multiple(value: int, of: int) -> int:
    """The multiple of a number that is nearest to a value, the lower of two; at least one of it."""
    lower = value // of * of
    nearest = lower if value - lower <= lower + of - value else lower + of
    return nearest if lower else of
