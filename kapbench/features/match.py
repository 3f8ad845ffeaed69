"""Similarity of source cells to every cell of a target; fp16 features, fp32 arithmetic."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float16, Float32, Float64, Int, Real

from kapbench.models.cached_map import CachedMap

_ROWS_AT_A_TIME = 32


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums cut up among threads differ in their last bits: equal scores must stay equal anywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def similarity(
    queries: Float16[np.ndarray, "q c"] | Float32[np.ndarray, "q c"],
    target: CachedMap,
    kind: str,
    device: str = "cpu",
    exponents: Int[np.ndarray, "q"] | None = None,
    *,
    unit_queries: bool = True,
) -> Float32[np.ndarray, "q n"]:
    """Dot product of unit vectors, or negative Euclidean distance (`neg_l2`), to each cell.

    A feature of length 0 is similar to nothing: its products are 0.

    Args:
        exponents: Queries are queries · 2^exponents, as the cells of the target are; None: 0.
        unit_queries: Whether queries are scaled to unit length for dot products.
    """
    source = torch.from_numpy(queries).to(device).float()
    cells = torch.from_numpy(target.cells).to(device).float()
    if kind == "dot":
        if unit_queries:
            source = torch.nn.functional.normalize(source, dim=1)
        cells = torch.nn.functional.normalize(cells, dim=1)
        return np.asarray((source @ cells.T).cpu().numpy())
    powers = np.zeros(len(queries), np.int64) if exponents is None else exponents
    if not powers.any() and not target.exponent:
        return -_distances(source, cells)
    similar = np.empty((len(source), len(cells)), np.float32)
    for power in np.unique(powers):  # squares of scaled features can exceed float32
        rows, largest = np.flatnonzero(powers == power), max(int(power), target.exponent)
        near, far = math.ldexp(1, int(power) - largest), math.ldexp(1, target.exponent - largest)
        similar[rows] = np.ldexp(-_distances(source[rows] * near, cells * far), largest)
    return similar


def _distances(source: torch.Tensor, cells: torch.Tensor) -> Float32[np.ndarray, "q n"]:
    # By matrix product, a small distance of long features drowns in rounding.
    mode = "donot_use_mm_for_euclid_dist"
    return np.asarray(torch.cdist(source, cells, compute_mode=mode).cpu().numpy())


@_one_thread()
def pixel_argmax(
    queries: Float32[np.ndarray, "q c"],
    target: CachedMap,
    image_size: tuple[int, int],
    device: str = "cpu",
) -> Float64[np.ndarray, "q 2"]:
    """Pixel (x, y index) of the target image whose upsampled feature is most similar, by cosine.

    Features are interpolated bilinearly at every pixel's centre and normalised there.
    """
    width, height = image_size
    grid = target.grid
    cells = torch.from_numpy(target.cells).to(device).float()
    cells = cells.reshape(grid.height, grid.width, -1)
    along_x = _interpolation(grid.width, grid.box[0], grid.box[2], width).to(device)
    along_y = _interpolation(grid.height, grid.box[1], grid.box[3], height).to(device)
    source = torch.nn.functional.normalize(torch.from_numpy(queries).to(device).float(), dim=1)
    best = torch.full((len(source),), -torch.inf, device=device)
    place = torch.zeros(len(source), dtype=torch.int64, device=device)
    for top in range(0, height, _ROWS_AT_A_TIME):
        rows = torch.einsum("ph,hwc->pwc", along_y[top : top + _ROWS_AT_A_TIME], cells)
        pixels = torch.einsum("xw,pwc->pxc", along_x, rows).flatten(0, 1)
        highest, at = (source @ torch.nn.functional.normalize(pixels, dim=1).T).max(dim=1)
        better = highest > best
        best = torch.where(better, highest, best)
        place = torch.where(better, at + top * width, place)
    index = place.cpu().numpy()
    return np.stack([index % width, index // width], axis=1).astype(np.float64)


def features_at(
    source: CachedMap, xy: Real[np.ndarray, "q 2"], image_size: tuple[int, int]
) -> Float32[np.ndarray, "q c"]:
    """Bilinearly interpolated features at the pixels that points round to."""
    width, height = image_size
    grid = source.grid
    along_x = _interpolation(grid.width, grid.box[0], grid.box[2], width).numpy()
    along_y = _interpolation(grid.height, grid.box[1], grid.box[3], height).numpy()
    column = np.around(xy[:, 0]).astype(np.int64).clip(0, width - 1)
    row = np.around(xy[:, 1]).astype(np.int64).clip(0, height - 1)
    cells = source.cells.reshape(grid.height, grid.width, -1).astype(np.float32)
    return np.asarray(
        np.einsum("qh,qw,hwc->qc", along_y[row], along_x[column], cells, optimize=True)
    )


def interpolated(
    cells: Float16[np.ndarray, "q n c"], weights: Float64[np.ndarray, "q n"], kind: str
) -> Float32[np.ndarray, "q c"]:
    """Weighted sums of the features of n cells each; for the `kind` "dot", of their unit vectors.

    Such a sum is at most of length 1, and stays as it is, as in the published code: its similarities
    are cosines times its length, which a soft-argmax sees and an argmax does not.
    """
    features = cells.astype(np.float32)
    if kind == "dot":
        length = np.linalg.norm(features, axis=-1, keepdims=True)
        features /= np.maximum(length, np.float32(1e-12))
    return np.asarray(np.einsum("qnc,qn->qc", features, weights.astype(np.float32)))


def _interpolation(n_cells: int, start: float, end: float, n_pixels: int) -> torch.Tensor:
    """[pixels, cells] weights of linear interpolation between cells' centres, constant beyond."""
    centre = (torch.arange(n_pixels, dtype=torch.float64) + 0.5 - start) / (end - start) * n_cells
    place = (centre - 0.5).clamp(0, n_cells - 1)
    low = place.floor().long().clamp(max=max(n_cells - 2, 0))
    weight = (place - low).float()
    out = torch.zeros(n_pixels, n_cells)
    out.scatter_(1, low[:, None], (1 - weight)[:, None])
    out.scatter_add_(1, (low + 1).clamp(max=n_cells - 1)[:, None], weight[:, None])
    return out


def distinct(
    cells: Int[np.ndarray, "q"], images: Int[np.ndarray, "q"]
) -> tuple[Int[np.ndarray, "d"], Int[np.ndarray, "q"]]:
    """First index of each distinct (image, cell), and which of them each query is.

    Maps are computed once per distinct cell and copied: equal cells then tie exactly.
    """
    both = np.stack([images, cells], axis=1)
    _, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)
