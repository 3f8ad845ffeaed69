"""Stable Diffusion as an encoder of single images."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from kapbench.models.letterbox import letterboxed
from kapbench.protocols import Condition
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.network import Diffusion, check_names
from kapbench_baselines.diffusion.pipeline_files import RELEASES, find, load
from kapbench_baselines.diffusion.read_settings import DIFT, SD_DINO, Frame, Latents, Reading


class Reader:
    """A release and a reading of it: raw maps of a picture.

    Args:
        tag: v15 or v21.
        name: For errors.
        weights: A folder in diffusers' format, or a .safetensors file in the original layout with
            the folder `tokenizer` beside it; None: the hub's.
        beside: Bytes of other networks in memory.

    Raises:
        KapbenchError: diffusers or weights are missing, a block does not exist, or memory does not
            suffice.
    """

    def __init__(
        self,
        tag: str,
        name: str,
        weights: str | None,
        reading: Reading,
        device: str,
        beside: int = 0,
    ) -> None:
        check_names(reading.names, name)
        release = RELEASES[tag]
        folder, origin = find(release, weights)
        self.dtype = dtype_on(device)
        self.batch = memory_check.check(folder, reading, device, self.dtype, name, beside)
        parts = load(release, folder, origin, self.dtype)
        self.reading = reading
        self.network = Diffusion(parts, reading, name, device)
        half = "" if self.dtype == torch.float32 else "-fp16"
        self.revision = f"{origin}-{reading.digest}{half}"

    def layers(self, picture: Picture, captioner: Any = None) -> list[Tensor]:
        """Each block's map [c h w], float32, of the whole square.

        Args:
            captioner: Gives states and an addition to the time embedding for a window.
        """
        reading = self.reading
        square = torch.tensor(in_frame(picture, reading)).permute(2, 0, 1)
        side, sums, counts = reading.seen_px, list[Tensor](), list[Tensor]()
        for top, left in windows(reading.image_px, side):
            seen = square[:, top : top + side, left : left + side]
            layers = self._window(seen, picture, captioner)
            if not sums:
                n = [f.shape[-1] * reading.image_px // side for f in layers]
                sums = [f.new_zeros(len(f), k, k) for f, k in zip(layers, n, strict=True)]
                counts = [f.new_zeros(k, k) for f, k in zip(layers, n, strict=True)]
            for total, count, f in zip(sums, counts, layers, strict=True):
                cell, k = side // f.shape[-1], f.shape[-1]
                y, x = top // cell, left // cell
                total[:, y : y + k, x : x + k] += f
                count[y : y + k, x : x + k] += 1
        return [total / count for total, count in zip(sums, counts, strict=True)]

    def _window(self, seen: Tensor, picture: Picture, captioner: Any) -> list[Tensor]:
        if captioner is not None:
            states, more_time = captioner(seen, self.network.states(""))
            return self.network.maps(seen, states, more_time, self.batch)
        prompt = self.reading.prompt.format(category=picture.category)
        return self.network.maps(seen, self.network.states(prompt), batch=self.batch)


class StableDiffusion:
    """Decoder blocks of a frozen Stable Diffusion; by default those of SD+DINO (Zhang et al. 2023).

    Args:
        tag: v15 or v21.
        weights: A folder in diffusers' format, or a .safetensors file in the original layout; None:
            the hub's.
        blocks: Names with commas between them, e.g. up1 or up0.1,up1.1; or dift, or sd-dino.
            Several are each brought to unit length, resized to the finest and stacked.
        timestep, ensemble, prompt, seed, image_px, frame, latents: See `read_settings.Reading`.
        window: Side of windows that are read one by one, px; 0: the image at once.

    Raises:
        KapbenchError: diffusers or weights are missing, a block does not exist, or memory does not
            suffice.
    """

    similarity: Literal["dot", "neg_l2"] = "dot"
    supervision = "none"
    trained_on = "LAION image-text pairs"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        blocks: str | None = None,
        timestep: int | None = None,
        ensemble: int | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        image_px: int | None = None,
        window: int | None = None,
        frame: Frame | None = None,
        latents: Latents | None = None,
        device: str = "cpu",
        *,
        name: str | None = None,
        preset: Reading = SD_DINO,
    ) -> None:
        self.name = name or RELEASES[tag].name
        chosen: dict[str, Any] = {
            "blocks": blocks,
            "timestep": timestep,
            "ensemble": ensemble,
            "prompt": prompt,
            "seed": seed,
            "image_px": image_px,
            "window": window or None,
            "frame": frame,
            "latents": latents,
        }
        start = _whole(preset) if window == 0 else preset
        self.reading = start.changed(self.name, chosen)
        self._reader = Reader(tag, self.name, weights, self.reading, device)
        self.revision = fingerprint("stacked-1", self._reader.revision)
        category: tuple[Condition, ...] = ("category",)
        self.conditions_on = category if self.reading.looks_at_category else ()
        self.options = {k: v for k, v in chosen.items() if v is not None}

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, n being the cells of the finest block."""
        maps = []
        for picture in pictures:
            values = stacked(self._reader.layers(picture)).float().cpu().numpy()
            maps.append(FeatureMap(values, grid(picture.size, values.shape[-1], self.reading)))
        return maps


def dtype_on(device: str) -> torch.dtype:
    return torch.float16 if device.startswith("cuda") else torch.float32


def stacked(layers: Sequence[Tensor]) -> Tensor:
    """[c n n]: one map as it is; several at the finest's resolution, each of unit length."""
    if len(layers) == 1:
        return layers[0]
    n = max(layer.shape[-1] for layer in layers)
    same = [
        functional.interpolate(x[None], size=(n, n), mode="bilinear", align_corners=False)[0]
        for x in layers
    ]
    return torch.cat([functional.normalize(x, dim=0) for x in same])


def windows(side: int, window: int) -> list[tuple[int, int]]:
    """Tops and lefts of windows that cover a square; the last ones are moved inside."""
    starts = [min(i, side - window) for i in range(0, side, window)]
    return [(top, left) for top in starts for left in starts]


def in_frame(picture: Picture, reading: Reading) -> Any:
    """The picture as a uint8 square [s s 3]."""
    if reading.frame == "letterbox":
        return letterboxed(picture, reading.image_px)
    side = (reading.image_px, reading.image_px)
    return np.array(Image.fromarray(picture.pixels).resize(side))  # Pillow's bicubic, as published


def grid(size: tuple[int, int], n: int, reading: Reading) -> Grid:
    """Where n × n cells lie on an image (w, h)."""
    if reading.frame == "letterbox":
        return Grid.letterbox(size, n, reading.image_px)
    return Grid.stretched(size, n, n)


def _whole(reading: Reading) -> Reading:
    from dataclasses import replace

    return replace(reading, window=None)


v15 = functools.partial(StableDiffusion, "v15")
"""Stable Diffusion 1.5: the decoder layers that SD+DINO reads, without DINO."""

v21 = functools.partial(StableDiffusion, "v21", preset=SD_DINO.changed("sd.v21", {"image_px": 768}))
"""Stable Diffusion 2.1: the decoder layers that SD+DINO reads, at 768 px."""

dift = functools.partial(StableDiffusion, "v21", name="dift", preset=DIFT)
"""DIFT (Tang et al. 2023): Stable Diffusion 2.1, up block 1, t = 261, mean of 8 draws of noise."""
