"""Every model that can be asked for, built offline: tiny weights, saved maps, the guide's code."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_diffusion import tiny_pipeline
from tiny_presets import FIRST, own_weights
from tiny_vits import tiny_dino, tiny_dinov2, tiny_dinov3, tiny_hf, tiny_timm

from kapbench import registry
from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models import contract
from kapbench.models.saved_maps import save_features, save_similarity
from kapbench_baselines.vit.preset_table import PRESETS

GUIDE = Path(__file__).parents[2] / "docs" / "adapters.md"
PICTURES = contract.draw_pictures(())
QUERIES = contract.QUERIES
# One other value of an option that shapes the output, of models that have one.
OTHER_SETTINGS = {
    "dino": {"facet": "value"},
    "dinov2": {"layer": 0},
    "dinov3": {"stride": 8},
    "mae": {"normed": True},
    "hf:": {"facet": "key"},
    "timm:": {"layer": 1},
    "random": {"seed": 1},
    "sphere": {"sphere_weight": 0.4},
    "sd": {"blocks": "up3"},
    "fuse:": {"weights": "0.9,0.1"},
}


def names():
    """Registered names, then one spec for each kind that is asked for by a prefix or a file.

    Of the presets, which share one factory, the first of each family.
    """
    others = {*PRESETS} - {*FIRST.values()}
    plain = [n for n in registry.names("models") if not n.endswith(":") and n not in others]
    prefixes = [n for n in registry.names("models") if n.endswith(":")]
    return [*plain, *prefixes, *(f"my_adapter.py:{c}" for c in guide_classes())]


def python_blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def guide_blocks():
    return python_blocks(GUIDE)


def guide_classes():
    return [re.search(r"^class (\w+)", block, re.MULTILINE)[1] for block in guide_blocks()]


def build(name, folder, **options):
    """
    Args:
        folder: Shared by all models of a session; what they need is written there once.
    """
    name += "lite0" * name.endswith(".")  # of what goes over any backbone
    if name.startswith("my_adapter.py:"):
        cls = name.partition(":")[2]
        path = folder / f"adapter_{cls}.py"
        path.write_text(guide_blocks()[guide_classes().index(cls)], encoding="utf-8")
        quick = {"backbone": "pixels"} if cls == "Roots" else {}
        return load_model(f"{path}:{cls}", device="cpu", **(quick | options))
    if name.startswith("sphere") and name != "sphere.sd_dino":
        return shipped(name, **options)
    spec, own = needed(name, folder)
    return load_model(spec, device="cpu", **(own | options))


def needed(name, folder):
    """The spec of a model whose files are written here, and the options that point at them."""
    family = name.split(".")[0]
    spec, own = name, {}
    if name == "features:":
        spec = f"features:{saved_features(folder)}"
    elif name == "similarity:":
        spec = f"similarity:{saved_similarity(folder)}"
    elif name == "hf:":
        spec, own = f"hf:{tiny_hf(folder)}", {"layer": 1}
    elif name == "fuse:":
        spec, own = f"fuse:hf:{tiny_hf(folder)}", {"layers": "0,1"}
    elif name == "timm:":
        source, weights = tiny_timm(folder)
        spec, own = f"timm:{source}", {"weights": str(weights)}
    elif family in TINY:
        pytest.importorskip("transformers", reason="needs the extra hf")
        own = TINY[family](folder, name)
    elif name in FIRST.values():
        own = of_preset(folder, name)
    elif name in ("dve", "asic", "geoaware.supervised"):
        own = {"weights": str(trained_file(folder, name)), "backbone": "lite0"}
    return spec, own


def of_preset(folder, name):
    return {"weights": str(own_weights(name, folder)[1]), "image_px": 6 * PRESETS[name].patch}


def of_diy_sc(folder, name):
    return {
        "weights": str(head_file(folder, [768], int(name.split(".")[1]))),
        "backbone_weights": str(tiny_dinov2(folder, "dinov2.vitb14")),
        "image_px": 84,
    }


def of_sphere(folder, name):
    """Over SD+DINO: a random mapper in the released layout, which says nothing of a revision."""
    import torch

    from kapbench_baselines.sphere.mapper import SphereMapper

    path = folder / "sphere.pth"
    torch.manual_seed(0)
    state = SphereMapper(768, 64, 1).state_dict()
    torch.save({k: v for k, v in state.items() if not k.startswith("input_")}, path)
    own = of_sd_dino(folder, "sd_dino")
    return own | {"weights": str(path), "backbone_weights": own["weights"]}


def of_sd_dino(folder, name):
    own = {"weights": str(tiny_pipeline(folder)), "image_px": 128}
    if name != "sd_dino.sd":
        own |= {"dino_px": 84, "dino_weights": str(tiny_dinov2(folder, "dinov2.vitb14"))}
    return own | ({} if name == "sd_dino.stack" else {"dims": 8})


def head_file(folder, widths, width_out):
    """A head's tensors as they were released, random: so not as a .pth, which has a known hash."""
    import torch
    from safetensors.torch import save_file

    from kapbench_baselines.aggregation_head.network import AggregationNetwork

    path = folder / f"head{width_out}.safetensors"
    torch.manual_seed(0)
    save_file(AggregationNetwork(widths, width_out).state_dict(), path)
    return path


