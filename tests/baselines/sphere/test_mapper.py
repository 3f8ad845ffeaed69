"""The networks: shapes, units, and what the released checkpoint's layout asks for."""

import pytest
import torch
from torch import nn

from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper


def small() -> SphereMapper:
    torch.manual_seed(0)
    return SphereMapper(channels=7, width=16, heads=2)


def test_points_are_of_unit_length() -> None:
    points = small()(torch.randn(2, 9, 7))
    assert points.shape == (2, 9, 3)
    assert torch.allclose(points.norm(dim=-1), torch.ones(2, 9), atol=1e-6)


def test_the_mapper_knows_no_positions() -> None:
    mapper, tokens = small().eval(), torch.randn(1, 9, 7)
    order = torch.randperm(9)
    assert torch.allclose(mapper(tokens)[:, order], mapper(tokens[:, order]), atol=1e-5)


def test_a_token_is_mapped_by_its_company() -> None:
    mapper, tokens = small().eval(), torch.randn(1, 9, 7)
    other = tokens.clone()
    other[:, 1:] += 1
    assert not torch.allclose(mapper(tokens)[:, 0], mapper(other)[:, 0], atol=1e-4)


def test_training_and_evaluation_attend_alike() -> None:
    mapper, tokens = small(), torch.randn(2, 9, 7)
    assert torch.allclose(mapper.train()(tokens), mapper.eval()(tokens), atol=1e-5)


def test_standardised_tokens_have_mean_0_and_scale_1() -> None:
    mapper, tokens = small(), torch.randn(50, 9, 7) * 3 + 5
    mapper.standardise(tokens)
    inner = (tokens - mapper.input_mean) / mapper.input_scale
    assert inner.mean().abs() < 1e-4
    assert inner.std() == pytest.approx(1, abs=1e-2)


def test_the_decoder_is_told_the_category() -> None:
    torch.manual_seed(0)
    decoder = PrototypeDecoder(channels=7, n_categories=3)
    points = nn.functional.normalize(torch.randn(1, 5, 3), dim=-1).expand(2, -1, -1)
    cat, dog = decoder(points, torch.tensor([0, 2]))
    assert cat.shape == (5, 7)
    assert not torch.allclose(cat, dog, atol=1e-4)


def test_the_mapper_has_the_released_checkpoints_names_and_shapes() -> None:
    """As the released code builds it for DINOv2-B/14; the names are facts of its checkpoint."""
    found = {k: list(v.shape) for k, v in SphereMapper(768, 384, 6).state_dict().items()}
    released = {
        "sphere_mapper.0.weight": [384, 768],
        "sphere_mapper.2.attn.qkv.weight": [1152, 384],
        "sphere_mapper.2.attn.proj.bias": [384],
        "sphere_mapper.2.norm1.weight": [384],
        "sphere_mapper.2.mlp.fc1.weight": [1536, 384],
        "sphere_mapper.2.mlp.fc2.bias": [384],
        "sphere_mapper.3.weight": [3, 384],
    }
    assert released.items() <= found.items()
    assert "sphere_mapper.2.attn.qkv.bias" not in found


def test_normed_tokens_are_those_behind_a_final_norm() -> None:
    """Up to the norm's scale and shift, which the first layer takes over."""
    norm, plain = nn.LayerNorm(7, eps=1e-6), small().eval()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    normed = SphereMapper(channels=7, width=16, heads=2, normed=True).eval()
    normed.load_state_dict(plain.state_dict())
    first, folded = plain.sphere_mapper[0], normed.sphere_mapper[0]
    tokens = torch.randn(2, 9, 7) * 3 + 1
    with torch.no_grad():
        folded.weight.copy_(first.weight * norm.weight)
        folded.bias.copy_(first.bias + first.weight @ norm.bias)
        assert torch.allclose(normed(tokens), plain(norm(tokens)), atol=1e-5)
        assert not torch.allclose(normed(tokens), plain(tokens), atol=1e-2)
