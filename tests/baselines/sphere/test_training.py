"""The loop: it learns, resumes to the same weights, and refuses what is not its own."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere import checkpoint, losses, released
from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper
from kapbench_baselines.sphere.objective import draw_batch, terms
from kapbench_baselines.sphere.settings import PRESETS, Augmentation, Losses, Settings, named
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import TokenViews, prepare
from kapbench_baselines.training import trained_weights
from kapbench_baselines.training.card import Card
from kapbench_baselines.training.loop import Plan, Schedule
from kapbench_baselines.training.state import State, rate
from kapbench_baselines.training.tensor_files import read_tensors

TINY = Settings(
    width=16,
    heads=2,
    dropout=0.1,
    standardise=True,
    steps=12,
    batch=4,
    tokens=20,
    schedule="cosine",
    warm_up=0.25,
    average=0.9,
    clip=1.0,
    token_grid=6,
    losses=Losses(triplets=4, decoded_tokens=8),
    augmentation=Augmentation(crops=1, grid=6, side_px=24),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, toy_data: Any, new_encoder: Any) -> TokenViews:
    cache, shown = tmp_path_factory.mktemp("cache"), toy_data.views()
    return prepare(toy_data, shown, ("cat", "dog"), new_encoder(), TINY.augmentation, cache)


def card(seed: int = 0, settings: Settings = TINY) -> Card:
    return Card(
        method="sphere",
        backbone="toy",
        backbone_revision="1",
        backbone_spec=None,
        categories=("cat", "dog"),
        dataset="toy",
        dataset_revision="r",
        split="trn",
        n_images=8,
        supervision="viewpoint and masks",
        seed=seed,
        steps=settings.steps,
        shape={
            "channels": 7,
            "width": settings.width,
            "heads": settings.heads,
            "depth": 1,
            "token_grid": 6,
        },
        settings={**asdict(settings), "sphere_weight": 0.2},
    )


def train(
    views: TokenViews,
    card: Card,
    settings: Settings,
    out: Path,
    *,
    bf16: bool = False,
    **options: Any,
) -> State:
    task = SphereTask(views, settings, len(card.categories), card.seed, "cpu")
    plan = Plan(out, card.identity, card.seed, bf16=bf16)
    return trained_weights.train(task, settings, plan, card, **options)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return read_tensors(out / "weights.safetensors", "")[0]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_a_batch_holds_distinct_images_and_tokens(views: TokenViews) -> None:
    generator = torch.Generator().manual_seed(0)
    batch = draw_batch(views, TINY, generator, CPU)
    assert batch.tokens.shape == (4, 20, 7)
    for xy in batch.xy:
        assert len({tuple(p) for p in xy.tolist()}) == 20
        assert (xy.min(), xy.max()) >= (0, 0)
        assert xy.max() <= 5


def test_without_mirror_no_mirror_image_is_drawn(views: TokenViews) -> None:
    plain = replace(TINY, batch=8, augmentation=replace(TINY.augmentation, mirror=False))
    generator = torch.Generator().manual_seed(0)
    known = {b for b in range(8) if b != 3}
    seen = [draw_batch(views, plain, generator, CPU).azimuth_bin.tolist() for _ in range(5)]
    assert all(set(bins) - {-1} == known for bins in seen)


def test_every_object_token_is_decoded_where_none_are_drawn(views: TokenViews) -> None:
    batch = draw_batch(views, TINY, torch.Generator().manual_seed(0), CPU)
    torch.manual_seed(0)
    mapper, decoder = SphereMapper(7, 16, 2).eval(), PrototypeDecoder(7, 2)
    constants = replace(TINY.losses, decoded_tokens=0)
    found = terms(batch, mapper, decoder, constants, torch.Generator().manual_seed(0))
    on, decoded = batch.on_object, decoder(mapper(batch.tokens), batch.category)
    assert 0 < on.sum() < on.numel()
    alone = losses.reconstruction(decoded[on], batch.tokens[on], torch.ones(int(on.sum())))
    torch.testing.assert_close(found[0], alone)


def test_training_lowers_the_losses(tmp_path: Path, views: TokenViews) -> None:
    longer = replace(TINY, steps=150, dropout=0.0)
    state = train(views, card(0, longer), longer, tmp_path, schedule=Schedule(50, 150))
    first, *_, last = state.history
    total = {k: TINY.losses.__getattribute__(k) for k in first if k != "step"}
    assert sum(w * last[k] for k, w in total.items()) < sum(w * first[k] for k, w in total.items())


def test_resumed_training_ends_in_the_same_weights(tmp_path: Path, views: TokenViews) -> None:
    schedule = Schedule(validate_every=5, save_every=4)
    train(views, card(), TINY, tmp_path / "whole", schedule=schedule)
    for stop in (4, 8):  # killed twice
        halted = replace(schedule, stop_at=stop)
        train(views, card(), TINY, tmp_path / "cut", schedule=halted)
        assert not (tmp_path / "cut" / "weights.safetensors").exists()
    # Whatever else has drawn random numbers in between does not matter.
    torch.rand(5)
    train(views, card(), TINY, tmp_path / "cut", schedule=schedule)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    histories = [json.loads((tmp_path / d / "history.json").read_text()) for d in ("whole", "cut")]
    assert histories[0] == histories[1]


def test_a_kill_between_saves_repeats_the_lost_steps(tmp_path: Path, views: TokenViews) -> None:
    schedule = Schedule(validate_every=5, save_every=4)
    train(views, card(), TINY, tmp_path / "whole", schedule=schedule)
    train(views, card(), TINY, tmp_path / "cut", schedule=replace(schedule, stop_at=7))
    train(views, card(), TINY, tmp_path / "cut", schedule=schedule)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_seeds_differ_and_repeat(tmp_path: Path, views: TokenViews) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(views, card(seed), TINY, tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path, views: TokenViews) -> None:
    train(views, card(), TINY, tmp_path)
    with pytest.raises(KapbenchError, match="other settings, data or seed"):
        train(views, card(1), TINY, tmp_path)
    before = weights(tmp_path)
    train(views, card(), TINY, tmp_path)  # finished: nothing left to do
    assert same(before, weights(tmp_path))


def test_scores_and_curve_are_kept(tmp_path: Path, views: TokenViews) -> None:
    asked = []

    def validate(mapper: SphereMapper, step: int) -> dict[str, float]:
        assert not mapper.training
        asked.append(step)
        return {"kap": step / 100, "pck": 0.5}

    schedule = Schedule(validate_every=5)
    train(views, card(), TINY, tmp_path, validate=validate, schedule=schedule)
    assert asked == [5, 10, 12]
    _, kept, _ = checkpoint.load(tmp_path / "weights.safetensors")
    assert kept.scores == {"kap": 0.12, "pck": 0.5}
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_bfloat16_trains_too(tmp_path: Path, views: TokenViews) -> None:
    train(views, card(), TINY, tmp_path, bf16=True)
    assert {t.dtype for t in weights(tmp_path).values()} == {torch.float32}


def test_another_precision_is_not_resumed(tmp_path: Path, views: TokenViews) -> None:
    halted = Schedule(save_every=4, stop_at=4)
    train(views, card(), TINY, tmp_path, bf16=True, schedule=halted)
    with pytest.raises(KapbenchError, match=r"is in bf16, not in fp32") as caught:
        train(views, card(), TINY, tmp_path)
    assert "--precision bf16" in str(caught.value)
    train(views, card(), TINY, tmp_path, bf16=True)
    _, kept, _ = checkpoint.load(tmp_path / "weights.safetensors")
    assert (kept.precision, kept.device, kept.torch) == ("bf16", "cpu", str(torch.__version__))


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path, views: TokenViews) -> None:
    broken = replace(views, tokens=torch.full_like(views.tokens, torch.nan))
    with pytest.raises(KapbenchError, match="The loss is nan at step 1"):
        train(broken, card(), replace(TINY, standardise=False), tmp_path)
    assert not list(tmp_path.iterdir())


def test_learning_rates() -> None:
    found = [rate(TINY, step) for step in range(1, 13)]
    assert found[0] == pytest.approx(1e-3 / 3)
    assert max(found) == found[2] == pytest.approx(1e-3)
    assert found[-1] == pytest.approx(0, abs=1e-9)
    assert rate(PRESETS["paper"], 1) == rate(PRESETS["paper"], 5000) == 1e-3


def test_the_paper_preset_has_the_papers_numbers() -> None:
    paper = named("paper")
    assert (paper.losses.reconstruction, paper.losses.relative_distance) == (1.0, 0.3)
    assert (paper.losses.orientation, paper.losses.viewpoint) == (0.3, 0.1)
    assert (paper.losses.margin, paper.losses.min_determinant) == (0.5, 0.7)
    assert (paper.losses.triplets, paper.batch, paper.rate) == (32, 64, 1e-3)
    assert (paper.width, paper.heads, paper.depth) == (384, 6, 1)
    # Adam at one rate, the last weights: nothing of ours.
    assert (paper.schedule, paper.warm_up, paper.weight_decay) == ("constant", 0, 0)
    assert (paper.average, paper.clip, paper.dropout, paper.standardise) == (0, 0, 0, False)
    # 448 px, 32×32 tokens of 14 px, all of them; random resized crops of half to 1.5 images.
    crops = paper.augmentation
    assert paper.backbone_px == crops.side_px == 448 == 32 * 14
    assert (crops.grid, paper.tokens, paper.losses.decoded_tokens) == (32, 1024, 0)
    assert (crops.area, crops.mirror) == ((0.5, 1.5), False)
    # 200 epochs of 997 images, ten times each, in batches of 64.
    assert paper.steps * 64 / (997 * 10) == pytest.approx(200, rel=2e-3)
    # One grid at inference, whoever trained the mapper.
    assert paper.token_grid == released.TOKEN_GRID == 840 // 14
    with pytest.raises(KapbenchError, match="Did you mean paper"):
        named("papper")
