"""Scoring on a GPU finds what the CPU finds."""

import numpy as np
import pytest
import torch
from tiny_world import evaluate

from kapbench.features.match import features_at, pixel_argmax, similarity
from kapbench.models.cached_map import CachedMap
from kapbench.running.plan import DEFAULT_RULES
from kapbench.scoring.rules import load_rule
from kapbench.types import Grid

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def a_map(seed: int, side: int = 60, channels: int = 384) -> CachedMap:
    cells = np.random.default_rng(seed).normal(0, 2, (side**2, channels)).astype(np.float16)
    return CachedMap(cells, Grid.letterbox((500, 375), side, 840))


@pytest.mark.parametrize("kind", ["dot", "neg_l2"])
def test_maps(kind):
    queries, target = a_map(1).cells[:250], a_map(0)
    on_cpu, on_gpu = (similarity(queries, target, kind, d) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-5, atol=2e-6)


def test_pixels():
    source, target = a_map(1), a_map(0)
    xy = np.random.default_rng(0).uniform((0, 0), (500, 375), (12, 2))
    queries = features_at(source, xy, (500, 375))
    found = [pixel_argmax(queries, target, (500, 375), d) for d in ("cpu", "cuda")]
    np.testing.assert_array_equal(*found)


def test_every_rule(tmp_path):
    rules = [load_rule(name) for name in (*DEFAULT_RULES, "pck-dift")]
    runs = [evaluate(tmp_path / d, rules=rules, device=d) for d in ("cpu", "cuda")]
    for on_cpu, on_gpu in zip(*(run.card.scores for run in runs), strict=True):
        assert on_gpu == on_cpu.model_copy(update={"value": pytest.approx(on_cpu.value, abs=1e-6)})
