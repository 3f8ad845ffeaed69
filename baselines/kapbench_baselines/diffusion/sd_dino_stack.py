"""What GeoAware-SC's released heads read (Zhang et al. 2024): SD's layers and DINOv2's tokens."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch.nn import functional

from kapbench.protocols import Condition
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.diffusion.captioner import Captions
from kapbench_baselines.diffusion.read_settings import SD_DINO
from kapbench_baselines.diffusion.sd_dino_networks import WITH_DINO, with_dino

TIMESTEP = 50


class SdDinoStack:
    """What GeoAware-SC's released heads read: SD's three layers and DINOv2's tokens, stacked raw.

    Fine to coarse, 640 + 1280 + 1280 + 768 channels at 60×60; t = 50, with FreeU in the decoder, as
    the released code has it. `parts` says so to what is trained on it.

    Args:
        weights, dino_weights, captioner, clip, clip_antialias, dino_px: See `SdDino`.
        image_px, window: See `diffusion.read_settings.Reading`.
        freeu: See `diffusion.freeu`; the released heads were trained with it.

    Raises:
        KapbenchError: weights are missing or do not fit.
    """

    supervision = "none"
    trained_on = WITH_DINO
    similarity: Literal["dot", "neg_l2"] = "dot"
    conditions_on: tuple[Condition, ...] = ()

    def __init__(
        self,
        weights: str | None = None,
        dino_weights: str | None = None,
        captioner: str | None = None,
        clip: str | None = None,
        clip_antialias: bool = False,
        image_px: int | None = None,
        window: int | None = None,
        dino_px: int = 840,
        freeu: bool = True,
        device: str = "cpu",
    ) -> None:
        self.name = "sd_dino.stack"
        chosen = {"timestep": TIMESTEP, "image_px": image_px, "window": window, "freeu": freeu}
        reading = SD_DINO.changed(self.name, chosen)
        captions = None if captioner is None else Captions(captioner, clip, clip_antialias)
        self._diffusion, self._dino = with_dino(
            self.name, weights, reading, captions, dino_weights, dino_px, device
        )
        of_diffusion, of_captioner = self._diffusion.revisions
        self.revision = fingerprint("stack-1", of_diffusion, self._dino.revision, of_captioner)
        self.parts = (*self._diffusion.channels[::-1], self._dino.channels)
        self.options = {
            "clip_antialias": clip_antialias,
            "image_px": reading.image_px,
            "window": reading.window,
            "dino_px": dino_px,
            "freeu": freeu,
        } | self._diffusion.options

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, on DINOv2's grid."""
        maps = []
        for picture, tokens in zip(pictures, self._dino.encode(pictures), strict=True):
            size = tokens.values.shape[1:]
            layers = [
                functional.interpolate(x[None], size=size, mode="bilinear", align_corners=False)[0]
                for x in self._diffusion.layers(picture)[::-1]
            ]
            stack = np.concatenate([*(x.cpu().numpy() for x in layers), tokens.values])
            maps.append(FeatureMap(stack, tokens.grid))
        return maps
