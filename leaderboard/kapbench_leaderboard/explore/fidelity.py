"""How much of a model's similarity is left in a page: measured against the full features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from kapbench.models.cached_map import CachedMap
from kapbench.types import TIE_CELLS, Grid
from kapbench_leaderboard.explore.quantise import QuantisedModel

FEWEST_WITHIN, LARGEST_ERROR = 0.97, 0.01
POINTS_OF_AN_IMAGE = {"dot": 64, "neg_l2": 16}  # distances take ten times as long
_TARGETS_OF_AN_IMAGE = 8


@dataclass(frozen=True, slots=True)
class Fidelity:
    """
    Args:
        within_one_cell: Share of the maps whose best cell lies within one cell of the page's grid of
            the best cell by full features.
        largest_error: Largest difference of a score, as a share of `span`.
        span: 1 for cosines; for distances, the highest score less the lowest of all maps.
        n_points: Source points, spread evenly over the images.
        n_maps: Maps of these points over other images, at most 8 of each image.
        coarser: Whether a grid of the page has fewer cells than the model's.
    """

    within_one_cell: float
    largest_error: float
    span: float
    n_points: int
    n_maps: int
    coarser: bool

    @property
    def is_low(self) -> bool:
        return self.within_one_cell < FEWEST_WITHIN or self.largest_error > LARGEST_ERROR

    def sentence(self) -> str:
        """What was measured, and a warning where a threshold is missed."""
        unit = "" if self.span == 1 else " of the scores' span"
        text = (
            f"{100 * self.within_one_cell:.1f} % of the best cells lie within one cell of those of "
            f"the full features, and the largest error of a score is {self.largest_error:.4f}{unit} "
            f"({self.n_maps:,} maps of {self.n_points:,} points)."
        )
        if self.coarser:
            text += " The grid is coarser than the model's."
        return f"Low fidelity: {text}" if self.is_low else text


def measure(full: Sequence[CachedMap], model: QuantisedModel) -> Fidelity:
    """Compares maps of the page with those of the full features.

    Args:
        full: Features of the images of `model`, in the same order. With one image, its maps over
            itself are compared.
    """
    n_points = POINTS_OF_AN_IMAGE[model.similarity]
    points = [_spread(of_image.grid, n_points) for of_image in full]
    within = []
    error, low, high = 0.0, np.inf, -np.inf
    for source, cells in enumerate(points):
        for target in _targets(source, len(full)):
            exact, page = _both(full, model, source, cells, target)
            within.append(_near(exact, page, full[target].grid, model.maps[target].grid))
            at_page = _at(full[target].grid, model.maps[target].grid)
            error = max(error, float(np.abs(page[:, at_page] - exact).max()))
            low, high = min(low, float(exact.min())), max(high, float(exact.max()))
    near = np.concatenate(within)
    span = 1.0 if model.similarity == "dot" else (high - low or 1.0)
    coarser = any(m.grid != f.grid for m, f in zip(model.maps, full, strict=True))
    n_all = sum(map(len, points))
    return Fidelity(float(near.mean()), error / span, span, n_all, len(near), coarser)


def _targets(source: int, n_images: int) -> list[int]:
    """The images that follow a source in a circle, at most so many as are measured."""
    n = min(n_images - 1, _TARGETS_OF_AN_IMAGE)
    return [(source + 1 + i) % n_images for i in range(n)] or [source]


def _spread(grid: Grid, n_points: int) -> Int[np.ndarray, "q"]:
    """Cells of a regular square lattice that leaves the border out."""
    n = int(np.sqrt(n_points))
    rows, columns = (
        np.unique(((np.arange(n) + 0.5) / n * size).astype(int))
        for size in (grid.height, grid.width)
    )
    return np.asarray((rows[:, None] * grid.width + columns).reshape(-1))


def _both(
    full: Sequence[CachedMap],
    model: QuantisedModel,
    source: int,
    cells: Int[np.ndarray, "q"],
    target: int,
) -> tuple[Float32[np.ndarray, "q n"], Float32[np.ndarray, "q m"]]:
    """Maps of source cells over a target: of full features, and of the page."""
    from kapbench.features.match import similarity  # torch: a page may be read without it

    exponents = np.full(len(cells), full[source].exponent)
    queries = full[source].cells[cells]
    exact = similarity(queries, full[target], model.similarity, exponents=exponents)
    same = _at(full[source].grid, model.maps[source].grid)[cells]
    return exact, model.similarities(source, same, target)


def _at(grid: Grid, coarser: Grid) -> Int[np.ndarray, "n"]:
    """The cell of the coarser grid at the centre of each cell of a grid over the same box."""
    x, y = grid.centres()
    return coarser.cell_of(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))


def _near(
    exact: Float32[np.ndarray, "q n"], page: Float32[np.ndarray, "q m"], grid: Grid, coarser: Grid
) -> Float32[np.ndarray, "q"]:
    """1 where the best cells' centres lie within one cell of the page, by column and by row."""
    (x, y), (page_x, page_y) = grid.centres(), coarser.centres()
    best, page_best = exact.argmax(axis=1), page.argmax(axis=1)
    dx = np.abs(x[best % grid.width] - page_x[page_best % coarser.width])
    dy = np.abs(y[best // grid.width] - page_y[page_best // coarser.width])
    width, height = coarser.cell_size
    near = (dx <= width * (1 + TIE_CELLS)) & (dy <= height * (1 + TIE_CELLS))
    return np.asarray(near, np.float32)
