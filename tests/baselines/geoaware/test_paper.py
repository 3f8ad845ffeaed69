"""`--preset paper` against numbers that the original printed on the inputs made here.

github.com/Junyi42/GeoAware-SC at 99fd6b6, on a grid of 6×6 cells: `calculate_loss` and `cal_clip_loss`
of utils/utils_losses.py with `Correlation2Displacement` of model_utils/corr_map_model.py, whose fixed
60 places were replaced by 6.
"""

from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from toy_backbone import TOY, ToyData, ToyEncoder, words

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.geoaware.pairs import Side, TrainingPairs, prepare
from kapbench_baselines.geoaware.paper_task import PairOrder, PaperTask, usable
from kapbench_baselines.geoaware.published_losses import Match, Places, cell, dense, sparse, unit
from kapbench_baselines.geoaware.settings import PAPER, named
from kapbench_baselines.geoaware.task import soft_places
from kapbench_baselines.geoaware.train_command import supervised
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.loop import BEST, BEST_PCK, best_line
from kapbench_baselines.training.state import betas, rate

SIDE, CHANNELS, K = 6, 8, 5
SIZES = (3.5, 4.5)  # T of source and target in cells
TWINS = torch.tensor([1, 0, 2, 4, 3])
VISIBLE = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 1, 1]], dtype=torch.bool)
SMALL = replace(PAPER, width=128)


def seeded():
    """Features of source, target and both mirrored, and keypoints in cells."""
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(4, SIDE * SIDE, CHANNELS, generator=draws)
    xy = torch.rand(2, K, 2, generator=draws) * SIDE
    return rows.transpose(1, 2).reshape(4, CHANNELS, SIDE, SIDE), xy


FEATURES, XY = seeded()


def task_of(settings=SMALL):
    features, xy = FEATURES, XY
    sides = tuple((Side(xy[i], VISIBLE[i]),) * 2 for i in (0, 1))
    maps = torch.stack([features[[0, 2]], features[[1, 3]]]).half()
    data = TrainingPairs(maps, sides, torch.tensor([[0, 1]]), (TWINS,), SIZES)
    return PaperTask(data, settings, 0, "cpu")


def norm(tensor):
    return torch.linalg.vector_norm(tensor)


# Loss; norms of the gradients of the four maps; gradient of the logarithm of the scale; norms of the
# gradients of the columns' and the rows' places. Label noise by torch.manual_seed(7).
PRINTED = {
    (): (
        6.142614364624023,
        [5.001980781555176, 1.792614221572876, 2.3317923545837402, 1.8338528871536255],
        1.8990645983389443,
        0.7004132270812988,
        0.9523778557777405,
    ),
    ("both_mirrored", "self_mirrored"): (
        9.25021743774414,
        [11.254383087158203, 4.033381938934326, 0.0, 0.0],
        4.272895412785665,
        0.49953216314315796,
        1.5532969236373901,
    ),
}


@pytest.mark.parametrize("without", PRINTED)
def test_the_loss_of_a_step_and_its_gradients(without):
    task = task_of(SMALL.without(without))
    features = FEATURES.clone().requires_grad_()
    values = task.terms(unit(features), 0, torch.Generator().manual_seed(7))
    loss = task.weighted(values)
    loss.backward()
    places = task.modules["places"]
    total, maps, scale, x, y = PRINTED[without]
    assert loss.item() == pytest.approx(total, rel=1e-6)
    assert [norm(g).item() for g in features.grad] == pytest.approx(maps, rel=1e-5)
    assert task.network.logit_scale.grad.item() == pytest.approx(scale, rel=1e-5)
    assert norm(places.x.grad).item() == pytest.approx(x, rel=1e-5)
    assert norm(places.y.grad).item() == pytest.approx(y, rel=1e-5)


class Zeros:
    """In place of the label noise."""

    @staticmethod
    def randn(shape, generator):
        return torch.zeros(shape)


@pytest.mark.parametrize(
    ("left_out", "printed"),
    [
        (("both_mirrored", "self_mirrored"), 9.10949420928955),
        (("self_mirrored",), 6.414587020874023),
        (("both_mirrored",), 7.980052947998047),
    ],
)
def test_each_term_without_noise(left_out, printed, monkeypatch):
    monkeypatch.setattr(torch, "randn", Zeros.randn)
    features = unit(FEATURES)
    task = task_of(SMALL.without(left_out))
    draws = torch.Generator()
    assert task.weighted(task.terms(features, 0, draws)).item() == pytest.approx(printed, rel=1e-6)


def test_the_sparse_term_compares_the_cells_that_hold_the_keypoints():
    (source, target, *_), xy = unit(FEATURES), XY
    both = VISIBLE.all(0)
    match = Match(source, target, xy[0, both], xy[1, both], SIZES[1])
    assert sparse(match, torch.tensor(1 / 0.07)).item() == pytest.approx(
        4.526684284210205, rel=1e-6
    )


