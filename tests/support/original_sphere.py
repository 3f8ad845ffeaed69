"""Inputs on which the released code of Spherical Maps printed the numbers of the tests.

Drawn in the order in which VICO-UoE/SphericalMaps @620fe28 was called on them: by the names of its
modules' tensors, then by function.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kapbench_baselines.sphere import released
from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper

CHANNELS, GRID, N_TRIPLETS, N_IMAGES, WIDTH = 128, 6, 32, 4, 64
MAPPER_NAMES = {  # of torch's modules in the released Sequential, in the order of their drawing
    "0": ("bias", "weight"),
    "2": (
        "attn.proj.bias",
        "attn.proj.weight",
        "attn.qkv.weight",
        "mlp.fc1.bias",
        "mlp.fc1.weight",
        "mlp.fc2.bias",
        "mlp.fc2.weight",
        "norm1.bias",
        "norm1.weight",
        "norm2.bias",
        "norm2.weight",
    ),
    "3": ("bias", "weight"),
}


@dataclass(frozen=True)
class Inputs:
    mapper: SphereMapper
    diffusion: Tensor  # [2 12 n]
    tokens: Tensor  # [2 c n]
    points: Tensor  # [b n 3], 0 off the object
    on_object: Tensor  # [b n]
    orientation: Tensor  # drawn tokens of each image's triplets [b t 3]
    distance: Tensor
    decoder: PrototypeDecoder
    features: Tensor  # [b n WIDTH]


def original_inputs() -> Inputs:
    rng = np.random.default_rng(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.from_numpy(rng.normal(0, scale, shape).astype(np.float32))

    own = SphereMapper(CHANNELS, WIDTH, 1).state_dict()
    names = [f"sphere_mapper.{i}.{name}" for i, each in MAPPER_NAMES.items() for name in each]
    mapper = released.mapper({k: draw(*own[k].shape, scale=0.2) for k in names}, Path("w.pth"))
    diffusion, tokens = draw(2, 12, GRID**2), draw(2, CHANNELS, GRID**2)
    points = functional.normalize(draw(N_IMAGES, GRID**2, 3), dim=-1)
    on_object = torch.from_numpy(rng.random((N_IMAGES, GRID**2, 1)) > 0.4)[..., 0]
    on_object[3], on_object[3, 5] = False, True  # a single token: every triplet of it ties

    def triplets() -> Tensor:
        valid = [torch.nonzero(each)[:, 0] for each in on_object]
        drawn = [v[torch.from_numpy(rng.integers(0, len(v), 3 * N_TRIPLETS))] for v in valid]
        return torch.stack(drawn).view(N_IMAGES, 3, N_TRIPLETS).transpose(1, 2)

    orientation, distance = triplets(), triplets()
    shapes = prototype_shapes()
    prototypes = {k: draw(*shapes[k], scale=0.2) for k in sorted(shapes)}
    # Both blocks are one module: what was loaded last into it counts.
    last = {
        k.replace("blocks.1", "blocks.0"): v for k, v in prototypes.items() if "blocks.0" not in k
    }
    decoder = released.decoder({f"prototypes.{k}": v for k, v in last.items()}, Path("w.pth"))
    return Inputs(
        mapper,
        diffusion,
        tokens,
        points * on_object[..., None],
        on_object,
        orientation,
        distance,
        decoder,
        draw(N_IMAGES, GRID**2, WIDTH),
    )


def prototype_shapes() -> dict[str, tuple[int, ...]]:
    """Of the released ConditionalPrototypes of WIDTH channels for 3 categories."""
    wide = 4 * WIDTH
    block = {
        "attn.k.weight": (WIDTH, 3),
        "attn.proj.bias": (WIDTH,),
        "attn.proj.weight": (WIDTH, WIDTH),
        "attn.q.weight": (WIDTH, WIDTH),
        "attn.v.weight": (WIDTH, 3),
        "mlp.fc1.bias": (wide,),
        "mlp.fc1.weight": (wide, WIDTH),
        "mlp.fc2.bias": (WIDTH,),
        "mlp.fc2.weight": (WIDTH, wide),
        **{f"norm{i}.{kind}": (WIDTH,) for i in (1, 2) for kind in ("bias", "weight")},
    }
    blocks = {f"blocks.{i}.{name}": shape for i in (0, 1) for name, shape in block.items()}
    return blocks | {"proj.bias": (WIDTH,), "proj.weight": (WIDTH, 3)}
