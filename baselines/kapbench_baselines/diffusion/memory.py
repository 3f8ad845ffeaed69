"""Whether a reading fits into memory, asked before anything is loaded."""

from pathlib import Path

import torch

from kapbench.errors import KapbenchError
from kapbench_baselines.diffusion.parts import FILES
from kapbench_baselines.diffusion.reading import Reading

# Bytes of activations for each pixel of what is seen at once, measured by benchmarks/diffusion.py:
# the VAE's first layers set the peak of one image; further draws of noise pass the UNet alone.
IMAGE_BYTES = {torch.float32: 3200, torch.float16: 1600}
DRAW_BYTES = {torch.float32: 1000, torch.float16: 500}


def check(folder: Path, reading: Reading, device: str, dtype: torch.dtype, name: str) -> int:
    """How many draws of noise may pass the UNet together.

    Raises:
        KapbenchError: not even one image would fit.
    """
    pixels = reading.seen_px**2
    need = weights_bytes(folder, dtype) + IMAGE_BYTES[dtype] * pixels
    free = free_bytes(device)
    if need > free:
        raise KapbenchError(
            f"{need / 2**30:.1f} GiB are needed, {free / 2**30:.1f} GiB are free on {device}",
            place=name,
            fix="choose a smaller image_px or window (512 is what published runs see at once)"
            + ("" if device.startswith("cuda") else ", or a GPU, where weights are fp16"),
        )
    return max(1, min(reading.ensemble, int((free - need) // (DRAW_BYTES[dtype] * pixels))))


def weights_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Of the networks once loaded; their files hold four bytes a number, or two."""
    from safetensors import safe_open

    total = 0
    for part, names in FILES.items():
        for name in names:
            if name.endswith(".safetensors"):
                try:
                    with safe_open(folder / part / name, "pt") as file:
                        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
                except Exception as error:
                    raise KapbenchError(
                        f"cannot be read: {str(error).strip().splitlines()[0]}",
                        place=folder / part / name, fix="download the file again",
                    ) from error  # fmt: skip
                total += sum(int(torch.Size(shape).numel()) for shape in shapes)
    return total * dtype.itemsize


def free_bytes(device: str) -> int:
    """Of the device's memory; on the CPU what can be had without swapping."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info()[0])
    import psutil  # comes with accelerate

    return int(psutil.virtual_memory().available)