def test_at_centres_and_without_noise_it_is_the_other_presets_formula(monkeypatch):
    """With the sharpness 1/0.02, and 60 times it, which had made its gradient 15.6 times too small."""
    monkeypatch.setattr(torch, "randn", Zeros.randn)
    (source, target, *_), xy = unit(FEATURES), XY
    centres = xy.floor() + 0.5
    match = Match(source, target, centres[0], centres[1], 1.0)
    column, row = cell(centres[0], SIDE).T
    soft = soft_places(source[:, row, column].T, target, 50.0)
    expected = (soft - centres[1]).norm(dim=1).mean()
    found = dense(match, Places(SIDE), torch.Generator())
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_pair_that_has_no_keypoint_with_its_mirror_image_counts_without_that_term():
    task = task_of()
    only = torch.tensor([1, 0, 0, 0, 0], dtype=torch.bool)
    sides = tuple((Side(s[0].xy, only),) * 2 for s in task._data.sides)
    task._data = replace(task._data, sides=sides)
    values = task.terms(unit(FEATURES), 0, torch.Generator().manual_seed(0))
    assert values[0] == values[3] == 0  # one keypoint alone; its twin is not visible
    alone = task_of(SMALL.without(("self_mirrored",)))
    alone._data = task._data
    again = alone.terms(unit(FEATURES), 0, torch.Generator().manual_seed(0))
    assert torch.equal(values[:3], again[:3])


def test_the_learning_rate_is_torchs_one_cycle():
    course = replace(SMALL, steps=11)
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=course.rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=course.rate, total_steps=course.steps, pct_start=0.3
    )
    for step in range(1, course.steps + 1):
        (group,) = optimiser.param_groups
        assert rate(course, step) == pytest.approx(group["lr"], rel=1e-9)
        assert betas(course, step) == pytest.approx(group["betas"], rel=1e-9)
        optimiser.step()
        if step < course.steps:
            cycle.step()


def test_every_pair_comes_once_an_epoch_in_the_same_order():
    order = PairOrder([3, 5, 7, 8], seed=1)
    first = [order.take(1)[0] for _ in range(4)]
    assert sorted(first) == [3, 5, 7, 8]
    again = PairOrder([3, 5, 7, 8], seed=2)
    again.load_state_dict(order.state_dict())
    assert [n for _ in range(2) for n in again.take(2)] == first
    assert PAPER.for_pairs(53_339).steps == 106_678
    assert replace(PAPER, batch=2, steps=0).for_pairs(5).steps == 6


def test_the_best_by_pck_may_be_another_than_the_best_by_kap():
    lines = [{"step": 1, "kap": 0.9, "pck": 0.1}, {"step": 2, "kap": 0.1, "pck": 0.2}]
    assert (best_line(lines, BEST)["step"], best_line(lines, BEST_PCK)["step"]) == (1, 2)


class TestPairs:
    data = ToyData()

    def test_maps_are_as_the_backbone_makes_them(self):
        found = prepare(self.data, self.data.pairs(), ToyEncoder(), None, unit=False)
        assert found.features.shape[-2:] == (12, 12)
        assert (found.features[:, :, -1] == 1).all()  # its constant channel
        assert found.sizes == pytest.approx([28 / 4] * len(found.sides))

    def test_maps_of_several_sizes_are_refused(self):
        encoder = ToyEncoder()
        one = encoder._one
        encoder._one = lambda p: replace(m := one(p), values=m.values[:, :6], grid=half(m.grid))
        with pytest.raises(KapbenchError, match="has 6×12 cells") as caught:
            prepare(self.data, self.data.pairs(), encoder, None, unit=False)
        assert "--cells" in caught.value.fix

    def test_pairs_without_a_common_keypoint_are_left_out(self):
        found = prepare(self.data, self.data.pairs(), ToyEncoder(), 6, unit=False)
        assert len(usable(found)) == len(found.pairs)
        none = Side(torch.zeros(3, 2), torch.zeros(3, dtype=torch.bool))
        sides = ((none, none), *found.sides[1:])
        with_one = replace(found, sides=sides)
        assert 0 < len(usable(with_one)) < len(found.pairs)
        with pytest.raises(KapbenchError, match="No training pair has a keypoint"):
            usable(replace(found, sides=((none, none),) * len(sides)))


def half(grid):
    return replace(grid, height=6)


def test_it_trains_resumes_its_order_and_runs(tmp_path):
    more = ("--preset", "paper", "--width", "128", "--batch", "2")
    done = CliRunner().invoke(supervised, words(tmp_path, *more))
    assert done.exit_code == 0, done.output
    path = tmp_path / "out" / "weights.safetensors"
    _, card, _ = files.load(path, "geoaware.supervised")
    assert card.shape["unit"] is False
    assert card.shape["cells"] is None
    assert card.settings["pck_rule"] == "pck-geoaware-soft"
    model = load_model("geoaware.supervised", weights=str(path), backbone=f"{TOY}:ToyEncoder")
    assert (model.cells, model.unit) == (None, False)


def test_a_share_of_mirrored_pairs_is_refused():
    with pytest.raises(KapbenchError, match="mirrors every pair"):
        named("paper").with_options({"mirror": 0.5})
