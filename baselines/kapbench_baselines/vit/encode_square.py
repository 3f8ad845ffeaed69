"""Letterboxed pictures through a network that answers with one square map each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.models.letterbox import Padding
from kapbench.protocols import Condition, Similarity
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.gpu_transfer import on_host
from kapbench_baselines.vit.facets import Facet
from kapbench_baselines.vit.preset_table import Preset
from kapbench_baselines.vit.shown_square import ShownSquare, known_padding


class SquareEncoder:
    """A network of any architecture, by its name elsewhere: what `hf:` and `timm:` share.

    A subclass calls `choose`, sets trained_on and image_px, calls `declare`, and has `maps`.
    """

    conditions_on: tuple[Condition, ...] = ()
    similarity: Similarity = "dot"
    supervision: str = "none"
    licence: str | None = None
    trained_on: str
    name: str
    device: str
    layer: int
    facet: Facet
    image_px: int
    normed: bool
    squaring: Padding = "centre-black"  # `padding` is a grey level in ModelInfo

    def choose(
        self, name: str, device: str, layer: int, facet: Facet, padding: str, normed: bool
    ) -> None:
        """Takes the user's choices. KapbenchError: the padding is unknown."""
        self.name, self.device, self.layer = name, device, int(layer)
        self.facet, self.normed = facet, normed
        self.squaring = known_padding(padding, name)

    def publish(self, preset: Preset, side: int) -> None:
        """Declares what is published of a preset.

        Raises:
            KapbenchError: a letterbox of this side does not hold whole patches.
        """
        family = preset.family
        self.trained_on, self.supervision = family.trained_on, family.supervision
        self.licence = preset.licence
        if side < preset.patch or side % preset.patch:
            near = max(1, round(side / preset.patch)) * preset.patch
            raise KapbenchError(
                f"{side} px is not a multiple of the patch of {preset.patch} px",
                place=preset.name,
                fix=f"Choose another image_px, e.g. {near}",
            )

    def declare(self, origin: str, more: str = "") -> None:
        """Sets revision and options.

        Args:
            origin: Hash of the weights.
            more: What else shapes the output.
        """
        more = f"{self.shown.suffix}{more}"
        chosen = "" if self.facet == "token" else f"-{self.facet}"
        chosen += "-normed" if self.normed else ""
        self.revision = f"{origin[:12]}-{self.image_px}px-layer{self.layer}{chosen}{more}"
        self.options = {
            "layer": self.layer,
            "facet": self.facet,
            "image_px": self.image_px,
            **self.shown.options,
        } | ({"normed": True} if self.normed else {})

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, n as the network makes it of image_px."""
        return encode(pictures, self.shown, self.maps, self.shown.grid, self.device)

    @property
    def padding(self) -> int:
        return self.shown.level

    @property
    def shown(self) -> ShownSquare:
        return ShownSquare(self.image_px, self.squaring)

    def maps(self, images: Tensor) -> Tensor:
        """The facet [b c n n] of uint8 images [b 3 h w]."""
        raise NotImplementedError


def encode(
    pictures: Sequence[Picture],
    shown: ShownSquare,
    maps: Callable[[Tensor], Tensor],
    grid: Callable[[tuple[int, int], int], Grid],
    device: str,
) -> list[FeatureMap]:
    """
    Args:
        shown: The square that pictures are made, where they are not prepared.
        maps: [b c n n] of uint8 images [b 3 side side].
        grid: Where the n × n cells lie on an image of a size (w, h).
    """
    squares = [p.prepared if p.prepared is not None else shown.picture(p) for p in pictures]
    with torch.inference_mode():
        values = on_host(squares, maps, device)
    return [FeatureMap(v, grid(p.size, v.shape[-1])) for v, p in zip(values, pictures, strict=True)]


def normalised(
    images: Tensor, mean: Sequence[float], std: Sequence[float], factor: float = 1 / 255
) -> Tensor:
    """(levels · factor - mean) / std of [b 3 h w], per channel."""
    centre, spread = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (mean, std))
    return (images.float() * factor - centre) / spread


def tiling(maps: Tensor, side: int, name: str, cell: int | None = None) -> Tensor:
    """The maps of an unknown network as they are.

    Args:
        cell: Side of the network's cells, px; None: some power of two, as convolutions have it.

    Raises:
        KapbenchError: the cells are not squares that fill the letterbox.
    """
    height, width = maps.shape[-2:]
    size = side // width
    fits = size.bit_count() == 1 if cell is None else size == cell
    if height != width or side % width or not fits:
        raise KapbenchError(
            f"{height}×{width} cells do not tile a square of {side} px",
            place=name,
            fix=f"Choose an image_px that is a multiple of {cell or 'the patch or stride'}",
        )
    return maps


def unreadable(side: int, name: str, error: Exception) -> KapbenchError:
    """What a network says of images that it was not made for."""
    fix = "Leave image_px out, or choose a multiple of the patch"
    if isinstance(error, TypeError):  # another signature
        fix = "This network needs more than pixels: write an adapter, a class with encode()"
    message = f"Images of {side} px cannot be read: {str(error).strip().splitlines()[0]}"
    return KapbenchError(message, place=name, fix=fix)
