"""Trainings with published objectives in the shared loop: stopped, continued, and in parts."""

from dataclasses import replace

import pytest
import torch
from toy_backbone import ToyData, ToyEncoder

from kapbench_baselines.canonical.asic_paper_task import AsicPaperTask
from kapbench_baselines.canonical.dve_paper_task import DvePaperTask
from kapbench_baselines.canonical.settings import AsicPaperSettings, DvePaperSettings
from kapbench_baselines.canonical.square_views import SquareWarping
from kapbench_baselines.canonical.tps_warps import TpsWarping
from kapbench_baselines.canonical.warps import prepare
from kapbench_baselines.geoaware import pairs
from kapbench_baselines.geoaware.paper_task import PaperTask
from kapbench_baselines.geoaware.settings import PAPER
from kapbench_baselines.training.loop import Plan, Schedule, train

STEPS, HALF = 4, 2
NAMES = ("cat", "dog")
SMALL = {
    "geoaware": replace(PAPER, width=128, cells=6, steps=STEPS, batch=3),
    "dve": DvePaperSettings(
        width=8, steps=STEPS, batch=3, warping=TpsWarping(n_warps=1, grid=5, side_px=24)
    ),
    "asic": AsicPaperSettings(
        width=8,
        image_px=20,
        steps=STEPS,
        batch=4,
        warping=SquareWarping(n_warps=1, grid=5, side_px=24),
    ),
}


def task_of(method, cache):
    data, encoder, settings = ToyData(), ToyEncoder(), SMALL[method]
    if method == "geoaware":
        found = pairs.prepare(data, data.pairs(), encoder, settings.cells, unit=False)
        return PaperTask(found, settings, 0, "cpu")
    tokens = prepare(data, data.views(), NAMES, encoder, settings.warping, cache)
    make = {"dve": DvePaperTask, "asic": AsicPaperTask}[method]
    return make(tokens, settings, len(NAMES), 0, "cpu")


def trained(method, out, stop_at=None):
    task = task_of(method, out / "cache")
    plan = Plan(out / method, method, 0)
    return train(task, SMALL[method], plan, schedule=Schedule(STEPS, HALF, stop_at))


@pytest.mark.slow
@pytest.mark.parametrize("method", SMALL)
def test_a_stopped_training_ends_in_the_same_weights(method, tmp_path):
    whole = trained(method, tmp_path / "whole")
    assert trained(method, tmp_path / "cut", stop_at=HALF).step == HALF
    torch.rand(7)
    cut = trained(method, tmp_path / "cut")
    for name, module in whole.task.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, cut.task.modules[name].state_dict()[key]), (name, key)


@pytest.mark.parametrize("method", SMALL)
def test_the_losses_do_not_depend_on_the_parts(method, tmp_path):
    found = []
    for n_parts in (1, 2):
        task = task_of(method, tmp_path)
        task.prepare()
        draws = torch.Generator().manual_seed(0)
        found.append(task.losses(draws, bf16=False, parts=n_parts).detach())
    assert torch.allclose(*found, rtol=1e-5)
