"""SD+DINO: A Tale of Two Features (Zhang et al. 2023), Sec. 3; and "SD" of the same table.

Three decoder layers of Stable Diffusion 1.5 in their joint principal components of the pair, beside
DINOv2's tokens; both of unit length, weighted, compared by Euclidean distance as published.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from kapbench.protocols import Condition, Encoder, Similarity
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap
from kapbench_baselines.diffusion.captioner import Captions
from kapbench_baselines.diffusion.joint_pca import ImageFeatures, JointPca
from kapbench_baselines.diffusion.read_settings import SD_DINO, Reading
from kapbench_baselines.diffusion.sd_dino_networks import (
    TRAINED_ON,
    WITH_DINO,
    CaptionedReader,
    with_dino,
)
from kapbench_baselines.recent_features import RecentFeatures

_KEPT_BYTES = 4 << 30
_CELLS, _FRAME_PX = 60, 840  # of the grid that SD alone is compared on: DINOv2's, as published


class SdDino:
    """SD+DINO (Zhang et al. 2023): joint PCA of the pair's diffusion features beside DINOv2's.

    Args:
        weights: Stable Diffusion 1.5, a folder in diffusers' format or a .safetensors file in the
            original layout; None: the hub's.
        dino_weights: DINOv2 ViT-B/14, see `dinov2.vitb14`.
        captioner: ODISE's checkpoint, whose captioner takes the prompt's place, as published.
            None: the empty prompt.
        clip: With a captioner, a folder with CLIP ViT-L/14 at 336 px; None: the hub's.
        clip_antialias: With a captioner, whether what CLIP sees is resized with antialiasing;
            published runs resize it without.
        alpha: Share of the diffusion features; DINOv2's is 1 - alpha.
        dims: Principal components of each layer.
        similarity: neg_l2, or dot (cosine).
        prompt, image_px, window, seed: See `diffusion.read_settings.Reading`.
        dino_px: Side of DINOv2's letterbox.

    Raises:
        KapbenchError: weights are missing or do not fit; alpha is not from 0 to 1.
    """

    supervision = "none"
    trained_on = WITH_DINO

    def __init__(
        self,
        weights: str | None = None,
        dino_weights: str | None = None,
        captioner: str | None = None,
        clip: str | None = None,
        clip_antialias: bool = False,
        alpha: float = 0.5,
        dims: int = 256,
        similarity: str = "neg_l2",
        prompt: str | None = None,
        image_px: int | None = None,
        window: int | None = None,
        seed: int | None = None,
        dino_px: int = 840,
        device: str = "cpu",
    ) -> None:
        self.name, self._device = "sd_dino", device
        self._pca = JointPca(int(dims), float(alpha), similarity)
        chosen = {"prompt": prompt, "image_px": image_px, "window": window, "seed": seed}
        reading = SD_DINO.changed(self.name, chosen)
        captions = None if captioner is None else Captions(captioner, clip, clip_antialias)
        self._diffusion, self._dino = with_dino(
            self.name, weights, reading, captions, dino_weights, dino_px, device
        )
        of_diffusion, of_captioner = self._diffusion.revisions
        self.revision = fingerprint(
            "joint-pca-1", of_diffusion, self._dino.revision, of_captioner, alpha, dims, similarity
        )
        self.conditions_on = _conditions(reading)
        own = {"alpha": alpha, "similarity": similarity, "dino_px": dino_px}
        self.options = own | _options(dims, reading, clip_antialias) | self._diffusion.options
        self._see = RecentFeatures(self._make, max_bytes=_KEPT_BYTES, at_least=2)

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """Minus the distance, or the cosine, of the fused features; on DINOv2's grid."""
        return self._pca.match(self._see(source), self._see(target), source.size, queries)

    @property
    def token_encoder(self) -> Encoder:
        """DINOv2, whose tokens are one half of the features."""
        return self._dino

    @property
    def compared_by(self) -> Similarity:
        """How the features of two cells are compared."""
        return "neg_l2" if self._pca.similarity == "neg_l2" else "dot"

    def tokens(self, picture: Picture) -> FeatureMap:
        """DINOv2's tokens, not normalised, as the pairs' features hold them."""
        features = self._see(picture)
        return FeatureMap(features.tokens.float().cpu().numpy(), features.grid)

    def _make(self, picture: Picture) -> ImageFeatures:
        [tokens] = self._dino.encode([picture])
        layers = [x.half() for x in self._diffusion.layers(picture)]
        values = torch.from_numpy(np.asarray(tokens.values)).half().to(self._device)
        return ImageFeatures(layers, values, tokens.grid)


class SdAlone:
    """SD of SD+DINO's table (Zhang et al. 2023): joint PCA of the pair's diffusion features.

    What `sd_dino` computes with `alpha=1` and `similarity=dot`, without DINOv2's weights: cosines on
    the 60×60 cells of an 840 px letterbox.

    Args:
        weights, captioner, clip, clip_antialias, dims: See `SdDino`.
        prompt, image_px, window, seed: See `diffusion.read_settings.Reading`.

    Raises:
        KapbenchError: weights are missing or do not fit.
    """

    supervision = "none"
    trained_on = TRAINED_ON

    def __init__(
        self,
        weights: str | None = None,
        captioner: str | None = None,
        clip: str | None = None,
        clip_antialias: bool = False,
        dims: int = 256,
        prompt: str | None = None,
        image_px: int | None = None,
        window: int | None = None,
        seed: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.name = "sd_dino.sd"
        self._pca = JointPca(int(dims), 1.0, "dot")
        chosen = {"prompt": prompt, "image_px": image_px, "window": window, "seed": seed}
        reading = SD_DINO.changed(self.name, chosen)
        captions = None if captioner is None else Captions(captioner, clip, clip_antialias)
        self._diffusion = CaptionedReader(self.name, weights, reading, captions, device)
        self.revision = fingerprint("sd-joint-pca-1", *self._diffusion.revisions, dims)
        self.conditions_on = _conditions(reading)
        self.options = _options(dims, reading, clip_antialias) | self._diffusion.options
        self._see = RecentFeatures(self._make, max_bytes=_KEPT_BYTES, at_least=2)

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """The cosine of the fused features."""
        return self._pca.match(self._see(source), self._see(target), source.size, queries)

    def _make(self, picture: Picture) -> ImageFeatures:
        layers = [x.half() for x in self._diffusion.layers(picture)]
        no_tokens = layers[0].new_zeros(0, _CELLS, _CELLS)
        return ImageFeatures(layers, no_tokens, Grid.letterbox(picture.size, _CELLS, _FRAME_PX))


def _conditions(reading: Reading) -> tuple[Condition, ...]:
    return ("category",) if reading.looks_at_category else ()


def _options(dims: int, reading: Reading, clip_antialias: bool) -> dict[str, Any]:
    """What the user may choose of both models, for the run card."""
    return {
        "dims": dims,
        "image_px": reading.image_px,
        "window": reading.window,
        "prompt": reading.prompt,
        "seed": reading.seed,
        "clip_antialias": clip_antialias,
    }
