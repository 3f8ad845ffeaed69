"""Several processes under torchrun: all draw the same batch, each maps its share, all take one step."""

import os
import sys
from datetime import timedelta

import click
import torch
from torch import distributed, nn

# The first process encodes and validates alone, and the others wait for it in a collective.
PATIENCE = timedelta(hours=12)


def start(device: str) -> str:
    """Joins the processes of torchrun where there are any; returns this process's device."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) < 2:
        return device
    if not distributed.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def number() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that writes, validates and talks."""
    return number() == 0


def average_gradients(modules: list[nn.Module]) -> None:
    """Mean over processes; a parameter without a gradient counts as zero."""
    if count() < 2:
        return
    for module in modules:
        for parameter in module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= count()


def wait() -> None:
    """Until all processes are here."""
    if count() > 1:
        distributed.barrier()


def finish(message: str) -> None:
    """Says so once. Among several processes this one ends here, when all of them are done."""
    if is_first():
        click.echo(message)
    if count() < 2:
        return
    distributed.barrier()
    distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's own end: once in about a hundred, a thread of gloo still wants the
    # interpreter then, and aborts a process that has done all its work.
    os._exit(0)
