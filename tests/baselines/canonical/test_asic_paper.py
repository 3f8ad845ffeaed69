"""`asic --preset paper-like` against numbers that the original printed on the inputs made here.

github.com/kampta/asic: `LossCorrsSparse` of losses/matching_losses.py, `total_variation_loss` of
losses/reg_losses.py, the equivariance, parts and mask losses of train.py with `Canonical` of
models/canonical.py, and its learning rates with a period of 10 steps; fields of 8×8.
"""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from toy_backbone import TOY, ToyData, ToyEncoder, words

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.types import Grid, Picture
from kapbench_baselines.canonical import asic_losses as losses
from kapbench_baselines.canonical import settings
from kapbench_baselines.canonical.asic_paper_task import AsicPaperTask
from kapbench_baselines.canonical.settings import AsicPaperSettings
from kapbench_baselines.canonical.square_views import (
    FIXED,
    SquareWarping,
    in_square,
    parts_of,
    spline,
)
from kapbench_baselines.canonical.train_command import asic
from kapbench_baselines.canonical.warps import prepare
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.state import rate

N, SIDE, K = 4, 8, 6
DRAWS = torch.Generator().manual_seed(0)
FLOW = torch.rand(N, SIDE, SIDE, 2, generator=DRAWS) * 2 - 1
OTHER = torch.rand(N, SIDE, SIDE, 2, generator=DRAWS) * 2 - 1
POINTS = (torch.rand(N, K, 2, generator=DRAWS) * (SIDE - 1)).round().long()
MASK = (torch.rand(N, 1, SIDE, SIDE, generator=DRAWS) > 0.4).float()[:, 0]
WARPED_MASK = (torch.rand(N, 1, SIDE, SIDE, generator=DRAWS) > 0.4).float()[:, 0]
PARTS = torch.randint(4, (N, SIDE, SIDE), generator=DRAWS)
ATLAS = torch.randn(1, 1, SIDE, SIDE, generator=DRAWS)
RATES = (  # of twenty steps
    *(0.003, 0.0029265847744427307, 0.002713525491562421, 0.00238167787843871),
    *(0.0019635254915624212, 0.0015, 0.001036474508437579, 0.0006183221215612905),
    *(0.000286474508437579, 7.341522555726971e-05, 0.0027, 0.002683379259803436),
    *(0.002633926296998458, 0.0025528588076542966, 0.002442172942406179, 0.002304594154601839),
    *(0.0021435100905948384, 0.001962887174648388, 0.0017671729424061791, 0.0015611865278043122),
)
TINY = SquareWarping(n_warps=1, grid=6, side_px=24)


def leaf(flow):
    return flow.clone().requires_grad_()


def norm(tensor):
    return torch.linalg.vector_norm(tensor).item()


def test_the_two_way_loss_of_matches():
    flow = leaf(FLOW)
    at = [f[p[:, 1], p[:, 0]] for f, p in zip(flow, POINTS, strict=True)]
    loss = losses.two_way(at[:2], at[2:])
    loss.backward()
    assert loss.item() == pytest.approx(3.7061281204223633, rel=1e-6)
    printed = [0.0905042290687561, 0.13030290603637695, 0.18546625971794128, 0.0915200486779213]
    assert [norm(g) for g in flow.grad] == pytest.approx(printed, rel=1e-5)


def test_without_a_match_there_is_no_loss():
    none = torch.zeros(0, 2, requires_grad=True)
    loss = losses.two_way([none], [none])
    loss.backward()
    assert loss.item() == 0


def test_hubers_function_of_the_flows_steps():
    offsets = leaf(3 * FLOW)
    loss = losses.smoothness(offsets)
    loss.backward()
    assert loss.item() == pytest.approx(3.1708645820617676, rel=1e-6)
    assert norm(offsets.grad) == pytest.approx(0.11999833583831787, rel=1e-5)


def test_equivariance_learns_both_ways():
    of_warped, warped = leaf(OTHER), leaf(FLOW)
    loss = losses.equivariance(of_warped, warped, WARPED_MASK * MASK)
    loss.backward()
    assert loss.item() == pytest.approx(0.43975648283958435, rel=1e-6)
    gradients = norm(of_warped.grad), norm(warped.grad)
    assert gradients == pytest.approx((0.025164255872368813,) * 2, rel=1e-5)


def test_parts_are_drawn_to_their_centres():
    flow = leaf(FLOW)
    loss = losses.part_spread(flow, PARTS, 4, MASK)
    loss.backward()
    assert loss.item() == pytest.approx(0.27788862586021423, rel=1e-6)
    assert norm(flow.grad) == pytest.approx(0.03314562886953354, rel=1e-5)


def test_the_mask_is_read_back():
    flow, other, atlas = leaf(FLOW), leaf(OTHER), leaf(ATLAS)
    read = losses.mask_reconstruction
    whole = atlas.expand(N, -1, -1, -1)
    loss = (read(whole, flow, MASK) + read(whole, other, WARPED_MASK)) / 2
    loss.backward()
    assert loss.item() == pytest.approx(0.7704212069511414, rel=1e-6)
    printed = (0.07355281710624695, 0.07865430414676666, 0.05667870119214058)
    assert tuple(norm(x.grad) for x in (flow, other, atlas)) == pytest.approx(printed, rel=1e-5)


