"""What a rule's pooled samples say beside KAP: prevalence, AUROC, and what rounding changes."""

import numpy as np
from jaxtyping import Float64, Int

from kapbench.scoring.average_precision import average_precision, roc_auc
from kapbench.scoring.estimators import ByCategory
from kapbench.scoring.metrics import Samples, kap_samples
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import Records

ROUNDING_DRAWS = 5


def sample_scores(records: Records, rule: KapRule, alpha: float) -> dict[str, ByCategory]:
    """By metric: prevalence, auroc, and rounding, by how much rounding alone changes KAP."""
    samples = kap_samples(records, rule, alpha)
    codes = records["category"].cat.codes.to_numpy()[samples.row]
    k = len(records["category"].cat.categories)
    n = np.bincount(codes, minlength=k)
    positive = np.bincount(codes[samples.label], minlength=k)
    with np.errstate(invalid="ignore"):
        prevalence = positive / n
    auroc = [roc_auc(samples.label[codes == c], samples.score[codes == c]) for c in range(k)]
    by_metric = {
        "prevalence": prevalence,
        "auroc": np.array(auroc),
        "rounding": _rounding(samples, codes, k),
    }
    return {metric: ByCategory(v, n, n, n - positive) for metric, v in by_metric.items()}


def _rounding(samples: Samples, codes: Int[np.ndarray, "s"], k: int) -> Float64[np.ndarray, "c"]:
    """Largest change of each category's AP over draws of one unit in the last place of noise.

    Scores that tie exactly are ordered by chance once a last bit differs; rules that rescale make
    hundreds of such ties.
    """
    rng = np.random.default_rng(0)
    exact = average_precision(samples.label, samples.score, codes, k)
    change = np.zeros(k)
    for _ in range(ROUNDING_DRAWS):
        step = rng.integers(-1, 2, len(samples.score)).astype(np.int8)
        step = step * np.spacing(np.abs(samples.score))
        noisy = average_precision(samples.label, samples.score + step, codes, k)
        change = np.fmax(change, np.abs(noisy - exact))
    return np.where(np.isnan(exact), np.nan, change)
