"""Models over one backbone encode an image once between them, and never depend on the cache."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tiny_world import TinyDataset, TinyEncoder

import kapbench
from kapbench.features.cache import FeatureCache
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.features.encode import encode_images
from kapbench.features.open_cache import open_cache
from kapbench.identity.model_identity import identify, mark_made_by_name, remember_after_run
from kapbench.models.cached_map import to_cells
from kapbench.models.inputs import make_picture
from kapbench.models.mixed_precision import in_precision
from kapbench.models.wrapper import OverBackbones
from kapbench.progress import Progress
from kapbench.protocols import HasBackbones, model_info
from kapbench.types import FeatureMap, Grid

GRID = Grid(4, 4, (0, 0, 24, 20))
N_IMAGES = len(TinyDataset().views())


class Thirds(TinyEncoder):
    """Values that fp16 does not hold, so that rounding shows; counts what it encodes."""

    def encode(self, pictures):
        return [FeatureMap(m.values / 3, m.grid) for m in super().encode(pictures)]


class Head:
    """What an author of a model over backbones writes, without kapbench's base class."""

    similarity, keeps_maps = "dot", True

    def __init__(self, *backbones, revision="1", conditions_on=()):
        self.name = "+".join(["head", *(b.name for b in backbones)])
        self.revision, self.conditions_on = revision, conditions_on
        self.backbones, self.shown = backbones, []

    def encode(self, pictures):
        raise AssertionError("its maps are made from those in the cache")

    def from_features(self, pictures, features):
        self.shown += [(p.image_id, p.category) for p in pictures]
        return [FeatureMap(self.combined(*maps), maps[0].grid) for maps in features]

    def combined(self, *maps):
        return sum(m.values for m in maps)


class Power(Head):
    """The backbone's values to a power, which no rounding leaves as they are."""

    def __init__(self, backbone, power=3.0, *, keeps_maps=True, **declared):
        super().__init__(backbone, revision=f"{power}-{backbone.revision}", **declared)
        self.power, self.keeps_maps = power, keeps_maps

    def combined(self, feature_map):
        return feature_map.values**self.power


class Cube(OverBackbones):
    def __init__(self, backbone):
        super().__init__([backbone], replace(model_info(backbone), name="cube"))

    def from_features(self, pictures, features):
        return [FeatureMap(m.values**3.0, m.grid) for (m,) in features]


def fill(model, root: Path, **options):
    """Maps of all images by name, as a command gets them, and what was done for them."""
    data, identity = TinyDataset(), identify(model)
    with open_cache(model, identity.info, root) as cache:
        done = encode_images(
            model, data, data.views(), cache, batch_size=2, progress=Progress(), **options
        )
        remember_after_run(model, identity)
        return {name: cache.read(key).values() for name, key in done.hashes.items()}, done


def n_files(model, root: Path) -> int:
    cache = FeatureCache.of(identify(model).info, root)
    return len(list((cache.root / cache.encoder).rglob("*.safetensors")))


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all((one[k] == other[k]).all() for k in one)


def test_models_over_one_backbone_encode_an_image_once(tmp_path):
    backbone = Thirds()
    for model in (backbone, Power(backbone), Power(backbone, 5.0), Head(backbone, Power(backbone))):
        maps, _ = fill(model, tmp_path)
        assert len(maps) == N_IMAGES
    assert sorted(backbone.seen) == sorted(maps)


def test_the_maps_are_the_same_whatever_the_cache_holds(tmp_path):
    fresh, done = fill(Power(Thirds()), tmp_path)
    assert done.n_encoded == N_IMAGES
    encoder = Thirds()
    after, done = fill(Power(encoder, keeps_maps=False), tmp_path)
    assert (done.n_encoded, encoder.seen) == (0, [])
    assert equal(fresh, after)
    data = TinyDataset()
    pictures = [make_picture(data, view, ()) for view in data.views()]
    unrounded = [m.values**3.0 for m in Thirds().encode(pictures)]
    for encoded, is_equal in (
        ([m.values for m in Cube(Thirds()).encode(pictures)], True),
        (unrounded, False),
    ):
        maps = [to_cells(FeatureMap(v, GRID)).values() for v in encoded]
        assert equal(fresh, dict(zip(fresh, maps, strict=True))) == is_equal


