"""DINOv2 patch tokens through transformers, exactly as the published runs of this field read them.

840 px letterbox, 60×60 tokens of the last block before the final norm (Oquab et al. 2023; with
registers: Darcet et al. 2023).
"""

import functools

from kapbench_baselines.dinov2_weights import checkpoint
from kapbench_baselines.vit.encoder import FrozenViT
from kapbench_baselines.vit.facets import Facet
from kapbench_baselines.vit.strided import check_fit, upstream_positions
from kapbench_baselines.vit.weights import load

PATCH = 14


class Dinov2(FrozenViT):
    """A frozen DINOv2.

    Args:
        tag: vits14, vitb14, vitl14 or vitg14, with `reg` behind it for the models with registers.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the hub's facebook/dinov2-… .
        layer: Index into the hidden states; -1 is the last block's output, before the final norm.
            For queries, keys and values the number of the block, from 0.
        facet: token, query, key or value.
        stride: Pixels from patch to patch, a divisor of the patch; None: the patch.
        image_px: Side of the letterbox; a multiple of the patch where patches do not overlap.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """

    trained_on = "LVD-142M images, self-supervised"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        layer: int = -1,
        facet: Facet = "token",
        stride: int | None = None,
        image_px: int = 840,
        device: str = "cpu",
    ) -> None:
        found = checkpoint(tag)
        check_fit(found.name, int(image_px), PATCH, PATCH if stride is None else int(stride))
        net, origin = load(found, weights)
        if not tag.endswith("reg"):  # those scale to the exact size upstream too
            net.embeddings.interpolate_pos_encoding = upstream_positions(net.embeddings)
        super().__init__(
            found.name, net, origin, layer=layer, facet=facet, stride=stride, image_px=image_px,
            device=device,
        )  # fmt: skip


vits14 = functools.partial(Dinov2, "vits14")
vitb14 = functools.partial(Dinov2, "vitb14")
vitl14 = functools.partial(Dinov2, "vitl14")
vitg14 = functools.partial(Dinov2, "vitg14")
vits14reg = functools.partial(Dinov2, "vits14reg")
vitb14reg = functools.partial(Dinov2, "vitb14reg")
vitl14reg = functools.partial(Dinov2, "vitl14reg")
vitg14reg = functools.partial(Dinov2, "vitg14reg")