def test_the_learning_rate_restarts():
    course = AsicPaperSettings(steps=20)
    assert [rate(course, n) for n in range(1, 21)] == pytest.approx(RATES, rel=1e-9)
    assert AsicPaperSettings().for_categories(3).steps == 60_000


def test_the_weights_are_the_published():
    weights = AsicPaperSettings().weights
    assert list(weights.values()) == [30.0, 1.0, 15000.0, 10.0, 0.1]
    assert list(weights) == list(AsicPaperTask.names)


def test_its_name_and_help_say_that_a_term_is_left_out():
    with pytest.raises(KapbenchError, match="Unknown preset 'paper'") as caught:
        settings.named("asic", "paper")
    assert "paper-like" in str(caught.value)
    text = " ".join(CliRunner().invoke(asic, ["--help"], terminal_width=100).output.split())
    first = "--preset paper-like is the published training without the perceptual reconstruction"
    assert first in text
    assert "baselines.md#the-methods-here-and-as-published lists the differences." in text


def test_a_warp_takes_five_points_where_they_are_moved():
    moved = FIXED + torch.rand(5, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    assert torch.allclose(spline(FIXED, moved), moved, atol=1e-5)
    assert torch.allclose(spline(FLOW, FIXED), FLOW, atol=1e-5)


def test_places_of_cells_are_those_of_the_padded_square():
    grid = Grid.letterbox((80, 40), 8, 840)
    x, y = in_square(grid, (80, 40))
    assert x[0].tolist() == pytest.approx(np.linspace(-7 / 8, 7 / 8, 8), abs=1e-2)
    assert y[:, 0].tolist() == pytest.approx(np.linspace(-7 / 8, 7 / 8, 8), abs=1e-2)


def test_parts_are_clusters_of_a_categorys_own_tokens():
    centres = torch.eye(3).repeat(1, 4).reshape(1, 12, 3)
    tokens = torch.cat([centres, centres.flip(2)])
    on_object = torch.ones(2, 12, dtype=torch.bool)
    on_object[1, :6] = False
    part = parts_of(tokens + 1e-3 * torch.rand(tokens.shape), on_object, [0, 1], 3)
    assert (part[1, :6] == 3).all()
    for start in (0, 4, 8):  # tokens of one centre are one part
        assert len(part[0, start : start + 4].unique()) == 1
    assert len(part[0].unique()) == 3


def task_of(tmp_path, **options):
    data = ToyData()
    tokens = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path)
    small = AsicPaperSettings(**{"image_px": 24, "width": 8, "batch": 4, **options})
    return AsicPaperTask(tokens, small, 2, 0, "cpu")


def test_the_flow_begins_as_the_identity_and_learns(tmp_path):
    task = task_of(tmp_path)
    task.prepare()
    values = task.losses(torch.Generator().manual_seed(0), bf16=False, parts=1)
    named = dict(zip(task.names, values.tolist(), strict=True))
    assert named["variation"] == 0
    assert named["match"] > 0
    task.weighted(values).backward()
    assert task.heads.second.grad.abs().sum() > 0
    assert task.atlas[0].grad.abs().sum() > 0


def test_the_warped_flow_is_read_where_the_warped_image_was(tmp_path):
    task = task_of(tmp_path)
    images, warp = torch.tensor([0, 3]), torch.ones(2, dtype=torch.long)
    line = (torch.arange(24) + 0.5) / 12 - 1
    identity = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).expand(2, 24, 24, 2)
    found = task._warped(identity, images, warp)
    read = task._fine(task._data.xy[images, warp])
    inside = read.abs().max(-1).values < 0.9
    assert inside.float().mean() > 0.3
    assert torch.allclose(found[inside], read[inside], atol=1e-5)


def test_it_trains_on_the_test_images_and_runs_under_its_own_name(tmp_path, monkeypatch):
    small = AsicPaperSettings(image_px=24, width=8, warping=TINY)
    monkeypatch.setitem(settings.PRESETS["asic"], "paper-like", small)
    more = ("--preset", "paper-like", "--warps", "1")
    done = CliRunner().invoke(asic, words(tmp_path, *more))
    assert done.exit_code == 0, done.output
    path = tmp_path / "out" / "weights.safetensors"
    _, card, _ = files.load(path, "asic")
    assert (card.split, card.shape["residual"]) == ("test", True)
    model = load_model("asic", weights=str(path), backbone=f"{TOY}:ToyEncoder")
    assert (model.name, model.similarity) == ("asic.paper-like.toy", "neg_l2")
    assert "toy test" in model.trained_on
    view = ToyData().views()[0]
    (points,) = model.encode([Picture(ToyData().pixels(view), "i", category="cat")])
    assert points.values.shape[0] == 2
    assert points.values[0, :, 0].mean() < points.values[0, :, -1].mean()
