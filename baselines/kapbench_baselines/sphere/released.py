"""The checkpoint that was released with the paper (DINOv2-B/14, SPair-71k), in its own layout.

Names and shapes are those of VICO-UoE/SphericalMaps @620fe28, and of BGU-CS-VIL/GSA @4117b7a, which
releases a mapper of the same layout. Prototypes are a decoder of training alone: they are checked,
and can be converted into ours.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper
from kapbench_baselines.sphere.settings import PAPER
from kapbench_baselines.vit.weights import read_tensors

BACKBONE, TOKEN_GRID = "dinov2.vitb14", PAPER.token_grid
CHANNELS_PER_HEAD = 64
# sphere_extractor/checkpoints/sphere_mapper_gsa.pth, by the name that git gives its content; its
# extract_features.py reads it on normed tokens at 518 px.
GSA_BLOB = "ee3eb3f5e898b7b5f7380502534111a1d40a48d9"
GSA_BACKBONE = {"normed": True, "image_px": 518}
UNUSED = ("sphere.weight",)  # a grid of points that the released code draws with
WHERE = (
    "Give the file of `kapbench train sphere`, or the released checkpoint (Google Drive "
    "1OmjT7lubOBPtIllWVTFCfEszDlfCJ_j_, linked from JamaisVu's README)"
)
# Ours to the released names. Its block is applied twice and saved twice; with one category token
# its query, key and first norm have no effect.
DECODER = {
    "proj": "proj",
    "block.value": "blocks.0.attn.v",
    "block.proj": "blocks.0.attn.proj",
    "block.norm2": "blocks.0.norm2",
    "block.mlp.fc1": "blocks.0.mlp.fc1",
    "block.mlp.fc2": "blocks.0.mlp.fc2",
}


def read(path: Path) -> dict[str, Tensor]:
    """Tensors of a .pth file, also where they lie under `state_dict`.

    Raises:
        KapbenchError: as `read_tensors`.
    """
    return read_tensors(path, inside="state_dict")


def is_released(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these have the released names rather than ours, which know how to standardise."""
    return "sphere_mapper.0.weight" in tensors and "input_mean" not in tensors


def backbone_options(path: Path) -> dict[str, Any]:
    """Options of DINOv2 that a released mapper was used with and that are not its defaults."""
    return dict(GSA_BACKBONE) if git_blob(path) == GSA_BLOB else {}


def git_blob(path: Path) -> str:
    """The name that git gives a file's content, by which a repository lists it."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def mapper(tensors: Mapping[str, Tensor], place: Path) -> SphereMapper:
    """The mapper in evaluation mode.

    Raises:
        KapbenchError: a tensor is missing, of another shape, or not of this layout.
    """
    mapper_tensors = {k: v.float() for k, v in tensors.items() if k.startswith("sphere_mapper.")}
    width, channels = mapper_tensors["sphere_mapper.0.weight"].shape
    depth = len({k.split(".")[1] for k in mapper_tensors if k.count(".") > 2})
    built = SphereMapper(channels, width, max(1, width // CHANNELS_PER_HEAD), depth)
    own = {k: v for k, v in built.state_dict().items() if k.startswith("input_")}
    strange = [
        k for k in tensors if k not in mapper_tensors and not k.startswith(("prototypes.", *UNUSED))
    ]
    try:
        if strange:
            raise KapbenchError(f"Unknown tensor '{strange[0]}'", place=place, fix=WHERE)
        built.load_state_dict(own | mapper_tensors)
    except RuntimeError as error:
        raise KapbenchError(
            f"This is not the released mapper: {str(error).splitlines()[-1].strip()}",
            place=place,
            fix=WHERE,
        ) from error
    return built.eval()


def decoder(tensors: Mapping[str, Tensor], place: Path) -> PrototypeDecoder:
    """The prototypes as our decoder. KapbenchError if a tensor is missing."""
    try:
        n_categories = tensors["prototypes.blocks.0.attn.v.weight"].shape[1]
        built = PrototypeDecoder(tensors["prototypes.proj.weight"].shape[0], n_categories)
        state = {
            key: tensors[f"prototypes.{DECODER[stem]}.{kind}"].float()
            for key in built.state_dict()
            for stem, _, kind in [key.rpartition(".")]
        }
        built.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise KapbenchError(
            f"These are not the released prototypes: {error}", place=place, fix=WHERE
        ) from error
    return built.eval()
