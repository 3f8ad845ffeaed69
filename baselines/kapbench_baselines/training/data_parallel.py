"""One batch through a network in shares: of the ranks of torchrun, and of parts that fit in memory.

Every rank draws the same batch, maps its share of it, and sees what all shares became: losses that
couple the images of a batch, or divide by what the batch happens to hold, are those of the whole batch,
whatever the number of ranks or parts.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.utils.checkpoint import checkpoint

from kapbench_baselines.training import ranks

Map = Callable[..., Tensor]


def map_in_parallel(network: Map, *inputs: Tensor, parts: int = 1) -> Tensor:
    """Maps a batch piece by piece: over the ranks of torchrun, and over pieces that fit in memory.

    The result and its gradients equal those of `network(*inputs)` but for rounding.

    Args:
        network: Treats the entries of the first axis apart from each other.
        parts: Of a rank's share. Each is computed once more in the backward pass, where its
            activations alone are held.
    """
    n, n_ranks = len(inputs[0]), ranks.count()
    own = _share(n, n_ranks, ranks.number())
    shares = [_share(own.stop - own.start, parts, i, own.start) for i in range(parts)]
    enter, join = cast("tuple[Map, Map]", (_Entered.apply, _Whole.apply))
    entered = [enter(x) if n_ranks > 1 and x.requires_grad else x for x in inputs]
    pieces = [tuple(x[s] for x in entered) for s in shares if s.stop > s.start]
    if len(pieces) > 1:
        recomputed = cast("Map", partial(checkpoint, network, use_reentrant=False))
        mapped = torch.cat([recomputed(*piece) for piece in pieces])
    else:
        mapped = network(*(x[own] for x in entered))
    return mapped if n_ranks == 1 else join(mapped, n, own)


def _share(n: int, of: int, number: int, start: int = 0) -> slice:
    return slice(start + n * number // of, start + n * (number + 1) // of)


class _Whole(torch.autograd.Function):
    """All ranks' shares in one. Each rank takes the loss of the whole, so a share's gradient is there
    once; it counts as often as there are ranks, for the mean over ranks to be the sum of the shares."""

    @staticmethod
    def forward(ctx: Any, mapped: Tensor, n: int, own: slice) -> Tensor:
        ctx.own = own
        whole = mapped.new_zeros(n, *mapped.shape[1:])
        whole[own] = mapped
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.own] * ranks.count(), None, None


class _Entered(torch.autograd.Function):
    """For what lies before a network: the gradient of all shares, on every rank.

    Each rank has that of its own rows, as often as `_Whole` has multiplied it.
    """

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole / ranks.count()
