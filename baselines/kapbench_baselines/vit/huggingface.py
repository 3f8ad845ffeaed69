"""Any vision model of transformers that has patch tokens or a feature map: `hf:NAME`.

NAME is a repository of the hub or a folder. Pixels are normalised as its preprocessor_config.json
says; the letterbox takes the place of its resizing and cropping.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.storage import bytes_hash, file_hash
from kapbench.types import Picture
from kapbench_baselines.vit import encode_square
from kapbench_baselines.vit.architectures import check_normed, final_norm, fit
from kapbench_baselines.vit.checkpoint import hub_advice
from kapbench_baselines.vit.facets import Facet, check_layer, read
from kapbench_baselines.vit.processor import Normalisation, from_hub, normalisation
from kapbench_baselines.vit.token_layout import patch_tokens, vision_part
from kapbench_baselines.vit.weights import (
    UNUSED,
    check_folder,
    hash_of,
    imported,
    pretrained,
    quiet,
    read_json,
    state_hash,
)

# Heads that no hidden state depends on; a checkpoint of another task lacks them.
HEADS = (*UNUSED, "pooler", "vision_model.head.", "text_model.", "_projection.", "logit_")


def _fix() -> str:
    return (
        f"{hub_advice()}, and check the name; or download config.json, preprocessor_config.json and "
        "model.safetensors of the repository elsewhere (licence: its model card's; its page shows "
        "each file's sha256) and write hf:FOLDER; a gated one needs its licence accepted on its "
        "page, and `hf auth login`"
    )


class HuggingFace(encode_square.SquareEncoder):
    """Any vision model of transformers that has patch tokens or a feature map; hub name or folder.

    Args:
        source: Repository, e.g. facebook/dino-vits16, or folder with config.json,
            preprocessor_config.json and *.safetensors.
        layer: Index into the hidden states, 0 the embeddings, -1 the last block's output, before
            the final norm, or the last stage's; for queries, keys and values the number of the
            block, from 0.
        facet: token, query, key or value.
        image_px: Side of the letterbox; None: that of the configuration, else 224.
        padding: What makes a picture a square, see `letterbox.squared`.
        normed: Whether tokens pass the network's final norm.

    Raises:
        KapbenchError: transformers or the model is missing, or the model has no such features.
    """

    def __init__(
        self,
        source: str,
        layer: int = -1,
        facet: Facet = "token",
        image_px: int | None = None,
        padding: str = "centre-black",
        device: str = "cpu",
        normed: bool = False,
    ) -> None:
        if not source:
            raise KapbenchError("'hf:' does not name a model", fix="Write hf:facebook/dino-vits16")
        folder = Path(source).expanduser()
        if folder.is_file():
            raise KapbenchError(
                "The prefix hf: takes a repository's name or a folder, not a file",
                place=f"hf:{source}",
                fix="Write hf: and the folder that holds it beside config.json and "
                "preprocessor_config.json",
            )
        shown = folder.resolve().name if folder.is_dir() else source
        self.choose(f"hf:{shown}", device, layer, facet, padding, normed)
        net, origin = load_any(folder if folder.is_dir() else None, source)
        read_as = normalisation(folder if folder.is_dir() else source, _fix())
        self.trained_on = f"see the model card of {shown}"
        self.take(net, read_as, image_px)
        self.declare(origin, f"-{read_as.digest}")

    def take(self, net: Any, read_as: Normalisation, image_px: int | None) -> None:
        """Makes the network ready to be read, once `choose` was called.

        Raises:
            KapbenchError: it sees no images, or has no such layer, facet, size or final norm.
        """
        self._normalisation = read_as
        self._net = vision_part(net, self.name).to(self.device).eval()
        check_layer(self._net, self.name, self.layer, self.facet)
        check_normed(self.normed, self.facet, self.name)
        self._norm = final_norm(self._net, self.name) if self.normed else None
        self.image_px = _side(self._net.config, read_as, image_px, self.name)
        fit(self._net, self.image_px)

    def prepare(self, picture: Picture) -> UInt8[np.ndarray, "s s 3"]:
        return self.shown.picture(picture)

    def maps(self, images: Tensor) -> Tensor:
        """The facet [b c n n] of uint8 images [b 3 h w]."""
        expected = self._normalisation
        pixels = encode_square.normalised(
            images.to(self.device, non_blocking=True), expected.mean, expected.std, expected.factor
        )
        try:
            states = read(self._net, pixels, self.layer, self.facet)
            states = states if self._norm is None else self._norm(states)
        except torch.OutOfMemoryError:
            raise
        except (ValueError, RuntimeError, TypeError) as error:
            raise encode_square.unreadable(self.image_px, self.name, error) from error
        if states.ndim == 3:
            return patch_tokens(self._net, states, self.image_px, self.name)
        return encode_square.tiling(states, self.image_px, self.name)


def load_any(folder: Path | None, source: str) -> tuple[Any, str]:
    """The network in float32, and what tells these weights from others."""
    kind = imported(f"hf:{source}").AutoModel
    if folder is None:
        net = pretrained(kind, source, fix=_fix(), unused=HEADS)
        config = from_hub(source, "config.json", _fix())
        return net, bytes_hash([file_hash(config).encode(), state_hash(net).encode()])
    check_folder(folder, binary=False)
    read_json(folder / "config.json")
    with quiet():
        net = pretrained(
            kind, str(folder), fix="Download the folder again", unused=HEADS, local_files_only=True
        )
    return net, hash_of(folder)


def _side(config: Any, read_as: Normalisation, image_px: int | None, name: str) -> int:
    size = getattr(config, "image_size", None)
    sizes = set(size) if isinstance(size, list | tuple) else {size}
    trained = sizes.pop() if len(sizes) == 1 else None
    side = int(image_px if image_px is not None else trained or read_as.side or 224)
    if side < 1:
        raise KapbenchError(
            f"image_px is {side}", place=name, fix="Choose a side in pixels, e.g. 224"
        )
    return side
