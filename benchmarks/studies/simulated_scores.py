"""A normal model of the scores inside and outside the circle, fitted to the records of a run.

Effects of the source image, of the target image, of the pair and of the keypoint add up to a score.
The studies of confidence intervals draw data sets with known scores from it.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule


@dataclass(frozen=True)
class Model:
    """Mean and covariances of (score inside, score outside); `mean` [3]: third, of absent keypoints."""

    mean: np.ndarray
    source: np.ndarray
    target: np.ndarray
    pair: np.ndarray
    keypoint: np.ndarray
    visible: float

    @property
    def ratio(self) -> float:
        """Variance of the images' effects on the margin over that of the pairs'."""
        margin = np.array([1.0, -1.0])
        images = margin @ (self.source + self.target) @ margin
        return float(images / max(margin @ self.pair @ margin, 1e-12))

    def at(self, ratio: float) -> "Model":
        """The same variance above the keypoint, divided in another ratio."""
        whole = self.source + self.target + self.pair
        images = whole * ratio / (1 + ratio)
        return replace(self, source=images / 2, target=images / 2, pair=whole / (1 + ratio))

    @property
    def share_of_images(self) -> float:
        """Of the variance of the margin between inside and outside."""
        margin = np.array([1.0, -1.0])
        whole = self.source + self.target + self.pair + self.keypoint
        return float(margin @ (self.source + self.target) @ margin / (margin @ whole @ margin))

    def with_images(self, share: float) -> "Model":
        """The same variance, of which images carry this share."""
        whole = self.source + self.target + self.pair + self.keypoint
        images, rest = share * whole, self.pair + self.keypoint
        of_pair = (1 - share) * (self.pair / max(np.trace(rest), 1e-12)) * np.trace(whole)
        of_keypoint = (1 - share) * (self.keypoint / max(np.trace(rest), 1e-12)) * np.trace(whole)
        return replace(
            self, source=images / 2, target=images / 2, pair=of_pair, keypoint=of_keypoint
        )

    def with_pck(self, pck: float) -> "Model":
        """The mean inside is shifted, so that normal scores have about this PCK."""
        from scipy.special import ndtri

        margin = np.array([1.0, -1.0])
        whole = self.source + self.target + self.pair + self.keypoint
        mean = self.mean.copy()
        mean[0] = mean[1] + ndtri(pck) * np.sqrt(margin @ whole @ margin)
        return replace(self, mean=mean)


def fitted(records: pd.DataFrame) -> Model:
    """Fits by moments: products of residuals that share a source, a target, a pair or nothing."""
    rule = load_rule("kap-cvpr24")
    samples = kap_samples(records, rule, 0.10)
    score = np.full((len(records), 2), np.nan)
    score[samples.row, np.where(samples.label, 0, 1)] = samples.score
    visible = records["target_visible"].to_numpy() & ~np.isnan(score).any(axis=1)
    category = records["category"].astype(str).to_numpy()
    scores_by_category = pd.DataFrame(score[visible]).groupby(category[visible])
    residual = scores_by_category.transform(lambda column: column - column.mean()).to_numpy()
    visible_records = records[visible]
    codes_of = {
        c: visible_records[c].cat.codes.to_numpy()
        for c in ("source_image", "target_image", "pair_id")
    }
    by_pair = _shared(residual, codes_of["pair_id"], np.arange(len(residual)))
    source, target = (
        _positive(_shared(residual, codes_of[c], codes_of["pair_id"]))
        for c in ("source_image", "target_image")
    )
    total = residual.T @ residual / len(residual)
    return Model(
        np.append(score[visible].mean(axis=0), score[~records["target_visible"], 1].mean()),
        source,
        target,
        _positive(by_pair - source - target),
        _positive(total - by_pair),
        float(records["target_visible"].mean()),
    )


def _shared(residual: np.ndarray, key: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """Mean product of two rows that agree in a key and differ in a finer key."""
    products, numbers = [], []
    for codes in (key, finer):
        sums = np.stack([np.bincount(codes, r) for r in residual.T], axis=1)
        products.append(sums.T @ sums)
        numbers.append((np.bincount(codes).astype(float) ** 2).sum())
    return np.asarray((products[0] - products[1]) / (numbers[0] - numbers[1]))


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
