"""FreeU against numbers that the released code printed.

Printed by `unet_forward` of GeoAware-SC's third_party/ODISE/odise/modeling/meta_arch/ldm.py (99fd6b6)
on the UNet of stable-diffusion-sdkit 2.1.3, which it pins, with the weights and inputs below. Widths
and the numbers of channels in that function were a tenth: 32, 64, 128. Run unchanged on the true
widths, 320 to 1280, with random weights, kapbench's maps differed by at most 5e-5 of 29.
"""

import zlib

import numpy as np
import pytest
import torch

from kapbench_baselines.diffusion import freeu
from kapbench_baselines.diffusion.network import Diffusion
from kapbench_baselines.diffusion.pipeline_files import Parts
from kapbench_baselines.diffusion.read_settings import SD_DINO

CONTEXT = 16
# Norms of both halves of the channels, and the row 1, column 0 at the halves' ends, of each layer.
PUBLISHED = [
    (58.511612, 51.750076, [1.9072948, 0.1479533, -0.7442929, -4.2571526]),
    (146.481247, 116.407349, [-1.6409873, -2.0101244, 0.530607, -4.5397911]),
    (240.941742, 187.330505, [-0.4645295, -0.471281, 6.0777283, -1.3603793]),
    (248.546585, 242.96167, [0.5444794, 0.0029288, 1.6925, -2.1461668]),
]
WITHOUT = [
    (47.644741, 51.801617, [1.060455, -0.280446, -0.4833701, -4.7674513]),
    (117.329956, 112.041245, [-1.147387, -1.5846039, 0.3790737, -4.9510941]),
    (147.86026, 155.091095, [0.7338548, 0.5750968, 4.3560085, -1.9264297]),
    (194.136063, 199.012085, [0.1518272, 1.5131043, 2.4119222, -1.9421287]),
]


@pytest.fixture(scope="module")
def unet():
    """Weights that depend on nothing but their names."""
    diffusers = pytest.importorskip("diffusers", reason="needs the extra sd")
    unet = diffusers.UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=2,
        cross_attention_dim=CONTEXT,
        attention_head_dim=8,
    )
    with torch.no_grad():
        for name, tensor in unet.named_parameters():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            values = torch.from_numpy(rng.normal(size=tuple(tensor.shape)).astype(np.float32))
            if tensor.ndim > 1:
                tensor.copy_(values / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_(0.1 * values + ("norm" in name and name.endswith("weight")))
    return unet.eval()


def maps(unet, **settings):
    rng = np.random.default_rng(0)
    noisy, states = (
        torch.from_numpy(rng.normal(size=size).astype(np.float32))
        for size in ((1, 4, 16, 16), (1, 77, CONTEXT))
    )
    unused = torch.nn.Identity()
    parts = Parts(unet, unused, unused, None, None, "tests")
    blocks = "up0.1,up1.1,up2.1,up3.1"  # the inputs of LDM's output blocks 2, 5, 8 and 11
    reading = SD_DINO.changed("tests", {"timestep": 50, "blocks": blocks} | settings)
    with torch.inference_mode():
        return [m[0] for m in Diffusion(parts, reading, "tests", "cpu").read(noisy, states)]


@pytest.mark.parametrize(("used", "expected"), [(True, PUBLISHED), (False, WITHOUT)])
def test_maps_are_those_of_the_released_code(unet, used, expected):
    for features, (first, second, values) in zip(maps(unet, freeu=used), expected, strict=True):
        half = len(features) // 2
        norms = features[:half].norm().item(), features[half:].norm().item()
        assert norms == pytest.approx((first, second), rel=1e-5)
        assert features[[0, half - 1, half, -1], 1, 0].tolist() == pytest.approx(values, abs=5e-4)


def test_the_unet_is_left_as_it_was(unet):
    before = maps(unet)
    maps(unet, freeu=True)
    for one, two in zip(before, maps(unet), strict=True):
        torch.testing.assert_close(one, two)


def test_only_the_first_half_of_the_channels_is_amplified():
    features = torch.arange(1.0, 5.0).reshape(1, 4, 1, 1)
    assert freeu.amplified(features, 1.5).flatten().tolist() == [1.5, 3, 3, 4]


def test_settings_without_it_keep_their_name():
    """Caches of the models that do not use it stay valid."""
    assert SD_DINO.digest == "f8410af2c348dbbd"
    assert SD_DINO.changed("tests", {"freeu": True}).digest != SD_DINO.digest
