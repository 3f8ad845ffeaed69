"""Every trained method on the toys, a few steps: by import, and as torchrun starts it."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from torch import nn
from toy_backbone import ToyData, ToyEncoder

from kapbench_baselines.canonical.settings import ASIC, DVE
from kapbench_baselines.canonical.task import AsicTask, DveTask
from kapbench_baselines.canonical.warps import Warping
from kapbench_baselines.canonical.warps import prepare as warped
from kapbench_baselines.geoaware import pairs
from kapbench_baselines.geoaware.settings import Settings as PairSettings
from kapbench_baselines.geoaware.task import GeoawareTask
from kapbench_baselines.sphere.settings import Augmentation, Losses, Settings
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import prepare
from kapbench_baselines.training import ranks
from kapbench_baselines.training.data_parallel import map_in_parallel
from kapbench_baselines.training.loop import Plan, Schedule, train
from kapbench_baselines.training.state import State
from kapbench_baselines.training.tensor_files import write_tensors

STEPS, HALF = 6, 3
NAMES = ("cat", "dog")
SPHERE = Settings(
    width=16,
    heads=2,
    standardise=True,
    steps=STEPS,
    batch=5,
    tokens=20,
    schedule="cosine",
    average=0.9,
    clip=1.0,
    token_grid=6,
    losses=Losses(triplets=4, decoded_tokens=8),
    augmentation=Augmentation(crops=1, grid=6, side_px=24),
)
WARPING = Warping(n_warps=2, grid=6, side_px=24)
METHODS = ("sphere", "dve", "asic", "geoaware")


def task_of(method: str, cache: Path):
    """A fresh task and its settings; the batches have an odd number of images."""
    data, encoder = ToyData(), ToyEncoder()
    if method == "sphere":
        views = prepare(data, data.views(), NAMES, encoder, SPHERE.augmentation, cache)
        return SphereTask(views, SPHERE, len(NAMES), 0, "cpu"), SPHERE
    if method == "geoaware":
        settings = PairSettings(width=128, cells=6, steps=STEPS, batch=3)
        found = pairs.prepare(data, data.pairs(), encoder, settings.cells)
        return GeoawareTask(found, settings, 0, "cpu"), settings
    made, settings = {"dve": (DveTask, DVE), "asic": (AsicTask, ASIC)}[method]
    settings = replace(settings, warping=WARPING, steps=STEPS, batch=5, tokens=12, width=8)
    tokens = warped(data, data.views(), NAMES, encoder, WARPING, cache)
    return made(tokens, settings, len(NAMES), 0, "cpu"), settings


def trained(method: str, out: Path, *, parts: int = 1, stop_at: int | None = None) -> State:
    task, settings = task_of(method, out / f"cache{ranks.number()}")
    plan = Plan(out / method, method, 0, parts=parts)
    return train(task, settings, plan, schedule=Schedule(STEPS, HALF, stop_at))


def first_gradients(method: str, out: Path, *, parts: int = 1) -> dict[str, torch.Tensor]:
    """Of the first step, by parameter; and its losses."""
    task, _ = task_of(method, out / f"cache{ranks.number()}")
    task.prepare()
    generator = torch.Generator().manual_seed(0)
    values = task.losses(generator, bf16=False, parts=parts)
    task.weighted(values).backward()
    ranks.average_gradients(list(task.modules.values()))
    named = [(f"{m}.{k}", p) for m, own in task.modules.items() for k, p in own.named_parameters()]
    found = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in named}
    return found | {"losses": values.detach()}


def gradients_before() -> dict[str, torch.Tensor]:
    """Of a parameter before a spread, whose rows are taken in another order, twice some of them."""
    torch.manual_seed(0)
    table, layer = nn.Embedding(5, 3), nn.Linear(3, 2)
    out = map_in_parallel(layer, table.weight[torch.tensor([4, 2, 0, 3, 1, 0, 4])])
    (out.square() * torch.rand(7, 1)).sum().backward()
    ranks.average_gradients([table, layer])
    named = {"table": table.weight, "layer": layer.weight, "bias": layer.bias}
    return {name: parameter.grad for name, parameter in named.items()}


def main(out: Path) -> None:
    ranks.start("cpu")
    found = gradients_before()
    if ranks.is_first():
        write_tensors(out / "before.safetensors", found, {})
    for method in METHODS:
        found = first_gradients(method, out)
        if ranks.is_first():
            write_tensors(out / f"{method}.safetensors", found, {})
        trained(method, out, stop_at=HALF)
    ranks.finish("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
