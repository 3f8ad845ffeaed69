"""dve and asic as the shared training loop sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kapbench_baselines.canonical import losses
from kapbench_baselines.canonical.heads import CategoryHeads
from kapbench_baselines.canonical.settings import Settings
from kapbench_baselines.canonical.warps import WarpedTokens
from kapbench_baselines.training.data_parallel import map_in_parallel

ATLAS_CELLS = 16


@dataclass(frozen=True)
class Drawn:
    """Some tokens of one view of each of b images."""

    tokens: Float[Tensor, "b n c"]
    xy: Float[Tensor, "b n 2"]
    on: Bool[Tensor, "b n"]
    category: Int[Tensor, "b"]


class _Task:
    main = "heads"
    names: tuple[str, ...] = ()
    sphere = True
    n_dimensions = 3

    def __init__(
        self, data: WarpedTokens, settings: Settings, n_categories: int, seed: int, device: str
    ) -> None:
        torch.manual_seed(seed)
        self._data, self._settings, self._device = data, settings, torch.device(device)
        self.channels = int(data.tokens.shape[-1])
        self.heads = CategoryHeads(**self.shape(n_categories)).to(device)
        self.modules: dict[str, nn.Module] = {"heads": self.heads}

    def shape(self, n_categories: int) -> dict[str, Any]:
        """What builds the heads again."""
        return {
            "channels": self.channels,
            "width": self._settings.width,
            "sphere": self.sphere,
            "n_dimensions": self.n_dimensions,
            "n_categories": n_categories,
        }

    def prepare(self) -> None:
        on = self._data.on_object[:, 0]
        self.heads.standardise(self._data.tokens[:, 0][on].to(self._device))

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        weights: Mapping[str, float] = self._settings.weights
        return (values * values.new_tensor([weights[name] for name in self.names])).sum()

    def _points(self, drawn: Drawn, parts: int) -> Tensor:
        return map_in_parallel(self.heads, drawn.tokens, drawn.category, parts=parts)

    def _draw(self, image: Tensor, view: Tensor, generator: torch.Generator) -> Drawn:
        """Random tokens, those on the object first."""
        data, device = self._data, self._device
        on = data.on_object[image, view]
        lot = torch.rand(on.shape, generator=generator) + (~on).float()
        kept = lot.argsort(1)[:, : self._settings.tokens]
        rows, views = image[:, None], view[:, None]
        return Drawn(
            data.tokens[rows, views, kept].to(device, torch.float32),
            data.xy[rows, views, kept].to(device),
            on.gather(1, kept).to(device),
            data.category[image].to(device),
        )

    def _two_views(self, generator: torch.Generator) -> tuple[Drawn, Drawn]:
        """Two different views of each of some images."""
        n_images, n_views = self._data.tokens.shape[:2]
        image = torch.randint(n_images, (self._settings.batch,), generator=generator)
        first = torch.randint(n_views, image.shape, generator=generator)
        apart = torch.randint(1, n_views, image.shape, generator=generator)
        second = (first + apart) % n_views
        return self._draw(image, first, generator), self._draw(image, second, generator)

    def _logits(self, one: Drawn, two: Drawn, parts: int) -> Tensor:
        points = self._points(one, parts), self._points(two, parts)
        logits = losses.closeness(*points, sphere=self.sphere) / self._settings.temperature
        return logits.masked_fill(~two.on[:, None], -1e4)


class DveTask(_Task):
    """Labels of a token must be those of the same spot under any warp, and of no other spot."""

    names = ("equivariance",)

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            one, two = self._two_views(generator)
            logits = self._logits(one, two, parts).float()
        return losses.expected_distance(logits, one.xy, two.xy, one.on)[None]


class AsicTask(_Task):
    """Points of a flat atlas: equal where features match, smooth, and enough to read them back."""

    names = ("match", "equivariance", "reconstruction", "variation")
    sphere, n_dimensions = False, 2

    def __init__(
        self, data: WarpedTokens, settings: Settings, n_categories: int, seed: int, device: str
    ) -> None:
        super().__init__(data, settings, n_categories, seed, device)
        cells = torch.randn(n_categories, self.channels, ATLAS_CELLS, ATLAS_CELLS) * 0.1
        self.atlas = nn.ParameterList([nn.Parameter(cells.to(device))])
        self.modules["atlas"] = self.atlas
        self._mates = [torch.where(data.category == c)[0] for c in data.category]

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            one, two = self._two_views(generator)
            warped = self._logits(one, two, parts).float()
            source, target = self._two_images(generator)
            matched = self._logits(source, target, parts).float()
            points = self._points(source, parts).float()
        nearest = torch.cdist(one.xy, two.xy).masked_fill(~two.on[:, None], torch.inf)
        gap, same = nearest.min(-1)
        near = one.on & (gap < 1.5 / self._data.grid)
        answer, mutual = losses.mutual_matches(source.tokens, target.tokens, source.on, target.on)
        atlas = self.atlas[0][source.category]
        return torch.stack(
            [
                losses.contrast(matched, answer, mutual),
                losses.contrast(warped, same, near),
                losses.reconstruction(atlas, points, source.tokens, source.on),
                self._variation(generator, parts),
            ]
        )

    def _two_images(self, generator: torch.Generator) -> tuple[Drawn, Drawn]:
        """Two images of one category each, as they are."""
        n = self._settings.batch
        image = torch.randint(len(self._mates), (n,), generator=generator)
        lots = torch.rand(n, generator=generator)
        mate = torch.stack(
            [
                self._mates[i][int(lot * len(self._mates[i]))]
                for i, lot in zip(image, lots, strict=True)
            ]
        )
        view = torch.zeros(n, dtype=torch.long)
        return self._draw(image, view, generator), self._draw(mate, view, generator)

    def _variation(self, generator: torch.Generator, parts: int) -> Float[Tensor, ""]:
        data = self._data
        image = torch.randint(len(data.tokens), (self._settings.batch,), generator=generator)
        tokens = data.tokens[image, 0].to(self._device, torch.float32)
        category = data.category[image].to(self._device)
        points = map_in_parallel(self.heads, tokens, category, parts=parts)
        return losses.variation(points, data.on_object[image, 0].to(self._device), data.grid)