def test_maps_that_are_not_kept_are_gone_when_the_command_ends(tmp_path):
    kept, not_kept = Power(Thirds()), Power(Thirds(), 2.0, keeps_maps=False)
    for model in (kept, not_kept):
        fill(model, tmp_path)
    assert n_files(kept, tmp_path) == n_files(kept.backbones[0], tmp_path) == N_IMAGES
    assert n_files(not_kept, tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


def test_what_the_cache_has_of_a_model_is_not_made_again(tmp_path):
    model = Power(Thirds())
    fill(model, tmp_path)
    broken = next(
        (tmp_path / "features").glob(
            f"{FeatureCache.of(identify(model).info, tmp_path).encoder}/*/*"
        )
    )
    broken.write_bytes(b"damaged")
    n_made = len(model.shown)
    _, done = fill(model, tmp_path)
    assert (len(model.shown) - n_made, done.damaged) == (1, [str(broken)])
    fill(model, tmp_path, again=True)
    assert len(model.backbones[0].seen) == 2 * N_IMAGES


def test_a_backbone_is_shown_what_it_declares_and_shared_beneath_any_condition(tmp_path):
    backbone = Thirds()
    fill(backbone, tmp_path)
    seeing = Power(backbone, conditions_on=("category",))
    fill(seeing, tmp_path)
    assert len(backbone.seen) == N_IMAGES
    assert seeing.shown[0] == ("cat/0", "cat")


def test_half_precision_is_shared_too(tmp_path):
    backbone = Thirds()
    mark_made_by_name(backbone)
    fill(in_precision(backbone, "bf16", "cpu"), tmp_path)
    model = in_precision(Power(backbone), "bf16", "cpu")
    assert isinstance(model, HasBackbones)
    assert model.revision == "bf16-3.0-1"
    fill(model, tmp_path)
    assert len(backbone.seen) == N_IMAGES
    fill(Power(backbone), tmp_path)  # of full precision: another backbone
    assert len(backbone.seen) == 2 * N_IMAGES


def test_training_reads_and_fills_the_same_cache(tmp_path):
    backbone, data = Thirds(), TinyDataset()
    mark_made_by_name(backbone)
    pictures = [make_picture(data, view, ()) for view in data.views()]
    trained_over = CachedEncoder.below(tmp_path, Power(backbone, keeps_maps=False))
    maps = trained_over.encode(pictures)
    mark_made_by_name(backbone)  # a run has an object of its own
    in_run, _ = fill(Power(backbone, 2.0), tmp_path)
    over_cached, _ = fill(Power(CachedEncoder.below(tmp_path, backbone), 3.0), tmp_path / "other")
    assert len(backbone.seen) == len(in_run) == N_IMAGES
    assert equal(over_cached, dict(zip(in_run, (m.values for m in maps), strict=True)))


@pytest.mark.parametrize("keeps_maps", [True, False])
def test_a_run_resumes_and_a_sweep_encodes_once(tmp_path, keeps_maps):
    """Objects of the caller: known by their content, which a run changes."""
    backbone, data = Thirds(), TinyDataset()
    options = {"rule": "pck-v1", "cache": tmp_path / "cache", "intervals": False}
    for power in (1.0, 3.0, 3.0):
        model = Power(backbone, power, keeps_maps=keeps_maps)
        kapbench.evaluate(model, data, runs=tmp_path / "runs", **options)
    assert len(backbone.seen) == N_IMAGES
    alone = kapbench.evaluate(Power(Thirds(), 3.0), data, rule="pck-v1", intervals=False)
    last = kapbench.evaluate(model, data, runs=tmp_path / "runs", **options)
    pd.testing.assert_frame_equal(alone.records, last.records)
