"""Networks of the true architecture with random weights: speed does not depend on weights."""

from pathlib import Path

BLOCKS = {"vits14": 12, "vitb14": 12, "vitl14": 24}  # of DINOv2s that can be made


def random_dinov2(tag: str, folder: Path) -> Path:
    """A DINOv2 on disk as from the hub."""
    import torch
    import transformers

    from kapbench_baselines.vit.checkpoint import CHANNELS_PER_HEAD
    from kapbench_baselines.vit.dinov2 import SIZES

    channels = SIZES[tag][1]
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=channels, num_hidden_layers=BLOCKS[tag], patch_size=14, image_size=518,
        num_attention_heads=channels // CHANNELS_PER_HEAD,
    )  # fmt: skip
    transformers.Dinov2Model(config).save_pretrained(folder / tag)
    return folder / tag
