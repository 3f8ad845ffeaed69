"""Whether a reading fits into memory, checked before anything is loaded."""

from collections.abc import Callable
from pathlib import Path

import torch

from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench_baselines.diffusion import single_file
from kapbench_baselines.diffusion.pipeline_files import FILES
from kapbench_baselines.diffusion.read_settings import Reading
from kapbench_baselines.vit.weights import explained

# Bytes of activations for each pixel of what is seen at once, measured by benchmarks/speed/diffusion.py:
# the VAE's first layers set the peak of one image; further draws of noise pass the UNet alone.
IMAGE_BYTES = {torch.float32: 3200, torch.float16: 1600}
DRAW_BYTES = {torch.float32: 1000, torch.float16: 500}


# Numbers of the networks that stand beside the UNet where they come from the hub.
DINOV2_B, CLIP_L = 86_580_480, 304_293_888


def check(
    folder: Path, reading: Reading, device: str, dtype: torch.dtype, name: str, beside: int = 0
) -> int:
    """How many draws of noise may pass the UNet together.

    Args:
        beside: Bytes of other networks in memory. One network runs at a time, and the
            UNet's and the VAE's activations are the largest: those of the others do not add up.

    Raises:
        KapbenchError: not even one image would fit.
    """
    pixels = reading.seen_px**2
    need = weights_bytes(folder, dtype) + beside + IMAGE_BYTES[dtype] * pixels
    free = free_bytes(device)
    if need > free:
        raise KapbenchError(
            f"The model needs {need / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free on {device}",
            place=name,
            fix="Choose a smaller image_px or window (512 is what published runs see at once)"
            + ("" if device.startswith("cuda") else ", or a GPU, where weights are fp16"),
        )
    return max(1, min(reading.ensemble, int((free - need) // (DRAW_BYTES[dtype] * pixels))))


def weights_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Of the networks once loaded; their files hold four bytes a number, or two."""
    if folder.is_file():
        return _count_numbers(folder, single_file.numbers) * dtype.itemsize
    files = [
        folder / part / name
        for part, names in FILES.items()
        for name in names
        if name.endswith(".safetensors")
    ]
    return sum(_count_numbers(path, _numbers) for path in files) * dtype.itemsize


def numbers(weights: str | Path | None, published: int) -> int:
    """Of another network: counted in its folder or file, `published` where they come from the hub."""
    if weights is None:
        return published
    path = Path(weights).expanduser()
    files = list_files(path, "*.safetensors") if path.is_dir() else [path]
    safe = [f for f in files if f.suffix == ".safetensors" and f.is_file()]
    return (
        sum(_count_numbers(f, _numbers) for f in safe) or published
    )  # a .pth is that network or refused


def _numbers(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    return sum(int(torch.Size(shape).numel()) for shape in shapes)


def _count_numbers(path: Path, count: Callable[[Path], int]) -> int:
    with explained("The file cannot be read", path, "Download the file again", (Exception,)):
        return count(path)


def free_bytes(device: str) -> int:
    """Of the device's memory; on the CPU what can be had without swapping."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info()[0])
    import psutil  # comes with accelerate

    return int(psutil.virtual_memory().available)
