"""Any model of timm that has patch tokens or a feature map: `timm:NAME`.

Pixels are normalised as its pretrained configuration says; the letterbox takes the place of its
resizing and cropping.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_baselines.vit import encode_square
from kapbench_baselines.vit.architectures import check_normed, no_final_norm
from kapbench_baselines.vit.checkpoint import hub_advice
from kapbench_baselines.vit.facets import Facet, check_facet, outputs_of
from kapbench_baselines.vit.hub_cache import UNLOADABLE
from kapbench_baselines.vit.preset_table import Preset
from kapbench_baselines.vit.weights import explained, read_tensors, state_hash

THIRDS = {"query": 0, "key": 1, "value": 2}


class Timm(encode_square.SquareEncoder):
    """Any model of timm that has patch tokens or a feature map, by its name in timm or as a preset.

    Args:
        source: timm's name, e.g. vit_small_patch14_dinov2.lvd142m, or the row of a published model.
        weights: .safetensors or .pth of this architecture, under timm's names; None: the hub's.
        layer: 1 is the first block's output, or the first stage's; -1 the last's, before the final
            norm. For queries, keys and values the number of the block, from 0. None: -1, or the
            preset's.
        facet: token, query, key or value.
        image_px: Side of the letterbox; None: what the model was trained with, or the preset's.
        padding: What makes a picture a square, see `letterbox.squared`.
        normed: Whether tokens pass the network's final norm.

    Raises:
        KapbenchError: timm or the model is missing, or the model has no such features.
    """

    def __init__(
        self,
        source: str | Preset,
        weights: str | None = None,
        layer: int | None = None,
        facet: Facet = "token",
        image_px: int | None = None,
        padding: str = "centre-black",
        device: str = "cpu",
        normed: bool = False,
    ) -> None:
        preset = source if isinstance(source, Preset) else None
        source = source.source if isinstance(source, Preset) else source
        name = f"timm:{source}" if preset is None else preset.name
        if layer is None:
            layer = -1 if preset is None else preset.layer
        self.choose(name, device, layer, facet, padding, normed)
        self.trained_on = f"see the model card of timm/{source}"
        if preset is not None:
            image_px = preset.image_px if image_px is None else int(image_px)
            self.publish(preset, image_px)
        net = _made(source, weights, f"timm:{source}")
        if weights is None:
            origin = state_hash(net)
        else:
            _fill(net, Path(weights).expanduser())
            origin = file_hash(Path(weights).expanduser())
        self._net = net.to(device).eval()
        _check(net, self.name, self.layer, facet)
        _check_norm(net, self.name, normed, facet)
        config = net.pretrained_cfg
        self.image_px = int(image_px or config["input_size"][-1])
        self._mean, self._std = config["mean"], config["std"]
        self.declare(origin)

    def maps(self, images: Tensor) -> Tensor:
        """The facet [b c n n] of uint8 images [b 3 h w]."""
        pixels = encode_square.normalised(
            images.to(self.device, non_blocking=True), self._mean, self._std
        )
        take = self._tokens if self.facet == "token" else self._projected
        try:
            features = take(pixels)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, ValueError, RuntimeError, TypeError) as error:
            raise encode_square.unreadable(self.image_px, self.name, error) from error
        at = self.layer if self.layer < 0 or self.facet != "token" else self.layer - 1
        cell = self._net.feature_info[at]["reduction"]
        return encode_square.tiling(features, self.image_px, self.name, cell)

    def _tokens(self, pixels: Tensor) -> Tensor:
        at = self.layer if self.layer < 0 else self.layer - 1
        [features] = self._net.forward_intermediates(
            pixels,
            indices=[at % n_layers(self._net)],
            norm=self.normed,
            stop_early=True,
            intermediates_only=True,
        )
        out: Tensor = features
        return out

    def _projected(self, pixels: Tensor) -> Tensor:
        joined = self._net.blocks[self.layer].attn.qkv
        seen = outputs_of(joined, lambda: self._net.forward_features(pixels))
        if not seen:  # an architecture that uses the layer's weight without calling it
            raise ValueError(f"this network has no separate {self.facet}; choose facet=token")
        part = seen[0].chunk(3, dim=-1)[THIRDS[self.facet]][:, self._net.num_prefix_tokens :]
        n = round(part.shape[1] ** 0.5)
        return part.transpose(1, 2).reshape(len(part), -1, n, n)


def n_layers(net: Any) -> int:
    """Blocks, or stages, whose outputs can be read."""
    return len(net.feature_info)


def _made(source: str, weights: str | None, name: str) -> Any:
    """The network; position embeddings follow the image's size where the architecture can."""
    if not source:
        raise KapbenchError(
            "'timm:' does not name a model", fix="Write timm:vit_small_patch16_224.dino"
        )
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another torch
        raise KapbenchError(
            f"timm cannot be imported: {str(error).splitlines()[0]}",
            place=name,
            fix="Install it: pip install 'kapbench[timm]', with the torchvision that fits your torch",
        ) from error
    if not timm.is_model(source):
        raise KapbenchError(
            f"timm {timm.__version__} has no such model",
            place=name,
            fix="Choose from timm.list_models()",
        )
    make = {"pretrained": weights is None, "num_classes": 0}
    fix = (
        f"{hub_advice()}; or download model.safetensors of https://huggingface.co/timm/{source} "
        "(its licence and sha256 are on that page) and give it by -o weights=PATH"
    )
    with explained(UNLOADABLE, name, fix):
        try:
            return timm.create_model(source, dynamic_img_size=True, **make)
        except TypeError:  # an architecture without position embeddings, or with fixed ones
            return timm.create_model(source, **make)


def _fill(net: Any, path: Path) -> None:
    state = read_tensors(path)
    try:
        report = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise KapbenchError(
            "The weights are for another architecture", place=path, fix="Choose the name that fits"
        ) from error
    if report.missing_keys:
        raise KapbenchError(
            f"{len(report.missing_keys)} tensors are missing, the first is {report.missing_keys[0]}",
            place=path,
            fix="Give the file of a whole backbone, under timm's names",
        )


def _check_norm(net: Any, name: str, normed: bool, facet: str) -> None:
    check_normed(normed, facet, name)
    if normed and isinstance(getattr(net, "norm", None), torch.nn.Identity | None):
        raise no_final_norm(net, name)


def _joined(net: Any) -> bool:
    """Whether one linear layer of each block gives query, key and value whole, bias included."""
    attention = getattr(next(iter(getattr(net, "blocks", ())), None), "attn", None)
    return hasattr(attention, "qkv") and getattr(attention, "q_bias", None) is None


def _check(net: Any, name: str, layer: int, facet: str) -> None:
    check_facet(facet, name)
    if not hasattr(net, "forward_intermediates"):
        raise KapbenchError(
            f"A {type(net).__name__} does not return intermediate features",
            place=name,
            fix="Choose another model, or write an adapter: a class with encode()",
        )
    if facet != "token" and not _joined(net):
        raise KapbenchError(
            f"A {type(net).__name__} has no joined query, key and value",
            place=name,
            fix="Choose facet=token",
        )
    n = n_layers(net)
    first, last = (1, n) if facet == "token" else (0, n - 1)
    if not (first <= layer <= last or -n <= layer < 0):
        raise KapbenchError(
            f"There is no layer {layer}: {name} has {n}",
            place=name,
            fix=f"Choose a layer from {first} to {last}, or -1 for the last",
        )
