"""Pictures to a GPU and maps back while it computes, through page-locked memory."""

import math
from collections.abc import Callable, Iterator, Sequence
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

CHUNKS = 8  # of a batch: while one is computed, the last is taken out and the next stacked


class _Locked:
    """Page-locked memory that is kept: making it takes longer than all that is done with it."""

    def __init__(self) -> None:
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def of(self, shape: Sequence[int], kind: torch.dtype) -> Tensor:
        n_bytes = math.prod(shape) * kind.itemsize
        if n_bytes > len(self._bytes):
            self._bytes = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
        return self._bytes[:n_bytes].view(kind).view(*shape)


_to_gpu, _from_gpu, _in_use = (_Locked(), _Locked()), (_Locked(), _Locked()), Lock()


def on_host(
    squares: Sequence[UInt8[np.ndarray, "h w 3"]], maps: Callable[[Tensor], Tensor], device: str
) -> list[Float32[np.ndarray, "c n m"]]:
    """The map of each picture in ordinary memory.

    Args:
        maps: [b c n m] of uint8 images [b 3 h w], which it moves to `device`.
    """
    if not device.startswith("cuda"):
        images = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
        return list(maps(images).float().cpu().numpy())
    with _in_use, torch.cuda.device(device):
        try:
            return list(_in_chunks(squares, maps))
        finally:
            torch.cuda.synchronize()  # nothing is on its way when the memory is used again


def _in_chunks(
    squares: Sequence[UInt8[np.ndarray, "h w 3"]], maps: Callable[[Tensor], Tensor]
) -> Iterator[Float32[np.ndarray, "c n m"]]:
    n = -(-len(squares) // CHUNKS)
    last: tuple[torch.cuda.Event, Tensor] | None = None
    for i, start in enumerate(range(0, len(squares), n)):
        chunk = squares[start : start + n]
        images = _to_gpu[i % 2].of((len(chunk), *chunk[0].shape), torch.uint8)
        np.stack(chunk, out=images.numpy())
        output = maps(images.permute(0, 3, 1, 2))
        copied = _from_gpu[i % 2].of(output.shape, torch.float32)
        copied.copy_(output, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        if last is not None:
            yield from _taken(*last)
        last = done, copied
    if last is not None:
        yield from _taken(*last)


def _taken(done: torch.cuda.Event, copied: Tensor) -> Iterator[Float32[np.ndarray, "c n m"]]:
    done.synchronize()
    for one in copied.numpy():
        yield one.copy()
