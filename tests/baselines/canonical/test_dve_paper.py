"""`dve --preset paper` against numbers that the original printed on the inputs made here.

github.com/jamt9000/DVE: `dense_correlation_loss_dve` of model/loss.py with normalize_vectors false, on
maps of 4×4 of images of 8×8; `Warper` and `random_tps_weights` of utils/tps.py.
"""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from toy_backbone import TOY, ToyData, ToyEncoder, words

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.canonical import settings
from kapbench_baselines.canonical.dve_paper_task import DvePaperTask
from kapbench_baselines.canonical.losses import expected_distance_through
from kapbench_baselines.canonical.settings import DvePaperSettings, named
from kapbench_baselines.canonical.tps_warps import TpsWarping, random_weights, warped
from kapbench_baselines.canonical.train_command import dve
from kapbench_baselines.canonical.warps import prepare
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.loop import Plan, train
from kapbench_baselines.training.state import rate

LOSS = 1.8102188110351562
GRADIENTS = [  # norms, of the two maps of each of three images
    0.04017818346619606,
    0.018516607582569122,
    0.04185274615883827,
    0.05160439386963844,
    0.06633305549621582,
    0.03077274188399315,
]
READ = {  # places by the warper: where the first and the second warp read them
    (-1.0, -1.0): (
        (-0.8033695220947266, -0.7563453316688538),
        (-1.2996227741241455, -0.4315577745437622),
    ),
    (-0.5959596037864685, 0.010101011022925377): (
        (-0.5954774618148804, 0.1832449734210968),
        (-0.6638999581336975, 0.2057090699672699),
    ),
    (1.0, 1.0): ((0.8817248344421387, 0.7164479494094849), (1.171417474746704, 1.2785362005233765)),
    (0.5555555820465088, -0.39393940567970276): (
        (0.4375295042991638, -0.33457881212234497),
        (0.49649733304977417, -0.2244301438331604),
    ),
}
TINY = TpsWarping(n_warps=2, grid=6, side_px=48)


def test_the_loss_and_its_gradients():
    draws = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 5, 4, 4, generator=draws).requires_grad_()
    grid = torch.rand(3, 8, 8, 2, generator=draws) * 2 - 1
    points = maps.flatten(2).transpose(1, 2)
    one, two = points[0::2], points[1::2]
    one_xy = ((grid + 1) / 2 * 7)[:, ::2, ::2].reshape(3, 16, 2)
    line = torch.arange(0.0, 8, 2)
    two_xy = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(1, 16, 2)
    loss = expected_distance_through(one, one.roll(-1, 0), two, one_xy, two_xy.repeat(3, 1, 1))
    loss.backward()
    assert loss.item() == pytest.approx(LOSS, rel=1e-6)
    norms = [torch.linalg.vector_norm(g).item() for g in maps.grad]
    assert norms == pytest.approx(GRADIENTS, rel=1e-4)


def test_the_warps():
    draws = torch.Generator().manual_seed(3)
    first = random_weights(TpsWarping(), draws, share=0.5)
    second = random_weights(TpsWarping(), draws)
    places = torch.tensor(list(READ))
    for weights, expected in zip((first, second), zip(*READ.values(), strict=True), strict=True):
        assert torch.allclose(warped(places, weights), torch.tensor(expected), atol=1e-5)


def test_a_token_looks_where_its_view_was_read(tmp_path):
    """Of a red ramp, what both views show at one place of the second view's frame is one colour."""

    class Ramp(ToyData):
        def pixels(self, view):
            x = np.linspace(0, 255, 48).astype(np.uint8)
            return np.broadcast_to(x[None, :, None], (48, 48, 3)).copy()

    data = Ramp()
    tokens = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path)
    assert tokens.tokens.shape[:3] == (8, 4, 36)
    red = tokens.tokens[..., 0].float()
    for image in range(8):
        for first in (0, 2):
            one_xy, two_xy = tokens.xy[image, first], tokens.xy[image, first + 1]
            inside = one_xy.abs().max(1).values < 25
            nearest = torch.cdist(one_xy[inside], two_xy)
            gap, match = nearest.min(1)
            close = gap < 4
            apart = red[image, first][inside][close] - red[image, first + 1][match[close]]
            assert apart.abs().median() < 0.08


