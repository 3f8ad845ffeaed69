"""Which of a transformer's tensors is read: its tokens, or one block's queries, keys or values."""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench_baselines.vit.architectures import forward, hidden_states

Facet = Literal["token", "query", "key", "value"]
FACETS: tuple[Facet, ...] = ("token", "query", "key", "value")


def read(net: Any, pixels: Tensor, layer: int, facet: Facet) -> Tensor:
    """One facet of one layer, class and register tokens included: [b n c], or [b c h w] of a CNN.

    Args:
        pixels: [b 3 h w], normalised.
        layer: See `check_layer`.
        facet: Heads are joined; keys and queries are those before any rotation.
    """
    if facet == "token":
        return hidden_states(net, pixels)[layer]
    watched = projection(blocks(net)[layer], facet)
    assert watched is not None
    return outputs_of(watched, lambda: forward(net, pixels))[0]


def outputs_of(module: nn.Module, run: Callable[[], object]) -> list[Tensor]:
    """What a module returns whenever it is called during `run`."""
    outputs: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _given, out: outputs.append(out))
    try:
        run()
    finally:
        hook.remove()
    return outputs


def check_facet(facet: str, name: str) -> None:
    if facet not in FACETS:
        raise KapbenchError(
            f"Unknown facet '{facet}'", place=name, fix=f"Choose one of {', '.join(FACETS)}"
        )


def check_layer(net: Any, name: str, layer: int, facet: str) -> None:
    """Tokens are counted from the embeddings, 0, to the last block's output, n: as hidden states.
    Queries, keys and values from the first block's, 0, to the last block's, n - 1: as Amir et al.

    Raises:
        KapbenchError: the layer or facet does not exist.
    """
    check_facet(facet, name)
    if facet == "token":
        n = _n_states(net, name)
        what, first, n_layers = "embeddings", "or -1 for the last", n + 1
    else:
        stack = blocks(net)
        if not len(stack) or projection(stack[0], facet) is None:
            raise KapbenchError(
                f"A {type(net).__name__} has no separate {facet} projections",
                place=name,
                fix="Choose facet=token",
            )
        what, first, n_layers = "the first block", "or -1 for the last", len(stack)
    if not -n_layers <= layer < n_layers:
        n = n_layers - 1 if facet == "token" else n_layers
        raise KapbenchError(
            f"There is no layer {layer}: {name} has {n} blocks",
            place=name,
            fix=f"Choose a layer from 0 ({what}) to {n_layers - 1}, {first}",
        )


def blocks(net: nn.Module) -> nn.ModuleList:
    """The stack of blocks; empty where the network has none, or stages of several."""
    config = getattr(net, "config", None)
    if hasattr(config, "depths"):
        return nn.ModuleList()
    n = getattr(config, "num_hidden_layers", None)
    lists = (m for m in net.modules() if isinstance(m, nn.ModuleList))
    return next((m for m in lists if len(m) == n), nn.ModuleList())


def projection(block: nn.Module, facet: str) -> nn.Module | None:
    """The linear layer that makes the facet; its name has changed with transformers' versions."""
    for name, module in block.named_modules():
        if name.rpartition(".")[2] in (facet, f"{facet[0]}_proj") and isinstance(module, nn.Linear):
            return module
    return None


def _n_states(net: Any, name: str) -> int:
    """Stages, or blocks, whose outputs are hidden states."""
    stages = getattr(net.config, "depths", None)
    if n := len(stages) if stages else getattr(net.config, "num_hidden_layers", 0):
        return int(n)
    raise KapbenchError(
        f"The configuration of a {type(net).__name__} does not give its number of layers",
        place=name,
        fix="Write an adapter for it: a class with encode()",
    )
