"""The sphere as the shared training loop sees it."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper
from kapbench_baselines.sphere.objective import draw_batch, terms, weighted
from kapbench_baselines.sphere.settings import NAMES, Settings
from kapbench_baselines.sphere.views import TokenViews
from kapbench_baselines.training.data_parallel import map_in_parallel


class SphereTask:
    main = "mapper"
    names = NAMES

    def __init__(
        self, views: TokenViews, settings: Settings, n_categories: int, seed: int, device: str
    ) -> None:
        torch.manual_seed(seed)  # initial weights and dropout
        channels = int(views.tokens.shape[-1])
        self.mapper = SphereMapper(
            channels,
            settings.width,
            settings.heads,
            settings.depth,
            settings.dropout,
            settings.normed,
        ).to(device)
        self.decoder = PrototypeDecoder(channels, n_categories).to(device)
        self.modules: dict[str, nn.Module] = {"mapper": self.mapper, "decoder": self.decoder}
        self._views, self._settings, self._device = views, settings, torch.device(device)

    def prepare(self) -> None:
        if self._settings.standardise:
            self.mapper.standardise(self._views.tokens[::5, ::5].to(self._device))

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        batch = draw_batch(self._views, self._settings, generator, self._device)
        mapper, decoder = (
            partial(map_in_parallel, m, parts=parts) for m in (self.mapper, self.decoder)
        )
        return terms(batch, mapper, decoder, self._settings.losses, generator, bf16=bf16)

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        return weighted(values, self._settings.losses)
