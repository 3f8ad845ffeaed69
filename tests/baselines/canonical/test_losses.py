"""Losses of dve and asic on cases that can be worked out by hand."""

import pytest
import torch

from kapbench_baselines.canonical import losses

ON = torch.ones(1, 3, dtype=torch.bool)


def test_closeness_is_a_cosine_or_minus_the_squared_distance():
    one, two = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
    assert torch.allclose(losses.closeness(one, two, sphere=True), one @ two.mT)
    apart = losses.closeness(one, two, sphere=False)
    expected = -torch.cdist(one, two).square() + one.square().sum(-1)[:, :, None]
    # The query's own square is the same for all answers and left out of the softmax.
    shift = (apart - expected)[:, :, 0]
    assert torch.allclose(apart - expected, shift[..., None].expand_as(apart), atol=1e-5)


def test_a_sure_right_match_is_no_distance_away():
    xy = torch.tensor([[[0.0, 0], [1, 0], [0, 2]]])
    sure = torch.eye(3)[None] * 1e4
    assert losses.expected_distance(sure, xy, xy, ON) == 0
    wrong = sure.roll(1, dims=2)
    assert losses.expected_distance(wrong, xy, xy, ON) == pytest.approx((1 + 5**0.5 + 2) / 3)
    even = losses.expected_distance(torch.zeros(1, 3, 3), xy, xy, ON)
    assert even == pytest.approx(2 * (1 + 2 + 5**0.5) / 9)


def test_tokens_off_the_object_do_not_count():
    xy = torch.randn(1, 3, 2)
    assert losses.expected_distance(torch.randn(1, 3, 3), xy, xy, ~ON) == 0


def test_mutual_matches():
    one = torch.tensor([[[1.0, 0], [0, 1], [0.6, 0.8]]])
    two = torch.tensor([[[0.0, 2], [3, 0.1]]])
    two_on = torch.ones(1, 2, dtype=torch.bool)
    answer, mutual = losses.mutual_matches(one, two, ON, two_on)
    assert answer.tolist() == [[1, 0, 0]]
    assert mutual.tolist() == [[True, True, False]]
    _, less = losses.mutual_matches(one, two, ON, torch.tensor([[True, False]]))
    assert less.tolist() == [[False, True, False]]


def test_reconstruction_reads_the_atlas_at_the_point():
    atlas = torch.zeros(1, 2, 3, 3)
    atlas[0, 0, 0, 0] = 5.0
    atlas[0, 1, 2, 2] = 1.0
    points = torch.tensor([[[-1.0, -1], [1, 1], [1, 1]]])
    tokens = torch.tensor([[[2.0, 0], [0, 1], [1, 0]]])
    assert losses.reconstruction(atlas, points, tokens, ON) == pytest.approx(1 / 3)


def test_variation_is_nothing_on_a_flat_map_and_one_step_on_a_ramp():
    on = torch.ones(1, 9, dtype=torch.bool)
    assert losses.variation(torch.ones(1, 9, 2), on, 3) == 0
    ramp = torch.arange(9.0).reshape(1, 9, 1) % 3
    assert losses.variation(ramp, on, 3) == pytest.approx(0.5)  # to the right alone
