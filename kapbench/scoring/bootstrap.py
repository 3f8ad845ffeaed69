"""Intervals, paired differences and their p-values by a bootstrap over images.

Pairs share images, so they are not independent. Images are drawn within their category, and a pair
weighs the product of how often its two images were drawn. Products count the effect of an image
once but the noise of a pair three times (Owen 2007, "The pigeonhole bootstrap"). Where the two
counts are added instead, twice the deviation has the same image effects and only twice the noise;
the difference of the two is the noise once. So both parts can be computed:
docs/statistics.md has the algebra, benchmarks/studies/coverage.py the simulation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Float64, Int

from kapbench.scoring.estimators import Estimator
from kapbench.scoring.intervals import Interval, Scale, degrees_of_freedom
from kapbench.scoring.schema import Records

N_RESAMPLES = 1000
SEED = 0  # of every run: one that could be chosen would be tried until an interval looks well
CHUNK = 16  # resamples at a time: more no longer fit the processor's cache and take twice as long
SMALL = 1 << 17  # weights that fit the cache: with few pairs, more resamples at a time


@dataclass(frozen=True)
class Resampling:
    """Draws of images, the same for any two tables about the same pairs.

    `counts` [i b]: how often image i is in resample b. Of n images n − 1 are drawn, which makes the
    variance of a mean over images right where n draws leave (n − 1)/n of it.
    `source`, `target` [p]: each pair's images; `n_images` [c]: a category's. `is_shared`: an image is
    in several categories, which are pair groups then; each image is drawn once for all of them.
    """

    counts: Float32[np.ndarray, "i b"]
    source: Int[np.ndarray, "p"]
    target: Int[np.ndarray, "p"]
    n_images: Int[np.ndarray, "c"]
    is_shared: bool = False

    @classmethod
    def of(cls, records: Records, n_resamples: int = N_RESAMPLES, seed: int = SEED) -> "Resampling":
        """Pairs are numbered as the categories of `pair_id`."""
        keys, n_names = _image_keys(records)
        images, codes = np.unique(keys, return_inverse=True)
        rng = np.random.default_rng(seed)
        counts = np.zeros((len(images), n_resamples), np.float32)
        ranks = _ranks(records["category"].cat.categories)
        n_images = _per_category(images, n_names, ranks)
        source, target = codes.reshape(2, -1)
        known = images >= 0
        names, name = np.unique(images[known] % n_names, return_inverse=True)
        if len(names) < len(name):
            n = len(names)
            drawn = rng.multinomial(max(n - 1, 1), np.full(n, 1 / n), n_resamples).T
            counts[known] = drawn[name]
            return cls(counts, source, target, n_images, is_shared=True)
        for n, rank in zip(n_images, ranks, strict=True):
            members = np.flatnonzero(images // n_names == rank)
            if n:
                counts[members] = rng.multinomial(max(n - 1, 1), np.full(n, 1 / n), n_resamples).T
        return cls(counts, source, target, n_images)

    def weights(self) -> Iterator[tuple[Float32[np.ndarray, "p b"], Float32[np.ndarray, "p b"]]]:
        """Products and sums of the draws of a pair's images, some resamples at a time."""
        chunk = max(CHUNK, SMALL // max(len(self.source), 1))
        for start in range(0, self.counts.shape[1], chunk):
            drawn = self.counts[:, start : start + chunk]
            source, target = drawn[self.source], drawn[self.target]
            yield source * target, source + target


@dataclass(frozen=True)
class Replicates:
    """A score per category, `value` [c], and the same at every resample, by products and by sums.

    Two of the same resampling and categories can be subtracted: a paired difference. `is_shared`: as
    of the resampling.
    """

    value: Float64[np.ndarray, "c"]
    products: Float32[np.ndarray, "b c"]
    sums: Float32[np.ndarray, "b c"]
    n_images: Int[np.ndarray, "c"]
    is_shared: bool = False

    def __sub__(self, other: "Replicates") -> "Replicates":
        return Replicates(
            self.value - other.value,
            self.products - other.products,
            self.sums - other.sums,
            self.n_images,
            self.is_shared,
        )

    def covariance(self, weights: Float[np.ndarray, "c"]) -> float:
        """What images that categories share add to the variance of an average over categories.

        0 where categories share none, and where the resamples would make it negative.
        """
        if not self.is_shared:
            return 0.0
        chosen = weights > 0
        parts = 2 * self.sums[:, chosen] * weights[chosen].astype(np.float32)
        together = _variance(parts.sum(axis=1, keepdims=True)).sum()
        return float(max(together - _variance(parts).sum(), 0.0))

    def variances(self) -> Float64[np.ndarray, "c"]:
        """Of each category's score.

        NaN with fewer than four images, or where more than one resample in a hundred had no score.
        """
        of_pairs = _variance(self.products - 2 * self.sums)
        return self.parted(of_pairs, _variance(2 * self.sums))

    def parted(
        self, of_pairs: Float64[np.ndarray, "c"], by_sums: Float64[np.ndarray, "c"]
    ) -> Float64[np.ndarray, "c"]:
        """Variances from those of `products - 2 * sums` and of `2 * sums`."""
        n = np.where(self.n_images > 3, self.n_images, np.nan)
        # Draws of one category are negatively correlated: a pair's noise is in the sums a little
        # less than twice. No image is paired with itself: hence n − 2 of its n − 1 partners.
        of_images = np.maximum(by_sums - 2 * (n - 2) / (n - 1) * of_pairs, 0)
        return np.asarray(of_pairs + of_images * ((n - 1) / (n - 2)) ** 2)


def replicates(estimator: Estimator, resampling: Resampling) -> Replicates:
    """A score per category at every resample."""
    value = estimator.by_category().values
    both = [[estimator.at(w).values for w in two] for two in resampling.weights()]
    products, sums = (np.concatenate(kind).astype(np.float32) for kind in zip(*both, strict=True))
    return Replicates(value, products, sums, resampling.n_images, resampling.is_shared)


def interval(
    replicates: Replicates,
    weights: Float[np.ndarray, "c"],
    scale: Scale,
    lowest: Float64[np.ndarray, "c"] | float = 0.0,
) -> Interval:
    """Of the average over categories by `weights` (sum 1; a weight of 0 leaves a category out).

    Categories are independent, and their variances add up, but for images that they share, see
    `Replicates.covariance`. Student's t with the `degrees_of_freedom` of
    each category; an average has Satterthwaite's.

    Args:
        scale: That of the scores, "plain" for differences.
        lowest: The least possible scores of categories on the logit scale.
    """
    variances, n_images = replicates.variances(), replicates.n_images
    shared = replicates.covariance(weights)
    return averaged(replicates.value, variances, n_images, weights, scale, lowest, shared)


def averaged(
    value: Float64[np.ndarray, "c"],
    variances: Float64[np.ndarray, "c"],
    n_images: Int[np.ndarray, "c"],
    weights: Float[np.ndarray, "c"],
    scale: Scale,
    lowest: Float64[np.ndarray, "c"] | float = 0.0,
    covariance: float = 0.0,
) -> Interval:
    """`interval` of scores whose variances are known, and the covariance of the average."""
    chosen = weights > 0
    if not chosen.any():
        return Interval(math.nan, math.nan, math.nan, scale)
    share = (weights**2 * variances)[chosen]
    of_category = degrees_of_freedom(value, np.sqrt(variances), n_images, scale, lowest)
    spread = float((share**2 / of_category[chosen]).sum())
    freedom = float(share.sum()) ** 2 / spread if spread else math.inf
    with np.errstate(divide="ignore"):  # a category without rows has no image
        n_alike = 1 / float((weights[chosen] ** 2 / n_images[chosen]).sum())
    mean = float((weights * value)[chosen].sum())
    least = float((weights * lowest)[chosen].sum())
    error = math.sqrt(share.sum() + covariance)
    return Interval(mean, error, freedom, scale, n_alike, least)


def images_by_category(records: Records) -> dict[str, int]:
    """Number of distinct images of each category, as sources and targets of its rows."""
    keys, n_names = _image_keys(records)
    names = records["category"].cat.categories
    counts = _per_category(np.unique(keys), n_names, _ranks(names))
    return dict(zip(names.astype(str), counts.tolist(), strict=True))


def holm(p: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
    """p-values of k tests after Holm's correction; NaN (no test) stays NaN and is not counted."""
    out = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


def _variance(values: Float32[np.ndarray, "b c"]) -> Float64[np.ndarray, "c"]:
    """Over the resamples that have a score; NaN where more than a hundredth have none."""
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / n
        squares = np.where(known, (values - mean) ** 2, 0).sum(axis=0, dtype=np.float64)
        return np.where(n >= 0.99 * len(values), squares / (n - 1), np.nan)


def _image_keys(records: Records) -> tuple[Int[np.ndarray, "2 p"], int]:
    """A number for each pair's source and target, ordered as (category, image) is by name: the
    category's rank times the number of names, which is returned too, and the name's rank.

    Taken from a pair's first row; −1 for one that has none.
    """
    pair = records["pair_id"].cat
    if not len(records):
        return np.full((2, len(pair.categories)), -1), 1
    first = np.full(len(pair.categories), -1)
    first[pair.codes.to_numpy()[::-1]] = np.arange(len(records))[::-1]
    sides = [records[c].cat for c in ("source_image", "target_image")]
    names = np.unique(np.concatenate([s.categories.to_numpy(str) for s in sides]))
    category = records["category"].cat
    above = _ranks(category.categories)[category.codes.to_numpy()[first]] * len(names)
    below = [
        np.searchsorted(names, s.categories.to_numpy(str))[s.codes.to_numpy()[first]] for s in sides
    ]
    return np.where(first < 0, -1, above + np.stack(below)), len(names)


def _per_category(
    images: Int[np.ndarray, "i"], n_names: int, ranks: Int[np.ndarray, "c"]
) -> Int[np.ndarray, "c"]:
    """How many of the distinct numbers of `_image_keys` each category has."""
    return np.asarray(np.bincount(images[images >= 0] // n_names, minlength=len(ranks))[ranks])


def _ranks(names: pd.Index) -> Int[np.ndarray, "c"]:
    """Place of each among the sorted names."""
    return np.argsort(np.argsort(names.to_numpy(str)))
