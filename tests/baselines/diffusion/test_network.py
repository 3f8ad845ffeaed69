"""Named blocks against what the UNet's own modules are given; noise; the ensemble."""

import pytest
import torch

from kapbench.errors import KapbenchError
from kapbench_baselines.diffusion.network import Diffusion
from kapbench_baselines.diffusion.pipeline_files import RELEASES, load
from kapbench_baselines.diffusion.read_settings import DIFT, SD_DINO

IMAGE = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator())
ALL = "up0.0,up0.1,up0.2,up0,up1.0,up1.1,up1.2,up1,up2.1,up2,up3.1,up3"


@pytest.fixture
def parts(v15):
    return load(RELEASES["v15"], v15, "here", torch.float32)


def network(parts, reading=SD_DINO, **changed):
    return Diffusion(parts, reading.changed("sd.v15", {"window": None, **changed}), "sd.v15", "cpu")


def maps(parts, reading=SD_DINO, batch=1, **changed):
    net = network(parts, reading, **changed)
    return net.maps(IMAGE, net.states(""), batch=batch)


def given_to(module, take):
    """What a module is given while the block's maps are computed."""
    seen = []
    hook = module.register_forward_pre_hook(
        lambda _m, args, kwargs: seen.append(take(args, kwargs)), with_kwargs=True
    )
    return seen, hook


@pytest.mark.parametrize("level", [0, 1, 2])
def test_sd_dinos_layers_are_what_the_next_layer_is_given(parts, level):
    """LDM's output blocks 2, 5 and 8 get the features, then the skip connection stacked behind."""
    unet = parts.unet
    seen, hook = given_to(unet.up_blocks[level].resnets[2], lambda args, _: args[0])
    found = maps(parts, blocks=f"up{level}.1,up3")[0]  # up3: so that the UNet runs to its end
    hook.remove()
    assert len(found) == unet.config.block_out_channels[::-1][level]
    torch.testing.assert_close(found, seen[0][0, : len(found)])


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_block_is_what_the_next_block_is_given(parts, level):
    seen, hook = given_to(
        parts.unet.up_blocks[level + 1], lambda _, kwargs: kwargs["hidden_states"]
    )
    found = maps(parts, blocks=f"up{level},up3")[0]
    hook.remove()
    torch.testing.assert_close(found, seen[0][0])


def test_channels_are_told_before_anything_is_read(parts):
    found = [len(f) for f in maps(parts, blocks=ALL)]
    assert network(parts, blocks=ALL).channels == tuple(found)


def test_sizes_of_all_blocks(parts):
    sides = [f.shape[-1] for f in maps(parts, blocks=ALL)]
    assert sides == [1, 1, 1, 2, 2, 2, 2, 4, 4, 8, 8, 8]


@pytest.mark.parametrize("name", ["up4", "up1.3", "down0", "", "up1.1.1", "up-1"])
def test_a_block_that_is_not_there(parts, name):
    with pytest.raises(KapbenchError, match="no block"):
        network(parts, blocks=name or ",")


def test_the_rest_of_the_unet_does_not_run(parts):
    seen, hook = given_to(parts.unet.conv_out, lambda *_: 1)
    maps(parts, blocks="up3.2")
    hook.remove()
    assert not seen
    assert not parts.unet.up_blocks[3].attentions[2]._forward_hooks


def test_the_same_twice_and_another_seed_not(parts):
    one, two, other = (maps(parts, seed=s)[0] for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.allclose(one, other)


def test_an_ensemble_is_the_mean_of_its_draws_whatever_the_batch(parts):
    whole = maps(parts, DIFT, ensemble=3)[0]
    torch.testing.assert_close(maps(parts, DIFT, ensemble=3, batch=2)[0], whole)
    assert not torch.allclose(maps(parts, DIFT, ensemble=1)[0], whole, atol=1e-3)


def test_noise_by_hand(parts):
    """q(z_t | z_0) of the scaled-linear schedule, Ho et al. 2020, eq. 4."""
    net = network(parts, timestep=100)
    seen, hook = given_to(parts.unet, lambda args, _: args[0])
    net.maps(IMAGE, net.states(""))
    hook.remove()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = (1 - betas).cumprod(0)[100].float()
    with torch.inference_mode():
        posterior = parts.vae.encode(IMAGE[None] / 127.5 - 1).latent_dist
    clean = posterior.mean * parts.vae.config.scaling_factor
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(42))
    torch.testing.assert_close(seen[0], kept.sqrt() * clean + (1 - kept).sqrt() * noise)


def test_an_addition_to_the_time_embedding_counts(parts):
    net = network(parts)
    states = net.states("")
    plain = net.maps(IMAGE, states)[0]
    zero, moved = (net.maps(IMAGE, states, torch.full((1, 128), v))[0] for v in (0.0, 3.0))
    torch.testing.assert_close(zero, plain)
    assert not torch.allclose(moved, plain)


def test_the_prompt_counts(parts):
    net = network(parts)
    empty, cat = net.states(""), net.states("a photo of a cat")
    assert empty.shape == (1, 77, 768)
    assert not torch.allclose(net.maps(IMAGE, empty)[0], net.maps(IMAGE, cat)[0])
