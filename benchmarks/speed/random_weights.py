"""Networks of the true size with random weights: speed does not depend on the weights."""

from pathlib import Path

BLOCKS = {"vits14": 12, "vitb14": 12, "vitl14": 24}  # number of transformer blocks of each DINOv2


def random_dinov2(tag: str, folder: Path) -> Path:
    """Writes a DINOv2 with random weights in the hub's format; returns its folder."""
    import torch
    import transformers

    from kapbench_baselines.vit.checkpoint import CHANNELS_PER_HEAD
    from kapbench_baselines.vit.dinov2 import SIZES

    channels = SIZES[tag][1]
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=channels,
        num_hidden_layers=BLOCKS[tag],
        patch_size=14,
        image_size=518,
        num_attention_heads=channels // CHANNELS_PER_HEAD,
    )
    transformers.Dinov2Model(config).save_pretrained(folder / tag)
    return folder / tag
