"""SD+DINO: A Tale of Two Features (Zhang et al. 2023), Sec. 3.

Three decoder layers of Stable Diffusion 1.5 in their joint principal components of the pair, beside
DINOv2's tokens; both of unit length, weighted, compared by Euclidean distance as published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Encoder, Similarity
from kapbench.scoring.grid_geometry import source_cells
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.captioner import Captioner
from kapbench_baselines.diffusion.encoder import Reader, dtype_on
from kapbench_baselines.diffusion.joint_pca import fused, joint_pca
from kapbench_baselines.diffusion.read_settings import SD_DINO, Reading
from kapbench_baselines.recent_features import RecentFeatures
from kapbench_baselines.vit.dinov2 import PATCH, vitb14
from kapbench_baselines.vit.overlapping_patches import check_fit

_KEPT_BYTES = 4 << 30


class SdDino:
    """SD+DINO (Zhang et al. 2023): joint PCA of the pair's diffusion features beside DINOv2's.

    Args:
        weights: Stable Diffusion 1.5, a folder in diffusers' format or a .safetensors file in the
            original layout; None: the hub's.
        dino_weights: DINOv2 ViT-B/14, see `dinov2.vitb14`.
        captioner: ODISE's checkpoint, whose captioner takes the prompt's place, as published.
            None: the empty prompt.
        clip: With a captioner, a folder with CLIP ViT-L/14 at 336 px; None: the hub's.
        alpha: Share of the diffusion features; DINOv2's is 1 - alpha.
        dims: Principal components of each layer.
        similarity: neg_l2, or dot (cosine).
        prompt, image_px, window, seed: See `diffusion.reading.Reading`.
        dino_px: Side of DINOv2's letterbox.

    Raises:
        KapbenchError: weights are missing or do not fit; alpha is not from 0 to 1.
    """

    supervision = "none"
    trained_on = "LAION image-text pairs; LVD-142M images"

    def __init__(
        self,
        weights: str | None = None,
        dino_weights: str | None = None,
        captioner: str | None = None,
        clip: str | None = None,
        alpha: float = 0.5,
        dims: int = 256,
        similarity: Literal["dot", "neg_l2"] = "neg_l2",
        prompt: str | None = None,
        image_px: int | None = None,
        window: int | None = None,
        seed: int | None = None,
        dino_px: int = 840,
        device: str = "cpu",
    ) -> None:
        self.name, self._device, self._dims = "sd_dino", device, int(dims)
        if not 0 <= alpha <= 1 or dims < 1:
            raise KapbenchError(
                f"Alpha is {alpha} and dims is {dims}",
                place=self.name,
                fix="Give an alpha from 0 to 1, and dims of 1 or more",
            )
        chosen = {"prompt": prompt, "image_px": image_px, "window": window, "seed": seed}
        reading = SD_DINO.changed(self.name, chosen)
        self._networks = _Networks(
            self.name, weights, reading, dino_weights, dino_px, captioner, clip, device
        )
        self._alpha, self._similarity = float(alpha), similarity
        self.revision = fingerprint(
            "joint-pca-1", *self._networks.revisions, alpha, dims, similarity
        )
        category: tuple[Condition, ...] = ("category",)
        self.conditions_on = category if reading.looks_at_category else ()
        self.options = {
            "alpha": alpha,
            "dims": dims,
            "similarity": similarity,
            "dino_px": dino_px,
            "image_px": reading.image_px,
            "window": reading.window,
            "prompt": reading.prompt,
            "seed": reading.seed,
        }
        self._see = RecentFeatures(self._make, max_bytes=_KEPT_BYTES, at_least=2)

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """Minus the distance, or the cosine, of the fused features; on DINOv2's grid."""
        seen, aim = self._see(source), self._see(target)
        with torch.inference_mode():
            ours, theirs = self._together(seen, aim)
            cells = torch.from_numpy(
                np.asarray(source_cells(seen.grid, source.size, queries), np.int64)
            )
            similarity = self._compare(ours[:, cells.to(ours.device)].T, theirs.T)
        shape = (len(queries), aim.grid.height, aim.grid.width)
        return SimilarityMap(similarity.cpu().numpy().reshape(shape), aim.grid, queries)

    @property
    def token_encoder(self) -> Encoder:
        """DINOv2, whose tokens are one half of the features."""
        return self._networks.dino

    @property
    def compared_by(self) -> Similarity:
        """How the features of two cells are compared."""
        return self._similarity

    def tokens(self, picture: Picture) -> FeatureMap:
        """DINOv2's tokens, not normalised, as the pairs' features hold them."""
        seen = self._see(picture)
        return FeatureMap(seen.tokens.float().cpu().numpy(), seen.grid)

    def _together(self, seen: "_Seen", aim: "_Seen") -> tuple[Tensor, Tensor]:
        """Fused features [c n] of both images, rounded as a cache would hold them."""
        pairs = zip(seen.layers, aim.layers, strict=True)
        reduced = [joint_pca(a.float(), b.float(), self._dims) for a, b in pairs]
        fused_features = []
        for side, image in enumerate((seen, aim)):
            diffusion = functional.interpolate(
                fused([r[side] for r in reduced])[None],
                size=image.tokens.shape[1:],
                mode="bilinear",
                align_corners=False,
            )[0]
            both = [
                share * functional.normalize(part.flatten(1), dim=0)
                for share, part in (
                    (self._alpha, diffusion),
                    (1 - self._alpha, image.tokens.float()),
                )
            ]
            fused_features.append(torch.cat(both).half().float())
        return fused_features[0], fused_features[1]

    def _compare(self, queries: Tensor, cells: Tensor) -> Tensor:
        if self._similarity == "neg_l2":
            return -torch.cdist(queries, cells, compute_mode="donot_use_mm_for_euclid_dist")
        return functional.normalize(queries, dim=1) @ functional.normalize(cells, dim=1).T

    def _make(self, picture: Picture) -> "_Seen":
        [tokens] = self._networks.dino.encode([picture])
        layers = [x.half() for x in self._networks.layers(picture)]
        values = torch.from_numpy(np.asarray(tokens.values)).half().to(self._device)
        return _Seen(layers, values, tokens.grid)


