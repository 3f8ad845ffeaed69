"""The public check of adapters finds what is wrong with one."""

from types import SimpleNamespace

import numpy as np
import pytest

from kapbench.models.contract import SIZES, broken
from kapbench.types import FeatureMap, Grid, SimilarityMap


class Fine:
    name, revision, conditions_on, similarity = "fine", "1", ("mask",), "dot"

    def encode(self, pictures):
        assert all(p.mask is not None and p.category is None for p in pictures)
        return [self.map(p) for p in pictures]

    def map(self, picture):
        values = picture.pixels[:20:4, :20:4].transpose(2, 0, 1).astype(np.float32)
        return FeatureMap(values, Grid.stretched(picture.size, 5, 5))


class Small(Fine):
    def map(self, picture):
        found = super().map(picture)
        return FeatureMap(found.values, Grid(5, 5, (0, 0, 20, 20)))


class Blind(Fine):
    def map(self, picture):
        return FeatureMap(np.ones((3, 5, 5), np.float32), Grid.stretched(picture.size, 5, 5))


class Zero(Fine):
    def map(self, picture):
        found = super().map(picture)
        return FeatureMap(found.values * 0, found.grid)


class Masked(Fine):
    def map(self, picture):
        found = super().map(picture)
        found.values[:, 1:] = 0  # cells outside a mask
        return found


class Reusing(Fine):
    def __init__(self):
        self.values = np.empty((len(SIZES), 3, 5, 5), np.float32)

    def encode(self, pictures):
        found = super().encode(pictures)
        for own, m in zip(self.values, found, strict=False):
            own[:] = m.values
        return [FeatureMap(v, m.grid) for v, m in zip(self.values, found, strict=False)]


class Infinite(Fine):
    def map(self, picture):
        found = super().map(picture)
        return FeatureMap(found.values + np.inf, found.grid)


class Batched(Fine):
    def encode(self, pictures):
        maps = [self.map(p) for p in pictures]
        mean = np.mean([m.values for m in maps], axis=0)
        return [FeatureMap(m.values - mean, m.grid) for m in maps]


class Few(Fine):
    def encode(self, pictures):
        return [self.map(p) for p in pictures[:-1]]


class Raises(Fine):
    def encode(self, pictures):
        raise RuntimeError("no weights")


class Pairs:
    name, revision, conditions_on = "pairs", "1", ()

    def match(self, source, target, queries):
        values = queries[:, :1, None] * np.arange(16.0).reshape(1, 4, 4) / 1000
        return SimilarityMap(values.astype(np.float32), Grid.stretched(target.size, 4, 4), queries)


class ZeroPairs(Pairs):
    def match(self, source, target, queries):
        found = super().match(source, target, queries)
        return SimilarityMap(found.values * 0, found.grid, queries)


class ConstantPairs(Pairs):
    def match(self, source, target, queries):
        found = super().match(source, target, queries)
        return SimilarityMap(found.values * 0 + queries[:, :1, None], found.grid, queries)


class HugePairs(Pairs):
    def match(self, source, target, queries):
        found = super().match(source, target, queries)
        signs = np.where(np.arange(4) % 2, 3e38, -3e38).astype(np.float32)
        return SimilarityMap(found.values * 0 + signs, found.grid, queries)


class NotANumberPairs(Pairs):
    def match(self, source, target, queries):
        found = super().match(source, target, queries)
        return SimilarityMap(found.values * np.float32(np.nan), found.grid, queries)


class OneCellPairs(Pairs):
    def match(self, source, target, queries):
        values = queries[:, :1, None] + np.zeros((1, 1, 1))
        return SimilarityMap(values, Grid.stretched(target.size, 1, 1), queries)


class FourCells(Fine):
    def map(self, picture):
        return FeatureMap(
            super().map(picture).values[:, :2, :2], Grid.stretched(picture.size, 2, 2)
        )


class NoChannels(Fine):
    def map(self, picture):
        found = super().map(picture)
        return FeatureMap(found.values[:0], found.grid)


class Orders(Pairs):
    def match(self, source, target, queries):
        found = super().match(source, target, queries)
        return SimilarityMap(np.sort(found.values, axis=0), found.grid, queries)


def changed(base, **attributes):
    return type(base.__name__, (base,), attributes)()


@pytest.mark.parametrize("model", [Fine(), Pairs(), Masked()])
def test_a_right_one_breaks_nothing(model):
    assert broken(model) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            SimpleNamespace(),
            "Class SimpleNamespace has no method encode or match: .*encode\\(\\) .*, or match\\(\\)",
        ),
        (changed(Fine, revision=3), "revision is 3: Give it a text"),
        (changed(Fine, conditions_on="mask"), "conditions_on is 'mask'"),
        (changed(Fine, similarity="cosine"), "similarity is 'cosine'"),
        (changed(Fine, options={"a": object()}), "The option 'a' is <object object"),
        (changed(Fine, options=["a"]), "options is"),
        (changed(Fine, supervision=True), "supervision is True"),
        (changed(Fine, trained_on=1), "trained_on is 1"),
        (Small(), "thing/0: The grid over .* leaves part of the image of 64×48 px out"),
        (Blind(), "two different pictures of one size have the same features"),
        (Zero(), "thing/3: its features are all 0"),
        (ZeroPairs(), "its similarity maps are constant"),
        (ConstantPairs(), "its similarity maps are constant"),
        (HugePairs(), "The similarities reach from .* is not finite in float32"),
        (NotANumberPairs(), "similarity are not all finite"),
        (OneCellPairs(), "The grid of 1×1 cells is too coarse"),
        (
            FourCells(),
            "thing/0: The grid of 2×2 cells is too coarse: the image has the area of 4.0",
        ),
        (NoChannels(), r"feature maps have the shapes \[0, 5, 5\]"),
        (Infinite(), "some values are not finite"),
        (Batched(), "its features alone differ from those in a batch"),
        (Reusing(), "changes maps that it returned before"),
        (Few(), "3 feature maps for 4 pictures"),
        (Raises(), "encode raised RuntimeError: no weights"),
        (Orders(), "the maps change with the order of the queries"),
    ],
)
def test_what_is_broken_is_said(model, said):
    import re

    found = broken(model)
    assert any(re.search(said, line) for line in found), found
