"""State dictionaries of vision transformers, as upstream saves them."""

import re
from collections.abc import Mapping

from torch import Tensor


def split_qkv(state: Mapping[str, Tensor], parts: tuple[str, str, str]) -> dict[str, Tensor]:
    """Each joined `attn.qkv` as three tensors, `attn.` and the name of the part."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".attn.qkv." in name:
            for part, third in zip(parts, value.chunk(3), strict=True):
                found[name.replace("qkv", part)] = third.contiguous()
        else:
            found[name] = value
    return found


def n_blocks(state: Mapping[str, Tensor]) -> int:
    """Blocks that the hub's names or those of transformers 5 speak of."""
    numbers = (re.search(r"\blayers?\.(\d+)\.", name) for name in state)
    return len({match[1] for match in numbers if match})