class SdDinoStack:
    """What GeoAware-SC's released heads read: SD's three layers and DINOv2's tokens, stacked raw.

    Fine to coarse, 640 + 1280 + 1280 + 768 channels at 60×60; t = 50 (Zhang et al. 2024). `parts`
    says so to what is trained on it.

    Args:
        weights, dino_weights, captioner, clip, dino_px: See `SdDino`.
        image_px, window: See `diffusion.reading.Reading`.

    Raises:
        KapbenchError: weights are missing or do not fit.
    """

    supervision = "none"
    trained_on = SdDino.trained_on
    similarity: Literal["dot", "neg_l2"] = "dot"
    conditions_on: tuple[Condition, ...] = ()

    def __init__(
        self,
        weights: str | None = None,
        dino_weights: str | None = None,
        captioner: str | None = None,
        clip: str | None = None,
        image_px: int | None = None,
        window: int | None = None,
        dino_px: int = 840,
        device: str = "cpu",
    ) -> None:
        self.name = "sd_dino.stack"
        chosen = {"timestep": 50, "image_px": image_px, "window": window}
        reading = SD_DINO.changed(self.name, chosen)
        self._networks = _Networks(
            self.name, weights, reading, dino_weights, dino_px, captioner, clip, device
        )
        self.revision = fingerprint("stack-1", *self._networks.revisions)
        channels = self._networks.reader.network.channels
        self.parts = (*channels[::-1], self._networks.dino.channels)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, on DINOv2's grid."""
        maps = []
        for picture, tokens in zip(pictures, self._networks.dino.encode(pictures), strict=True):
            size = tokens.values.shape[1:]
            layers = [
                functional.interpolate(x[None], size=size, mode="bilinear", align_corners=False)[0]
                for x in self._networks.layers(picture)[::-1]
            ]
            stack = np.concatenate([*(x.cpu().numpy() for x in layers), tokens.values])
            maps.append(FeatureMap(stack, tokens.grid))
        return maps


class _Networks:
    """Stable Diffusion 1.5, DINOv2-B and, if there is one, the captioner; see `SdDino`."""

    def __init__(
        self,
        name: str,
        weights: str | None,
        reading: Reading,
        dino_weights: str | None,
        dino_px: int,
        captioner: str | None,
        clip: str | None,
        device: str,
    ) -> None:
        check_fit(name, int(dino_px), PATCH, PATCH)  # before any weights are looked for
        beside = _beside(dino_weights, captioner, clip, device)
        self.reader = Reader("v15", name, weights, reading, device, beside)
        self._captioner = (
            None if captioner is None else Captioner(captioner, clip, device, self.reader.dtype)
        )
        self.dino = vitb14(dino_weights, image_px=dino_px, device=device)

    @property
    def revisions(self) -> tuple[str, str, str | None]:
        learned = self._captioner.revision if self._captioner else None
        return self.reader.revision, self.dino.revision, learned

    def layers(self, picture: Picture) -> list[Tensor]:
        """Stable Diffusion's decoder layers, coarse to fine."""
        return self.reader.layers(picture, self._captioner)


def _beside(dino_weights: str | None, captioner: str | None, clip: str | None, device: str) -> int:
    """Bytes of the networks beside Stable Diffusion: DINOv2, in float32, and the captioner's CLIP."""
    dino = memory_check.numbers(dino_weights, memory_check.DINOV2_B) * torch.float32.itemsize
    if captioner is None:
        return dino
    return dino + memory_check.numbers(clip, memory_check.CLIP_L) * dtype_on(device).itemsize


@dataclass(frozen=True)
class _Seen:
    """One image: decoder layers, coarse to fine, and DINOv2's tokens [c h w]; fp16."""

    layers: list[Tensor]
    tokens: Tensor
    grid: Grid

    @property
    def n_bytes(self) -> int:
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.layers)
