"""Encoders and losses on a GPU: near to what the CPU makes, and copied whole."""

import numpy as np
import pytest
import torch
from tiny_vits import tiny_dinov2

import kapbench
from kapbench.types import Picture
from kapbench_baselines.gpu_transfer import CHUNKS, on_host

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def pictures(n: int, size: tuple[int, int] = (120, 90)) -> list[Picture]:
    rng = np.random.default_rng(0)
    shape = (size[1], size[0], 3)
    return [Picture(rng.integers(0, 256, shape, dtype=np.uint8), str(i)) for i in range(n)]


@pytest.mark.parametrize("n", [1, CHUNKS - 1, CHUNKS, 4 * CHUNKS + 1])
def test_maps_come_back_whole_and_in_order(n):
    shown = [p.pixels for p in pictures(n)]

    def maps(images):
        slow = images.cuda(non_blocking=True).double()
        for _ in range(20):
            slow = slow + 1.0
        return slow

    for _ in range(3):  # memory is used again
        found = on_host(shown, maps, "cuda")
        assert len(found) == n
        for one, image in zip(found, shown, strict=True):
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, image.transpose(2, 0, 1).astype(np.float32) + 20)


def encoded(name: str, device: str, **options):
    model = kapbench.load_model(name, device=device, **options)
    return [m.values for m in model.encode(pictures(9))]


def test_lite0():
    for on_cpu, on_gpu in zip(encoded("lite0", "cpu"), encoded("lite0", "cuda"), strict=True):
        np.testing.assert_allclose(on_gpu, on_cpu, atol=5e-3)


@pytest.mark.parametrize(("precision", "near"), [("fp32", 2e-3), ("bf16", 0.1), ("fp16", 0.02)])
def test_dinov2(tmp_path, precision, near):
    options = {"weights": str(tiny_dinov2(tmp_path, "dinov2.vits14")), "image_px": 112}
    plain = encoded("dinov2.vits14", "cpu", **options)
    found = encoded("dinov2.vits14", "cuda", precision=precision, **options)
    for on_cpu, on_gpu in zip(plain, found, strict=True):
        assert on_gpu.dtype == np.float32
        np.testing.assert_allclose(on_gpu, on_cpu, atol=near * np.abs(on_cpu).max())
