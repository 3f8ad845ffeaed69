"""How an image is shown to the UNet and what is read from it: published choices as presets."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from kapbench.errors import KapbenchError
from kapbench.storage import fingerprint

Frame = Literal["letterbox", "stretch"]
Latents = Literal["mean", "sample"]

# Decoder blocks by the names of the methods that read them. "up1": the output of diffusers'
# up_blocks[1], upsampler included; "up1.1": of its second layer, before the upsampler.
BLOCKS = {
    "dift": "up1",  # Tang et al. 2023
    "sd-dino": "up0.1,up1.1,up2.1",  # Zhang et al. 2023: the inputs of LDM's output blocks 2, 5, 8
}


@dataclass(frozen=True, slots=True)
class Reading:
    """
    Args:
        blocks: Decoder blocks, with commas between them, or a key of BLOCKS.
        timestep: Of the noise, 0 to 999.
        ensemble: Draws of noise whose features are averaged.
        prompt: May hold "{category}"; the model conditions on it then.
        seed: Of the noise, which is the same for every image and device.
        image_px: Side of the square that the image is put in.
        window: Side of square windows that are read one by one, px; overlaps are averaged.
            None: the image at once.
        frame: letterbox, or stretch to the square.
        latents: Mean of the VAE's posterior, or a sample.
        freeu: Whether the decoder amplifies and attenuates as `diffusion.freeu` says; of layers
            that the next layer of the decoder reads.
    """

    blocks: str = "sd-dino"
    timestep: int = 100
    ensemble: int = 1
    prompt: str = ""
    seed: int = 42
    image_px: int = 960
    window: int | None = 512
    frame: Frame = "letterbox"
    latents: Latents = "mean"
    freeu: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Each block by its own name."""
        return tuple(n.strip() for n in BLOCKS.get(self.blocks, self.blocks).split(","))

    @property
    def seen_px(self) -> int:
        """Side of what the network sees at once."""
        return min(self.window or self.image_px, self.image_px)

    @property
    def looks_at_category(self) -> bool:
        return "{category}" in self.prompt

    @property
    def digest(self) -> str:
        """Of all fields, in the order that stored features are named by: add a field at the end."""
        return fingerprint(
            self.blocks,
            self.timestep,
            self.ensemble,
            self.prompt,
            self.seed,
            self.image_px,
            self.window,
            self.frame,
            self.latents,
            *(["freeu-1"] if self.freeu else []),
        )

    def changed(self, name: str, options: dict[str, Any]) -> "Reading":
        """A copy with what is not None replaced.

        Raises:
            KapbenchError: a value that cannot be.
        """
        changed = replace(self, **{k: v for k, v in options.items() if v is not None})
        for problem, fix in changed._problems():
            raise KapbenchError(problem, place=name, fix=fix)
        return changed

    def _problems(self) -> list[tuple[str, str]]:
        cells = 64  # px of the coarsest cell
        return [
            (problem, fix)
            for wrong, problem, fix in (
                (not 0 <= self.timestep < 1000, f"timestep={self.timestep}", "give 0 to 999"),
                (self.ensemble < 1, f"ensemble={self.ensemble}", "give 1 or more"),
                (
                    self.image_px < cells or self.image_px % cells,
                    f"image_px={self.image_px}",
                    f"give a multiple of {cells}",
                ),
                (
                    self.window is not None and (self.window < cells or self.window % cells),
                    f"window={self.window}",
                    f"give a multiple of {cells}, or none",
                ),
            )
            if wrong
        ]


SD_DINO = Reading()
DIFT = Reading(
    blocks="dift",
    timestep=261,
    ensemble=8,
    prompt="a photo of a {category}",
    image_px=768,
    window=None,
    frame="stretch",
    latents="sample",
)
