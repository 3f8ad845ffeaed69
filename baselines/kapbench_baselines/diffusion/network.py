"""One forward pass of the UNet over noised latents, and what its decoder blocks answer."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench_baselines.diffusion import freeu
from kapbench_baselines.diffusion.pipeline_files import Parts
from kapbench_baselines.diffusion.read_settings import Reading

TEXT_TOKENS = 77


class _Enough(Exception):  # noqa: N818  nothing went wrong
    """All blocks have answered; the rest of the UNet need not run."""


class Diffusion:
    """The frozen networks of one release, read in one way.

    Args:
        name: For errors.

    Raises:
        KapbenchError: a block that the UNet does not have.
    """

    def __init__(self, parts: Parts, reading: Reading, name: str, device: str) -> None:
        self.parts, self.reading, self.device = parts, reading, device
        self._modules = [block(parts.unet, n, name) for n in reading.names]
        for net in (parts.unet, parts.vae, parts.text_encoder):
            net.to(device)
        self.dtype: torch.dtype = parts.unet.dtype
        self._states: dict[str, Tensor] = {}

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each block's map."""
        widths = self.parts.unet.config.block_out_channels[::-1]
        return tuple(int(widths[int(n.partition(".")[0][2:])]) for n in self.reading.names)

    def states(self, prompt: str) -> Tensor:
        """[1 77 c]: what the text encoder says of a prompt."""
        if prompt not in self._states:
            words = self.parts.tokenizer(
                [prompt],
                padding="max_length",
                max_length=TEXT_TOKENS,
                truncation=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                output = self.parts.text_encoder(words.input_ids.to(self.device))
            self._states[prompt] = output.last_hidden_state
        return self._states[prompt]

    def maps(
        self, image: Tensor, states: Tensor, more_time: Tensor | None = None, batch: int = 1
    ) -> list[Tensor]:
        """Each block's map [c h w] of a uint8 image [3 s s], mean over the ensemble; float32.

        Args:
            states: [1 77 c].
            more_time: [1 e], added to the embedding of the timestep.
            batch: Draws of noise that go through the UNet together.
        """
        reading = self.reading
        generator = torch.Generator().manual_seed(reading.seed)
        sums: list[Tensor] = []
        with torch.inference_mode():
            mean, deviation = self._posterior(image)
            shape = (1, *mean.shape[1:])
            for start in range(0, reading.ensemble, batch):
                n = min(batch, reading.ensemble - start)
                drawn = [self._draw(mean, deviation, generator, shape) for _ in range(n)]
                noisy = torch.cat(drawn).to(self.dtype)
                layers = self.read(noisy, states.expand(n, -1, -1), more_time)
                one = [f.float().sum(0) for f in layers]
                sums = [a + b for a, b in zip(sums, one, strict=True)] if sums else one
        return [total / reading.ensemble for total in sums]

    def _posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [1 c h w] of the scaled latents."""
        pixels = image[None].to(self.device, self.dtype) / 127.5 - 1
        latents = self.parts.vae.encode(pixels).latent_dist
        scale = self.parts.vae.config.scaling_factor
        return latents.mean.float() * scale, latents.std.float() * scale

    def _draw(
        self, mean: Tensor, deviation: Tensor, generator: torch.Generator, shape: Sequence[int]
    ) -> Tensor:
        """Noised latents; drawn on the CPU, so that they are the same on every device."""
        latents = mean
        if self.reading.latents == "sample":
            latents = mean + deviation * torch.randn(shape, generator=generator).to(self.device)
        noise = torch.randn(shape, generator=generator).to(self.device)
        at = torch.tensor([self.reading.timestep], device=self.device)
        return torch.as_tensor(self.parts.scheduler.add_noise(latents, noise, at))

    def read(self, noisy: Tensor, states: Tensor, more_time: Tensor | None = None) -> list[Tensor]:
        """Each block's map [n c h w] of noised latents [n 4 h w].

        Args:
            states: [n 77 c].
            more_time: See `maps`.
        """
        unet = self.parts.unet
        outputs: dict[int, Tensor] = {}

        def keep(number: int) -> Any:
            def hook(_module: Any, _inputs: Any, answer: Any) -> None:
                outputs[number] = answer[0] if isinstance(answer, tuple) else answer
                if len(outputs) == len(self._modules):
                    raise _Enough

            return hook

        hooks = [m.register_forward_hook(keep(i)) for i, m in enumerate(self._modules)]
        if more_time is not None:
            embedding = unet.time_embedding
            hooks.append(embedding.register_forward_hook(lambda _m, _g, out: out + more_time))
        if self.reading.freeu:
            hooks += freeu.hooks(unet)
        try:
            unet(noisy, self.reading.timestep, states, return_dict=False)
        except _Enough:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        maps = [outputs[i] for i in range(len(self._modules))]
        return [freeu.as_returned(m, unet) for m in maps] if self.reading.freeu else maps


LEVELS, LAYERS = 4, 3  # of every release's decoder


def check_names(names: Sequence[str], place: str) -> None:
    """Before weights are looked for.

    Raises:
        KapbenchError: a block that no Stable Diffusion has.
    """
    for name in names:
        parsed = re.fullmatch(r"up(\d+)(?:\.(\d+))?", name)
        if parsed is None or int(parsed[1]) >= LEVELS or int(parsed[2] or 0) >= LAYERS:
            raise _no_block(name, LEVELS, place)


def block(unet: Any, name: str, place: str) -> Any:
    """The module whose output a block's name means.

    Raises:
        KapbenchError: the UNet has no such block.
    """
    parsed = re.fullmatch(r"up(\d+)(?:\.(\d+))?", name)
    blocks = unet.up_blocks
    if parsed and int(parsed[1]) < len(blocks):
        block = blocks[int(parsed[1])]
        if parsed[2] is None:
            return block
        # A layer is a residual block and, but in the coarsest, the attention behind it.
        layers = getattr(block, "attentions", None) or block.resnets
        if int(parsed[2]) < len(layers):
            return layers[int(parsed[2])]
    raise _no_block(name, len(blocks), place)


def _no_block(name: str, levels: int, place: str) -> KapbenchError:
    return KapbenchError(
        f"There is no block '{name}'",
        place=place,
        fix=f"Write up0 to up{levels - 1}, or a layer of one as up1.1; commas between several; "
        "or dift, or sd-dino",
    )
