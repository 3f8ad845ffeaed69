"""Pictures to a GPU and maps back while it computes, through page-locked memory."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

CHUNKS = 8  # of a batch: while one is computed, the next is stacked and the last one copied back


def on_host(
    shown: Sequence[UInt8[np.ndarray, "h w 3"]], maps: Callable[[Tensor], Tensor]
) -> list[Float[np.ndarray, "c n m"]]:
    """The map of each picture in ordinary memory; from a GPU's half precision float16, else float32.

    Args:
        maps: [b c n m] of uint8 images [b 3 h w], which it moves to its own device.
    """
    gpu = torch.cuda.is_available()
    n = -(-len(shown) // CHUNKS) if gpu else max(1, len(shown))
    back: torch.cuda.Stream | None = None
    found = []
    for i in range(0, len(shown), n):
        chunk = maps(_stacked(shown[i : i + n], pin=gpu))
        if chunk.is_cuda:
            back = back or torch.cuda.Stream(chunk.device)  # type: ignore[no-untyped-call]
            chunk = _copied(chunk, back)
        else:
            chunk = chunk.float()
        found.append(chunk)
    if back is not None:
        back.synchronize()
    return [one for chunk in found for one in chunk.numpy()]


def _stacked(shown: Sequence[UInt8[np.ndarray, "h w 3"]], *, pin: bool) -> Tensor:
    batch = torch.empty((len(shown), *shown[0].shape), dtype=torch.uint8, pin_memory=pin)
    np.stack(shown, out=batch.numpy())
    return batch.permute(0, 3, 1, 2)


def _copied(chunk: Tensor, back: torch.cuda.Stream) -> Tensor:
    """Page-locked memory that holds the chunk once `back` is done.

    The way back is the slowest part: what has the bits of a half goes as a half.
    """
    chunk = chunk if chunk.dtype == torch.float32 else chunk.half()
    back.wait_stream(torch.cuda.current_stream(chunk.device))
    chunk.record_stream(back)
    with torch.cuda.stream(back):
        return chunk.to("cpu", non_blocking=True)
