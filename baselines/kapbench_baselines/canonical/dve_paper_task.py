"""dve with the published objective (`--preset paper`), for the shared training loop."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kapbench_baselines.canonical import losses
from kapbench_baselines.canonical.heads import CategoryHeads
from kapbench_baselines.canonical.settings import DvePaperSettings
from kapbench_baselines.canonical.warps import WarpedTokens
from kapbench_baselines.training.data_parallel import map_in_parallel


class DvePaperTask:
    """Each step: images of one category, each in two views, matched by way of the next image."""

    main = "heads"
    names = ("equivariance",)

    def __init__(
        self,
        data: WarpedTokens,
        settings: DvePaperSettings,
        n_categories: int,
        seed: int,
        device: str,
    ) -> None:
        torch.manual_seed(seed)
        self._data, self._settings, self._device = data, settings, torch.device(device)
        self.heads = CategoryHeads(**self.shape(n_categories)).to(device)
        self.modules: dict[str, nn.Module] = {"heads": self.heads}
        numbers = data.category.bincount(minlength=n_categories).tolist()
        self._batches = [c for c, n in enumerate(numbers) for _ in range(settings.n_batches(n))]

    def shape(self, n_categories: int) -> dict[str, Any]:
        """What builds the heads again."""
        return {
            "channels": int(self._data.tokens.shape[-1]),
            "width": self._settings.width,
            "sphere": False,
            "free": True,
            "n_dimensions": self._settings.n_dimensions,
            "n_categories": n_categories,
        }

    def prepare(self) -> None:
        self.heads.standardise(self._data.tokens[:, 0].to(self._device))

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        images = self._images(generator)
        n_pairs = self._data.tokens.shape[1] // 2
        pair = torch.randint(n_pairs, images.shape, generator=generator)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            one, two = (self._points(images, 2 * pair + view, parts) for view in (0, 1))
        one_xy, two_xy = (
            self._data.xy[images, 2 * pair + view].to(self._device) for view in (0, 1)
        )
        loss = losses.expected_distance_through(
            one.float(), one.float().roll(-1, 0), two.float(), one_xy, two_xy
        )
        return loss[None]

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        return values[0] * self._settings.weights["equivariance"]

    def _images(self, generator: torch.Generator) -> Int[Tensor, "b"]:
        """Distinct images of one category, which is drawn as often as it has batches."""
        batch = int(torch.randint(len(self._batches), (), generator=generator))
        of_it = torch.where(self._data.category == self._batches[batch])[0]
        shuffled = of_it[torch.randperm(len(of_it), generator=generator)]
        return shuffled[: self._settings.batch]

    def _points(self, images: Tensor, views: Tensor, parts: int) -> Tensor:
        tokens = self._data.tokens[images, views].to(self._device, torch.float32)
        category = self._data.category[images].to(self._device)
        return map_in_parallel(self.heads, tokens, category, parts=parts)