def trained_file(folder, name):
    """Weights of a method that is trained here, over lite0, as initialised."""
    import torch

    from kapbench_baselines.aggregation_head.network import AggregationNetwork
    from kapbench_baselines.canonical.heads import CategoryHeads
    from kapbench_baselines.training import trained_weights
    from kapbench_baselines.training.card import Card

    torch.manual_seed(0)
    if name == "geoaware.supervised":
        shape = {"widths": [304], "width_out": 128, "cells": 30}
        module = AggregationNetwork([304], 128)
    else:
        sphere = name == "dve"
        shape = {
            "channels": 304,
            "width": 16,
            "n_dimensions": 3 if sphere else 2,
            "n_categories": 1,
            "sphere": sphere,
        }
        module = CategoryHeads(**shape)
        shape["token_grid"] = 30
    card = Card(
        method=name,
        backbone="lite0",
        backbone_revision=load_model("lite0").revision,
        backbone_spec=None,
        categories=("thing",),
        dataset="toy",
        dataset_revision="1",
        split="trn",
        n_images=1,
        supervision="masks",
        seed=0,
        steps=1,
        shape=shape,
        settings={},
    )
    path = folder / f"{name}.safetensors"
    trained_weights.save(path, module, card)
    return path


def shipped(name, **options):
    """With the weights of the first data set that any are shipped for."""
    for dataset in registry.names("datasets"):
        try:
            return load_model(name, device="cpu", dataset=dataset, **options)
        except KapbenchError as error:
            if "No trained weights" not in error.thing:
                raise
    return pytest.skip("No trained weights are shipped")


def saved_features(folder):
    if not (folder / "features").exists():
        for i in range(len(PICTURES) + 1):  # the contract's test shows one more
            values = np.random.default_rng(i).normal(size=(5, 6, 6)).astype(np.float32)
            save_features(folder / "features", f"thing/{i}", values)
    return folder / "features"


def saved_similarity(folder):
    if not (folder / "similarity").exists():
        cells = np.unique(QUERIES.round(), axis=0, return_inverse=True)[1]
        for source, target in itertools.product(range(len(PICTURES) + 1), repeat=2):
            values = np.random.default_rng(source).normal(size=(len(QUERIES), 7, 7))[cells]
            ids = f"thing/{source}", f"thing/{target}"
            save_similarity(folder / "similarity", *ids, values, QUERIES)
    return folder / "similarity"


def as_declared(model, shown):
    """The picture with what the model says it looks at, its pixels write-protected."""
    pixels = shown.pixels.copy()
    pixels.setflags(write=False)
    known = {"category": "thing", "mask": np.tri(*pixels.shape[:2], dtype=bool), "azimuth_bin": 3}
    given = {"azimuth": "azimuth_bin"}
    declared = [given.get(c, c) for c in model.conditions_on if c != "twins"]
    return replace(shown, pixels=pixels, **{c: known[c] for c in declared})


TINY = {
    "dinov2": lambda f, n: {"weights": str(tiny_dinov2(f, n)), "image_px": 84},
    "dino": lambda f, n: {"weights": str(tiny_dino(f, n)), "image_px": 96, "layer": 0},
    "dinov3": lambda f, n: {"weights": str(tiny_dinov3(f, n)), "image_px": 96, "layer": 0},
    "diy_sc": of_diy_sc,
    "sd": lambda f, n: {"weights": str(tiny_pipeline(f, n[3:])), "image_px": 128},
    "dift": lambda f, n: {"weights": str(tiny_pipeline(f, "v21")), "image_px": 128, "ensemble": 2},
    "sd_dino": of_sd_dino,
    "sphere": of_sphere,
}
