"""Where the patches are in what an unknown network returns."""

from typing import Any

from torch import Tensor, nn

from kapbench.errors import KapbenchError

# Tokens of their own that networks put before the patches, by the parameter that holds them.
LEADING = ("cls_token", "class_embedding", "distillation_token")
VISION = ("vision_model", "vision_tower", "vision_encoder")


def vision_part(net: Any, name: str) -> Any:
    """The half that sees images, of a model of images and texts; else the model.

    Raises:
        KapbenchError: the model sees no images.
    """
    if net.config.model_type == "vjepa2":  # films are its images
        return net
    for part in VISION:
        if isinstance(module := getattr(net, part, None), nn.Module):
            return module
    if getattr(net, "main_input_name", "") != "pixel_values":
        raise KapbenchError(
            f"A {type(net).__name__} takes {getattr(net, 'main_input_name', 'no images')}, not images",
            place=name,
            fix="Choose a vision model",
        )
    return net


def n_leading(config: Any) -> int:
    """Class, summary and register tokens before the patches of a published model."""
    if hasattr(config, "num_summary_tokens"):  # RADIO's: registers included
        return int(config.num_summary_tokens)
    return 1 + int(getattr(config, "num_register_tokens", 0))


def patch_tokens(net: Any, tokens: Tensor, side: int, name: str) -> Tensor:
    """Tokens [b m c] without those that stand for no patch, as a map [b c n n].

    Raises:
        KapbenchError: their number is not that of the patches and the known leading tokens.
    """
    patch_size = net.config.patch_size
    patch = patch_size if isinstance(patch_size, int) else patch_size[0]
    if side % patch:
        raise KapbenchError(
            f"{side} px is not a multiple of the patch of {patch} px",
            place=name,
            fix=f"Choose another image_px, e.g. {max(1, round(side / patch)) * patch}",
        )
    n = side // patch
    own = {key.rpartition(".")[2] for key, _ in net.named_parameters()}
    leading = sum(key in own for key in LEADING) + getattr(net.config, "num_register_tokens", 0)
    if tokens.shape[1] != leading + n * n:
        raise KapbenchError(
            f"The network returns {tokens.shape[1]} tokens, not {leading} and {n}×{n} patches",
            place=name,
            fix="This network orders its tokens in another way: write an adapter, a class with encode()",
        )
    return tokens[:, leading:].transpose(1, 2).reshape(len(tokens), -1, n, n)