def test_the_learning_rate_falls_after_epochs_70_and_90():
    course = DvePaperSettings(steps=100)
    rates = [rate(course, n) for n in (1, 70, 71, 90, 91, 100)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert DvePaperSettings().for_images([65]).steps == 300


def test_a_category_of_fewer_images_than_a_batch_has_one_batch(tmp_path):
    """18 categories of 20 images are passed over 100 times, not 67."""
    assert DvePaperSettings().for_images([20] * 18).steps == 100 * 18
    data = ToyData(n_images=9)  # five cats and four dogs
    tokens = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path)
    course = DvePaperSettings(batch=4, width=8, epochs=200).for_images([5, 4])
    assert course.steps == 200 * 3
    task = DvePaperTask(tokens, course, 2, 0, "cpu")
    draws = torch.Generator().manual_seed(0)
    of_steps = [int(tokens.category[task._images(draws)[0]]) for _ in range(course.steps)]
    assert of_steps.count(1) == pytest.approx(200, abs=50)  # one batch of a pass is of dogs


def test_the_optimiser_is_adam_with_amsgrad_and_a_rate_for_biases(tmp_path):
    """As torch.optim.Adam(amsgrad=True) steps whose biases start at 0.00001."""
    data = ToyData()
    tokens = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path / "cache")
    course = DvePaperSettings(batch=3, width=8, steps=6)
    plan = Plan(tmp_path / "out", "dve", 0)
    found = train(DvePaperTask(tokens, course, 2, 0, "cpu"), course, plan).main
    task = DvePaperTask(tokens, course, 2, 0, "cpu")
    task.prepare()
    heads = task.heads
    adam = torch.optim.Adam(
        [{"params": [heads.first, heads.second]}, {"params": [heads.first_bias], "lr": 1e-5}],
        lr=1e-3,
        amsgrad=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda n: rate(course, n + 1) / 1e-3)
    draws = torch.Generator().manual_seed(0)
    for _ in range(6):
        adam.zero_grad()
        task.weighted(task.losses(draws, bf16=False, parts=1)).backward()
        adam.step()
        schedule.step()
    for name, value in found.named_parameters():
        torch.testing.assert_close(value, heads.get_parameter(name), msg=name)
    assert 0 < found.first_bias.abs().max() < 1e-4  # six steps of at most about 0.00001


def test_a_step_has_images_of_one_category_each_once(tmp_path):
    data = ToyData()
    tokens = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path)
    task = DvePaperTask(tokens, DvePaperSettings(batch=3, width=8), 2, 0, "cpu")
    draws = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(16):
        images = task._images(draws)
        assert len(set(images.tolist())) == 3
        assert len(set(tokens.category[images].tolist())) == 1
        seen |= set(images.tolist())
    assert seen == set(range(8))


def test_it_trains_and_runs_under_its_own_name(tmp_path, monkeypatch):
    small = DvePaperSettings(width=8, warping=TINY)
    monkeypatch.setitem(settings.PRESETS["dve"], "paper", small)
    more = ("--preset", "paper", "--warps", "1")
    done = CliRunner().invoke(dve, words(tmp_path, *more))
    assert done.exit_code == 0, done.output
    path = tmp_path / "out" / "weights.safetensors"
    _, card, _ = files.load(path, "dve")
    assert (card.settings["preset"], card.shape["free"]) == ("paper", True)
    model = load_model("dve", weights=str(path), backbone=f"{TOY}:ToyEncoder")
    assert (model.name, model.similarity) == ("dve.paper.toy", "dot")
    (points,) = model.encode([picture()])
    assert points.values.shape[0] == 64
    lengths = np.linalg.norm(points.values, axis=0)
    assert lengths.std() > 1e-3  # free vectors


def picture():
    from kapbench.types import Picture

    return Picture(ToyData().pixels(ToyData().views()[0]), "i", category="cat")


def test_presets():
    assert named("dve", "paper").warping.grid == 35
    with pytest.raises(KapbenchError, match="Unknown preset 'papers'"):
        named("dve", "papers")
