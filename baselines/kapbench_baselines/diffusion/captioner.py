"""ODISE's implicit captioner (Xu et al. 2023), which the published SD+DINO runs put for a prompt.

CLIP's embedding of what is seen is turned into an addition to the states of the empty prompt, and
into one to the embedding of the timestep. Tensors are those of ODISE's checkpoints; the rest of
such a file is not read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_baselines.vit.checkpoint import hub_advice
from kapbench_baselines.vit.hub_cache import UNLOADABLE
from kapbench_baselines.vit.weights import explained, hash_of, quiet, read_json

FILE, DIGITS = "odise_label_coco_50e-b67d2efc.pth", "b67d2efc"
CLIP = "openai/clip-vit-large-patch14-336"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
KEYS = (
    "clip_project.linear.weight",
    "clip_project.linear.bias",
    "clip_project.positional_embedding",
    "alpha_cond",
    "time_embed_project.linear.weight",
    "time_embed_project.linear.bias",
    "time_embed_project.positional_embedding",
    "alpha_cond_time_embed",
)


@dataclass(frozen=True)
class Captions:
    """
    Args:
        weights: An ODISE checkpoint, e.g. odise_label_coco_50e-b67d2efc.pth, or its tensors alone.
        clip: A folder with CLIP ViT-L/14 at 336 px in transformers' format; None, or its name on
            the hub: the hub's.
        antialias: Whether what CLIP sees is resized with antialiasing; published runs resize it
            without, because torchvision 0.14 does so with tensors.
    """

    weights: str
    clip: str | None = None
    antialias: bool = False

    @property
    def clip_folder(self) -> Path | None:
        """None: the hub's."""
        if self.clip is None or self.clip == CLIP:
            return None
        return Path(self.clip).expanduser()


class Captioner:
    """
    Attributes:
        clip: CLIP's name on the hub, or the first digits of the SHA-256 of its folder's weights.

    Raises:
        KapbenchError: the file does not exist, holds more than tensors, or lacks one.
    """

    def __init__(self, captions: Captions, device: str, dtype: torch.dtype) -> None:
        path = Path(captions.weights).expanduser()
        tensors = read(path)
        self._t = {key: value.to(device, dtype) for key, value in tensors.items()}
        self._clip = _vision(captions.clip_folder).to(device, dtype)
        self._side, self._antialias = int(self._clip.config.image_size), captions.antialias
        folder = captions.clip_folder
        self.clip = CLIP if folder is None else hash_of(folder)[:12]
        resized = "" if captions.antialias else "-no-antialias"
        self.revision = f"{file_hash(path)[:12]}{resized}-{self.clip}"

    def __call__(self, seen: Tensor, empty: Tensor) -> tuple[Tensor, Tensor]:
        """States [1 77 c] and addition [1 e] for a uint8 image [3 s s].

        Args:
            empty: States of the empty prompt.
        """
        t, device, dtype = self._t, empty.device, empty.dtype
        pixels = clip_pixels(seen.to(device), self._side, antialias=self._antialias)
        with torch.inference_mode():
            embedding = self._clip(pixels.to(dtype)).image_embeds
            return (
                empty + torch.tanh(t["alpha_cond"]) * self._project("clip_project", embedding),
                torch.tanh(t["alpha_cond_time_embed"])
                * self._project("time_embed_project", embedding)[:, 0],
            )

    def _project(self, name: str, embedding: Tensor) -> Tensor:
        """[1 n c]: one linear layer, then a learned offset for each of n positions."""
        linear = functional.linear(
            embedding, self._t[f"{name}.linear.weight"], self._t[f"{name}.linear.bias"]
        )
        return linear[:, None] + self._t[f"{name}.positional_embedding"]


def clip_pixels(seen: Tensor, side: int, *, antialias: bool) -> Tensor:
    """A uint8 image [3 s s] as CLIP sees it: [1 3 side side], bicubic, normalised."""
    pixels = functional.interpolate(
        seen[None].float() / 255,
        size=(side, side),
        mode="bicubic",
        align_corners=False,
        antialias=antialias,
    )
    mean, std = (torch.tensor(v, device=seen.device).view(3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std


def read(path: Path) -> dict[str, Tensor]:
    """The captioner's tensors of a checkpoint, by their last names."""
    if not path.is_file():
        raise KapbenchError(
            "The weights do not exist",
            place=path,
            fix=f"Give {FILE} of github.com/NVlabs/ODISE (its licence; sha256 {DIGITS}…, by its name)",
        )
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged archive makes torch.load raise whatever it meets
        raise KapbenchError(
            "The file is damaged, or holds more than tensors",
            place=path,
            fix="Download ODISE's checkpoint again",
        ) from error
    state = state.get("model", state) if isinstance(state, dict) else {}
    tensors = {}
    for key in KEYS:
        names = [n for n in state if n == key or n.endswith(f"feature_extractor.{key}")]
        if len(names) != 1 or not isinstance(state[names[0]], Tensor):
            raise KapbenchError(
                f"The file does not hold a captioner: {key} is missing",
                place=path,
                fix="Give ODISE's checkpoint, a .pth",
            )
        tensors[key] = state[names[0]]
    return tensors


def _vision(folder: Path | None) -> Any:
    import transformers

    kind: Any = transformers.CLIPVisionModelWithProjection
    if folder is not None:
        if not folder.is_dir():
            raise KapbenchError(
                "The folder with CLIP does not exist",
                place=folder,
                fix=f"Give one with {CLIP} in transformers' format: -o clip=FOLDER",
            )
        read_json(folder / "config.json")
    source = CLIP if folder is None else str(folder)
    fix = (
        f"{hub_advice()}; or give a folder with {CLIP} in transformers' format (MIT; its page "
        "shows each file's sha256): -o clip=FOLDER"
    )
    options = {"use_safetensors": True, "output_loading_info": True}
    with explained(UNLOADABLE, source, fix), quiet():
        net, report = kind.from_pretrained(source, local_files_only=folder is not None, **options)
    if report["missing_keys"]:
        raise KapbenchError(
            f"Tensors are missing, the first is {sorted(report['missing_keys'])[0]}",
            place=source,
            fix=f"Give a folder with {CLIP}",
        )
    return net.eval()
