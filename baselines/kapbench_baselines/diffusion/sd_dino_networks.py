"""The networks of SD+DINO: Stable Diffusion 1.5, DINOv2-B, and ODISE's captioner."""

import torch
from torch import Tensor

from kapbench.types import Picture
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.captioner import Captioner, Captions
from kapbench_baselines.diffusion.encoder import Reader, dtype_on
from kapbench_baselines.diffusion.read_settings import Reading
from kapbench_baselines.vit.dinov2 import PATCH, vitb14
from kapbench_baselines.vit.frozen_vit import FrozenViT
from kapbench_baselines.vit.overlapping_patches import check_fit

TRAINED_ON = "LAION image-text pairs"
WITH_DINO = f"{TRAINED_ON}; LVD-142M images"


class CaptionedReader:
    """Stable Diffusion 1.5, with ODISE's captioner in the place of the prompt or without.

    Args:
        name: For errors.
        weights: Stable Diffusion's, see `diffusion.encoder.Reader`.
        captions: None: the prompt of `reading`.
        beside: Bytes of other networks in memory.

    Raises:
        KapbenchError: weights are missing or do not fit; memory does not suffice.
    """

    def __init__(
        self,
        name: str,
        weights: str | None,
        reading: Reading,
        captions: Captions | None,
        device: str,
        beside: int = 0,
    ) -> None:
        if captions is not None:
            n_numbers = memory_check.numbers(captions.clip_folder, memory_check.CLIP_L)
            beside += n_numbers * dtype_on(device).itemsize
        self._reader = Reader("v15", name, weights, reading, device, beside)
        self._captioner: Captioner | None = None
        if captions is not None:
            self._captioner = Captioner(captions, device, self._reader.dtype)

    @property
    def revisions(self) -> tuple[str, str | None]:
        """Of Stable Diffusion and its reading, and of the captioner."""
        return self._reader.revision, self._captioner.revision if self._captioner else None

    @property
    def options(self) -> dict[str, str]:
        """For the run card: which CLIP the captioner sees with, if there is a captioner."""
        return {} if self._captioner is None else {"clip": self._captioner.clip}

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each layer, coarse to fine."""
        return self._reader.network.channels

    def layers(self, picture: Picture) -> list[Tensor]:
        """Stable Diffusion's decoder layers [c h w], coarse to fine."""
        return self._reader.layers(picture, self._captioner)


def with_dino(
    name: str,
    weights: str | None,
    reading: Reading,
    captions: Captions | None,
    dino_weights: str | None,
    dino_px: int,
    device: str,
) -> tuple[CaptionedReader, FrozenViT]:
    """Stable Diffusion, and DINOv2-B on a letterbox of `dino_px`; see `CaptionedReader`."""
    check_fit(name, int(dino_px), PATCH, PATCH)  # before any weights are looked for
    beside = memory_check.numbers(dino_weights, memory_check.DINOV2_B) * torch.float32.itemsize
    reader = CaptionedReader(name, weights, reading, captions, device, beside)
    return reader, vitb14(dino_weights, image_px=dino_px, device=device)
