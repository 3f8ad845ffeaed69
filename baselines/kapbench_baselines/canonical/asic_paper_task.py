"""asic with the published objective without its perceptual reconstruction (`--preset paper-like`)."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kapbench_baselines.canonical import asic_losses
from kapbench_baselines.canonical.heads import CategoryHeads
from kapbench_baselines.canonical.losses import mutual_matches
from kapbench_baselines.canonical.settings import AsicPaperSettings
from kapbench_baselines.canonical.square_views import parts_of
from kapbench_baselines.canonical.warps import WarpedTokens
from kapbench_baselines.training.data_parallel import map_in_parallel


@dataclass(frozen=True)
class Flowing:
    """One view of each of b images: where its pixels lie in the atlas, and which are the object's."""

    tokens: Float[Tensor, "b t c"]
    on_object: Bool[Tensor, "b t"]
    offsets: Float[Tensor, "b s s 2"]
    flow: Float[Tensor, "b s s 2"]
    mask: Float[Tensor, "b s s"]


class AsicPaperTask:
    """Each step: pairs of images of one category, each image also warped."""

    main = "heads"
    names = ("match", "equivariance", "variation", "parts", "mask")

    def __init__(
        self,
        data: WarpedTokens,
        settings: AsicPaperSettings,
        n_categories: int,
        seed: int,
        device: str,
    ) -> None:
        torch.manual_seed(seed)
        self._data, self._settings, self._device = data, settings, torch.device(device)
        self.heads = CategoryHeads(**self.shape(n_categories)).to(device)
        nn.init.zeros_(self.heads.second)  # the flow begins as the identity
        size = settings.image_px
        atlas = torch.randn(n_categories, 1, size, size) * 0.1
        self.atlas = nn.ParameterList([nn.Parameter(atlas.to(device))])
        self.modules: dict[str, nn.Module] = {"heads": self.heads, "atlas": self.atlas}
        self._part = parts_of(
            data.tokens[:, 0], data.on_object[:, 0], data.category.tolist(), settings.n_parts
        )

    def shape(self, n_categories: int) -> dict[str, Any]:
        """What builds the heads again."""
        return {
            "channels": int(self._data.tokens.shape[-1]),
            "width": self._settings.width,
            "sphere": False,
            "free": True,
            "residual": True,
            "n_dimensions": 2,
            "n_categories": n_categories,
        }

    def prepare(self) -> None:
        self.heads.standardise(self._data.tokens[:, 0].to(self._device))

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        images = self._images(generator)
        n_warps = self._data.tokens.shape[1] - 1
        warp = 1 + torch.randint(n_warps, images.shape, generator=generator)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            plain = self._flow(images, torch.zeros_like(images), parts)
            of_warped = self._flow(images, warp, parts)
        warped = self._warped(plain.flow, images, warp)
        atlas = self.atlas[0][self._data.category[images]]
        reconstruct = asic_losses.mask_reconstruction
        masks = (
            reconstruct(atlas, plain.flow, plain.mask),
            reconstruct(atlas, of_warped.flow, of_warped.mask),
        )
        part = self._nearest(self._part[images].to(self._device)[..., None].float())[..., 0]
        return torch.stack(
            [
                self._match(plain),
                asic_losses.equivariance(of_warped.flow, warped, of_warped.mask * plain.mask),
                asic_losses.smoothness(plain.offsets),
                asic_losses.part_spread(
                    plain.flow, part.long(), self._settings.n_parts + 1, plain.mask
                ),
                (masks[0] + masks[1]) / 2,
            ]
        )

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        weights = self._settings.weights
        return (values * values.new_tensor([weights[name] for name in self.names])).sum()

    def _images(self, generator: torch.Generator) -> Int[Tensor, "b"]:
        """Sources and then targets, drawn with replacement from one category."""
        category = self._data.category
        one = torch.randint(len(category), (), generator=generator)
        of_it = torch.where(category == category[one])[0]
        n_images = self._settings.batch // 2 * 2
        return of_it[torch.randint(len(of_it), (n_images,), generator=generator)]

    def _flow(self, images: Tensor, view: Tensor, parts: int) -> Flowing:
        data, device = self._data, self._device
        tokens = data.tokens[images, view].to(device, torch.float32)
        on_object = data.on_object[images, view].to(device)
        points = map_in_parallel(self.heads, tokens, data.category[images].to(device), parts=parts)
        offsets = self._fine(points.float())
        line = torch.linspace(-1, 1, self._settings.image_px, device=device)
        identity = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
        mask = self._nearest(on_object[..., None].float())[..., 0]
        return Flowing(tokens, on_object, offsets, offsets + identity, mask)

    def _warped(
        self, flow: Float[Tensor, "b s s 2"], images: Tensor, warp: Tensor
    ) -> Float[Tensor, "b s s 2"]:
        """What an image's flow becomes when it is warped as the image was."""
        read = self._fine(self._data.xy[images, warp].to(self._device))
        taken = functional.grid_sample(flow.permute(0, 3, 1, 2), read, align_corners=False)
        return taken.permute(0, 2, 3, 1)

    def _match(self, plain: Flowing) -> Float[Tensor, ""]:
        n_pairs = len(plain.tokens) // 2
        one, two = plain.tokens[:n_pairs], plain.tokens[n_pairs:]
        one_on, two_on = plain.on_object[:n_pairs], plain.on_object[n_pairs:]
        match, mutual = mutual_matches(one, two, one_on, two_on)
        sources, targets = [], []
        for pair in range(n_pairs):
            source, target = asic_losses.mutual(mutual[pair], match[pair])
            sources.append(self._at_tokens(plain.flow[pair])[source])
            targets.append(self._at_tokens(plain.flow[n_pairs + pair])[target])
        return asic_losses.two_way(sources, targets)

    def _at_tokens(self, flow: Float[Tensor, "s s 2"]) -> Float[Tensor, "t 2"]:
        grid = self._data.grid
        at = functional.interpolate(flow.permute(2, 0, 1)[None], (grid, grid), mode="bilinear")
        return at[0].flatten(1).T

    def _fine(self, values: Float[Tensor, "b t d"]) -> Float[Tensor, "b s s d"]:
        return self._resized(values, "bilinear")

    def _nearest(self, values: Float[Tensor, "b t d"]) -> Float[Tensor, "b s s d"]:
        return self._resized(values, "nearest")

    def _resized(self, values: Float[Tensor, "b t d"], mode: str) -> Float[Tensor, "b s s d"]:
        grid, size = self._data.grid, (self._settings.image_px,) * 2
        maps = values.transpose(1, 2).reshape(len(values), -1, grid, grid)
        return functional.interpolate(maps, size, mode=mode).permute(0, 2, 3, 1)
