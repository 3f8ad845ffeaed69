"""What a device says when its memory ends."""

import torch


def ran_out(error: BaseException | None) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


def let_go() -> None:
    """Gives back what is cached for the next allocation and too small for it."""
    torch.cuda.empty_cache()
