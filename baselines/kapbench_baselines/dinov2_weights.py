"""Where DINOv2's weights come from: the hub, a folder in transformers' format, or one file.

A file has either transformers' names or those of facebookresearch/dinov2 (dinov2_vitb14_*.pth).
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.files import file_hash

# name on the hub, channels
SIZES = {
    "vits14": ("small", 384),
    "vitb14": ("base", 768),
    "vitl14": ("large", 1024),
    "vitg14": ("giant", 1536),
}
CHANNELS_PER_HEAD = 64  # in every DINOv2
# Upstream's names to the hub's: from_pretrained maps those on to the names of its version.
RENAMED = (
    (r"^pos_embed$", "position_embeddings"),
    (r"^patch_embed\.proj\.", "patch_embeddings.projection."),
    (r"^(cls_token|mask_token|register_tokens|position_emb|patch_emb)", r"embeddings.\1"),
    (r"^blocks\.(?:\d+\.)?(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.(query|key|value)\.", r".attention.attention.\1."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
    (r"\.mlp\.w12\.", ".mlp.weights_in."),
    (r"\.mlp\.w3\.", ".mlp.weights_out."),
    (r"^norm\.", "layernorm."),
)


def load(tag: str, weights: str | None) -> tuple[Any, str]:
    """The network in float32, and a short name for exactly these weights.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """
    try:
        from transformers import Dinov2Model, Dinov2WithRegistersModel
    except ImportError as error:
        raise KapbenchError(
            "transformers is not installed", place=f"dinov2.{tag}", fix="pip install 'kapbench[hf]'"
        ) from error
    kind = Dinov2WithRegistersModel if tag.endswith("reg") else Dinov2Model
    if weights is None:
        net, origin = _from_hub(kind, tag)
    else:
        path = Path(weights).expanduser()
        with _quiet():
            net = _from_folder(kind, path) if path.is_dir() else _from_file(kind, path)
        origin = _hash(path)
    place = weights or origin
    channels, expected = net.config.hidden_size, SIZES[tag[:6]][1]
    if channels != expected:
        raise KapbenchError(
            f"weights with {channels} channels where dinov2.{tag} has {expected}", place=place,
            fix="choose the model name that fits the weights",
        )  # fmt: skip
    return net, origin[:12]


def _from_hub(kind: Any, tag: str) -> tuple[Any, str]:
    registers = "with-registers-" if tag.endswith("reg") else ""
    name = f"facebook/dinov2-{registers}{SIZES[tag[:6]][0]}"
    net = _pretrained(
        kind, name, fix="check the connection to the hub; without one, download the repository "
        "elsewhere and give its folder by --weights",
    )  # fmt: skip
    commit = getattr(net.config, "_commit_hash", None)
    return net, commit or _state_hash(net)


def _from_folder(kind: Any, folder: Path) -> Any:
    config = folder / "config.json"
    if not config.is_file() or not list(folder.glob("*.safetensors")):
        raise KapbenchError(
            "no model in transformers' format", place=folder,
            fix="give a folder with config.json and *.safetensors",
        )  # fmt: skip
    try:
        found = json.loads(config.read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise KapbenchError(
            "no configuration of a model", place=config, fix="download the folder again"
        ) from error
    _check_kind(kind, found, folder)
    return _pretrained(kind, str(folder), fix="download the folder again", local_files_only=True)


def _from_file(kind: Any, path: Path) -> Any:
    state = renamed(read_state(path))
    embeddings = {k.removeprefix("embeddings."): v for k, v in state.items()}
    needed = ("cls_token", "position_embeddings", "patch_embeddings.projection.weight")
    if missing := [name for name in needed if name not in embeddings]:
        raise KapbenchError(
            f"no DINOv2: tensor {missing[0]} is missing", place=path,
            fix="give the file of a whole backbone, e.g. dinov2_vitb14_pretrain.pth",
        )  # fmt: skip
    registers = embeddings.get("register_tokens")
    found = "dinov2" if registers is None else "dinov2_with_registers"
    _check_kind(kind, found, path)
    position, projection = embeddings[needed[1]], embeddings[needed[2]]
    channels, patch = projection.shape[0], projection.shape[-1]
    settings: dict[str, Any] = {
        "hidden_size": channels,
        "num_attention_heads": max(1, channels // CHANNELS_PER_HEAD),
        "num_hidden_layers": sum(k.endswith(".norm1.weight") for k in state),
        "patch_size": patch,
        "image_size": math.isqrt(position.shape[1] - 1) * patch,
        "use_swiglu_ffn": any(".mlp.weights_in." in k or ".mlp.gate_proj." in k for k in state),
    }
    if registers is not None:
        settings["num_register_tokens"] = registers.shape[1]
    return _pretrained(
        kind, None, fix="give the file of a whole backbone",
        config=kind.config_class(**settings), state_dict=state, place=path,
    )  # fmt: skip


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Upstream's names and joined query, key and value to the hub's; other names stay."""
    split: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".attn.qkv." in name:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                split[name.replace("qkv", part)] = third.contiguous()
        else:
            split[name] = value
    found = {}
    for name, value in split.items():
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        found[name] = value
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not path.is_file():
        raise KapbenchError(
            "no such weights", place=path, fix="give a folder in transformers' format, or a file"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged archive makes torch.load raise whatever it meets
        raise _unreadable(path) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _unreadable(path)
    return state


def _unreadable(path: Path) -> KapbenchError:
    """In our own words: torch's advise the user to open the file unsafely."""
    return KapbenchError(
        "damaged, or not a plain dictionary of tensors", place=path,
        fix="give safetensors, or a .pth file that holds tensors and nothing else",
    )  # fmt: skip


def _pretrained(
    kind: Any, source: str | None, *, fix: str, place: object = None, **options: Any
) -> Any:
    """transformers' loader, with what it would replace by random numbers as an error."""
    place = place or source
    try:
        net, report = kind.from_pretrained(
            source, use_safetensors=True, dtype=torch.float32, attn_implementation="sdpa",
            output_loading_info=True, **options,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        said = f"weights cannot be loaded: {str(error).splitlines()[0]}"
        raise KapbenchError(said, place=place, fix=fix) from error
    if missing := sorted(k for k in report["missing_keys"] if not k.endswith("mask_token")):
        raise KapbenchError(
            f"{len(missing)} tensors are missing, the first: {missing[0]}", place=place, fix=fix
        )
    return net


def _check_kind(kind: Any, found: str, place: Path) -> None:
    expected = kind.config_class.model_type
    if found != expected:
        raise KapbenchError(
            f"weights of a {found} model where {expected} belongs", place=place,
            fix="choose the model name that fits the weights",
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar while a local file is read."""
    import transformers

    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _hash(path: Path) -> str:
    if path.is_file():
        return file_hash(path)
    digest = hashlib.sha256()
    for part in [path / "config.json", *sorted(path.glob("*.safetensors"))]:
        digest.update(file_hash(part).encode())
    return digest.hexdigest()


def _state_hash(net: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()
