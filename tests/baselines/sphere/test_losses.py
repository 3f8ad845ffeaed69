"""The four losses: by hand, and by the laws that the paper's argument rests on."""

import math

import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from kapbench_baselines.sphere import losses

ONE = torch.ones(1)
RIGHT_TURN = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])  # x right, y down


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, 3, generator=generator), dim=-1)


def rotation(seed: int) -> Tensor:
    """A proper rotation."""
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)))
    return q * torch.linalg.det(q)


def corners(*points: tuple[float, float, float]) -> Tensor:
    return functional.normalize(torch.tensor([points]), dim=-1)


def test_reconstruction_is_one_minus_cosine() -> None:
    decoded = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    tokens = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    assert losses.reconstruction(decoded, tokens, torch.tensor([1.0, 1.0])) == pytest.approx(0.5)
    assert losses.reconstruction(decoded, tokens, torch.tensor([1.0, 0.0])) == pytest.approx(0.0)


def test_relative_distance_by_hand() -> None:
    near, far = (0.6, 0.8, 0.0), (0.0, 1.0, 0.0)  # cosines 0.6 and 0 to (1, 0, 0)
    xy = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]])
    kept = corners((1, 0, 0), near, far)
    swapped = corners((1, 0, 0), far, near)
    assert losses.relative_distance(kept, xy, ONE, 0.5) == pytest.approx(0.0)  # 0.5 - 0.6 < 0
    assert losses.relative_distance(kept, xy, ONE, 0.7) == pytest.approx(0.1)
    assert losses.relative_distance(swapped, xy, ONE, 0.5) == pytest.approx(1.1)


def test_relative_distance_needs_a_nearer_one() -> None:
    xy = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert losses.relative_distance(unit(1, 3), xy, ONE, 0.5) == 0.0


def test_orientation_by_hand() -> None:
    # Around (0, 0, 1), x then y turns like x then y in the image: sine 1, no loss.
    same = corners((0, 0, 1), (0.5, 0, 1), (0, 0.5, 1))
    assert losses.orientation(same, RIGHT_TURN, ONE, 0.7) == pytest.approx(0.0, abs=1e-6)
    other = same[:, [0, 2, 1]]
    assert losses.orientation(other, RIGHT_TURN, ONE, 0.7) == pytest.approx(4.0, abs=1e-5)


def test_orientation_leaves_out_flat_triangles() -> None:
    flat = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]]])  # sine 0.45
    assert losses.orientation(unit(1, 3), flat, ONE, 0.7) == 0.0
    assert losses.orientation(unit(1, 3), flat, ONE, 0.4) > 0


@given(st.integers(0, 10_000))
@examples(30)
def test_losses_of_shape_do_not_see_rotations(seed: int) -> None:
    points, xy = unit(4, 8, 3, seed=seed), torch.rand(4, 8, 3, 2) * 10
    turned, weight = points @ rotation(seed + 1).T, torch.ones(4, 8)
    for loss, constant in ((losses.relative_distance, 0.5), (losses.orientation, 0.7)):
        before, after = loss(points, xy, weight, constant), loss(turned, xy, weight, constant)
        assert float(before) == pytest.approx(float(after), abs=1e-4)
    directions, bins = unit(6, seed=seed), torch.arange(6)
    turned = directions @ rotation(seed + 2).T
    before, after = losses.viewpoint(directions, bins), losses.viewpoint(turned, bins)
    assert float(before) == pytest.approx(float(after), abs=1e-4)


@given(st.integers(0, 10_000))
@examples(30)
def test_mirroring_image_and_sphere_keeps_the_orientation_loss(seed: int) -> None:
    points, xy = unit(16, 3, seed=seed), torch.rand(16, 3, 2) * 10
    weight = torch.ones(16)
    one = losses.orientation(points, xy, weight, 0.5)
    both = losses.orientation(
        points * torch.tensor([-1.0, 1, 1]), xy * torch.tensor([-1.0, 1]), weight, 0.5
    )
    assert float(one) == pytest.approx(float(both), abs=1e-4)


def test_mirroring_the_image_alone_turns_right_into_wrong() -> None:
    same = corners((0, 0, 1), (0.5, 0, 1), (0, 0.5, 1))
    mirrored = RIGHT_TURN * torch.tensor([-1.0, 1.0])
    assert losses.orientation(same, mirrored, ONE, 0.7) == pytest.approx(4.0, abs=1e-5)


def test_viewpoint_is_zero_where_directions_turn_with_the_azimuth() -> None:
    angle = torch.arange(8) * (2 * math.pi / 8)
    directions = torch.stack([angle.cos(), angle.sin(), torch.zeros(8)], dim=-1)
    bins = torch.arange(8)
    assert losses.viewpoint(directions, bins) == pytest.approx(0.0, abs=1e-6)
    assert losses.viewpoint(directions, -bins % 8) == pytest.approx(0.0, abs=1e-6)  # a mirror image
    assert losses.viewpoint(directions, torch.zeros(8, dtype=torch.long)) > 0.5


def test_viewpoint_by_hand_counts_the_diagonal() -> None:
    directions = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    # Opposite azimuths, same direction: (1 + 1)^2 in two of four places.
    assert losses.viewpoint(directions, torch.tensor([0, 4])) == pytest.approx(2.0)


def test_unknown_azimuths_count_for_nothing() -> None:
    directions = unit(3)
    known = losses.viewpoint(directions[:2], torch.tensor([1, 3]))
    assert losses.viewpoint(directions, torch.tensor([1, 3, -1])) == pytest.approx(float(known))
    assert losses.viewpoint(directions, torch.tensor([-1, -1, -1])) == 0.0


def test_nothing_to_compare_is_zero_with_a_gradient() -> None:
    raw = torch.randn(2, 3, 3, requires_grad=True)
    points = functional.normalize(raw, dim=-1)
    xy, none = torch.zeros(2, 3, 2), torch.zeros(2)  # all at one place, and no weight
    total = losses.relative_distance(points, xy, none, 0.5) + losses.orientation(
        points, xy, none, 0.7
    )
    total.backward()
    assert total.item() == 0.0
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_one_token_thrice_has_a_finite_gradient() -> None:
    raw = torch.randn(1, 1, 3, requires_grad=True)
    points = functional.normalize(raw, dim=-1).expand(1, 3, 3)
    losses.orientation(points, RIGHT_TURN, ONE, 0.7).backward()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_tokens_are_drawn_from_the_object_alone() -> None:
    on_object = torch.tensor([[False, True, False, True], [False] * 4])
    drawn = losses.draw_tokens(on_object, 50, torch.Generator().manual_seed(0))
    assert set(drawn[0].tolist()) == {1, 3}
    assert set(drawn[1].tolist()) == {0, 1, 2, 3}  # no object: from all, to be weighted by 0


def test_mean_points_are_directions_of_the_object() -> None:
    points = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]])
    found = losses.mean_points(points, torch.tensor([[True, True, False]]))
    assert torch.allclose(found, torch.tensor([[0.5**0.5, 0.5**0.5, 0.0]]))
    assert losses.mean_points(points, torch.zeros(1, 3, dtype=torch.bool)).abs().sum() == 0
