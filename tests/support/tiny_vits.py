"""Frozen ViTs of the true width with one thin block, on disk as on the hub."""

import json

import pytest
from importing import imported_timm

DINO_CHANNELS = {"s": 384, "b": 768}
DINOV2_CHANNELS = {"s": 384, "b": 768, "l": 1024, "g": 1536}
DINOV3 = {  # channels, heads, gated
    "vits16": (384, 6, False),
    "vits16plus": (384, 6, True),
    "vitb16": (768, 12, False),
    "vitl16": (1024, 16, False),
    "vith16plus": (1280, 20, True),
    "vit7b16": (4096, 32, True),
}


def tiny_dino(folder, name):
    import transformers

    patch, width = int(name[len("dino.vits") :]), DINO_CHANNELS[name[len("dino.vit")]]
    config = transformers.ViTConfig(
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=width,
        image_size=64,
        patch_size=patch,
    )
    return saved(folder / name, transformers.ViTModel, config, add_pooling_layer=False)


def tiny_dinov3(folder, name):
    import transformers

    width, heads, gated = DINOV3[name.partition(".")[2]]
    config = transformers.DINOv3ViTConfig(
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=heads,
        intermediate_size=8,
        image_size=64,
        patch_size=16,
        num_register_tokens=4,
        use_gated_mlp=gated,
    )
    return saved(folder / name, transformers.DINOv3ViTModel, config)


def tiny_dinov2(folder, name):
    """True width, one thin block."""
    import torch
    import transformers

    kind = "Dinov2WithRegisters" if name.endswith("reg") else "Dinov2"
    width = DINOV2_CHANNELS[name.split("vit")[1][0]]
    path = folder / f"{kind}{width}"
    if not path.exists():
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(
            hidden_size=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            mlp_ratio=1,
            image_size=56,
            patch_size=14,
        )
        getattr(transformers, f"{kind}Model")(config).save_pretrained(path)
    return path


def tiny_hf(folder):
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=48,
        patch_size=8,
    )
    path = saved(folder / "hf", transformers.ViTModel, config)
    said = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (path / "preprocessor_config.json").write_text(json.dumps(said))
    return path


def tiny_timm(folder):
    """Under timm's own names. Skips where timm, or the torchvision it needs, cannot be imported."""
    timm = imported_timm()
    import torch
    from safetensors.torch import save_file

    name, path = "convnext_atto", folder / "timm.safetensors"
    if not path.exists():
        torch.manual_seed(0)
        save_file(timm.create_model(name, num_classes=0).state_dict(), path)
    return name, path


def saved(path, kind, config, **arguments):
    import torch

    if not path.exists():
        torch.manual_seed(0)
        kind(config, **arguments).save_pretrained(path)
    return path
