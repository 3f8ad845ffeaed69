"""Folders that GeoAware-SC's preprocess_map.py writes: `NAME_sd.pt` and `NAME_dino.pt` of each image.

`NAME_dino.pt` is a tensor [1 768 60 60]: tokens of DINOv2 on a letterbox of 840 px. `NAME_sd.pt` is a
dictionary of Stable Diffusion's layers on the same letterbox at 960 px: s3 [1 640 60 60], s4
[1 1280 30 30], s5 [1 1280 15 15]. pck_train.py enlarges s4 and s5 bilinearly (align_corners=False) to
the cells of DINOv2, joins s3, s4, s5 and DINOv2 in this order, and, without a trained head
(DUMMY_NET), scales SD's 3,200 channels and DINOv2's 768 to unit length apart. Files `*_flip.pt` are
of mirrored images.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kapbench.errors import KapbenchError
from kapbench.models.converting.array_files import open_arrays
from kapbench.models.converting.axes import Shape, drop_batch

Part = Literal["both", "sd", "dino"]
SIDE = 840  # of the letterbox, px
LAYERS = ("s3", "s4", "s5")  # fine to coarse
ENDINGS: Mapping[Part, tuple[str, ...]] = {
    "both": ("_sd", "_dino"),
    "sd": ("_sd",),
    "dino": ("_dino",),
}


def shapes_of(paths: Mapping[str, Path], part: Part) -> Shape:
    """Channels, height and width of the features that `read` makes of an image's files.

    Raises:
        KapbenchError: a file without the layers, or with other cells than those that belong to it.
    """
    n_channels, cells = 0, None
    for ending in ENDINGS[part]:
        shapes = _shapes(paths[ending], ending)
        n_channels += sum(shape[0] for shape in shapes)
        if cells is not None and cells != shapes[0][1:]:
            raise KapbenchError(
                f"SD has {_cells(cells)} cells and DINO {_cells(shapes[0][1:])}",
                place=paths[ending],
                fix="Save both with one preprocess_map.py, or convert one: --part dino",
            )
        cells = shapes[0][1:]
    assert cells is not None
    return (n_channels, *cells)


def read(paths: Mapping[str, Path], part: Part) -> Float[np.ndarray, "c h w"]:
    """Features of one image.

    "sd" are SD's layers and "dino" DINO's tokens as stored; of "both", each is first scaled to unit
    length, so that the cosine of two cells is the mean of SD's and DINO's.
    """
    parts = [_stack(paths[ending], ending) for ending in ENDINGS[part]]
    if part != "both":
        return parts[0]
    return np.concatenate([_unit(values) for values in parts])


def _shapes(path: Path, ending: str) -> list[Shape]:
    with open_arrays(path) as arrays:
        return [drop_batch(arrays.shapes[name]) for name in _names(path, ending, arrays.shapes)]


def _names(path: Path, ending: str, shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    names = LAYERS if ending == "_sd" else ("",)
    if any(name not in shapes or len(drop_batch(shapes[name])) != 3 for name in names):
        expected = "the tensors s3, s4 and s5" if ending == "_sd" else "one tensor [1, c, h, w]"
        contents = ", ".join(f"{name or 'tensor'} {list(s)}" for name, s in shapes.items())
        raise KapbenchError(
            f"The file holds {contents or 'no tensor'}, not {expected}",
            place=path,
            fix="Convert files of GeoAware-SC's preprocess_map.py, or leave out --layout sd-dino",
        )
    return names


def _stack(path: Path, ending: str) -> Float[np.ndarray, "c h w"]:
    """The layers of a file on the cells of the first one, in its precision."""
    import torch
    from torch.nn import functional

    with open_arrays(path) as arrays:
        layers = [arrays.read(name) for name in _names(path, ending, arrays.shapes)]
        first = layers[0].reshape(drop_batch(layers[0].shape))
        if len(layers) == 1:
            return first
        enlarged = [
            functional.interpolate(
                torch.from_numpy(layer.astype(np.float32)).reshape(1, *drop_batch(layer.shape)),
                size=first.shape[1:],
                mode="bilinear",
                align_corners=False,
            )[0].numpy()
            for layer in layers[1:]
        ]
    return np.concatenate([first, *(layer.astype(first.dtype) for layer in enlarged)])


def _unit(values: Float[np.ndarray, "c h w"]) -> Float[np.ndarray, "c h w"]:
    wide = values.astype(np.float32)
    unit: np.ndarray = wide / (np.linalg.norm(wide, axis=0) + 1e-10)
    return unit.astype(values.dtype)


def _cells(shape: Shape) -> str:
    return f"{shape[0]}×{shape[1]}"
