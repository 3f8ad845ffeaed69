"""Training on a GPU: the same draws, losses and gradients as on the CPU."""

import pytest
import torch

from kapbench_baselines.sphere.settings import Augmentation, Losses, Settings
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import prepare

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

TINY = Settings(
    width=16,
    heads=2,
    dropout=0.0,
    standardise=True,
    batch=6,
    tokens=20,
    token_grid=6,
    losses=Losses(triplets=4, decoded_tokens=8),
    augmentation=Augmentation(crops=1, grid=6, side_px=24),
)


@pytest.mark.parametrize("parts", [1, 2])
def test_losses_and_gradients(tmp_path, toy_data, new_encoder, parts):
    views = prepare(
        toy_data, toy_data.views(), ("cat", "dog"), new_encoder(), TINY.augmentation, tmp_path
    )
    found = []
    for device in ("cpu", "cuda"):
        task = SphereTask(views, TINY, 2, seed=0, device=device)
        task.prepare()
        losses = task.losses(torch.Generator().manual_seed(0), bf16=False, parts=parts)
        task.weighted(losses).backward()
        found.append([losses.detach(), *(p.grad for p in task.mapper.parameters())])
    for on_cpu, on_gpu in zip(*found, strict=True):
        torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-3, atol=1e-4)
