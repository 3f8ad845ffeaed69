"""KAP and PCK as torchmetrics metrics, for training loops: updated by batch, merged over ranks.

    from kapbench.torchmetrics import KeypointAveragePrecision

    kap = KeypointAveragePrecision(alpha=0.10)
    for batch in loader:
        similarity = model(batch)                     # per pair [q, h, w]
        kap.update(similarity, batch.target_xy, batch.size_px, batch.image_size, batch.category)
    print(kap.compute())                              # over all ranks under torchrun
    kap.reset()

A metric keeps a row of numbers for each keypoint, never a map.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kapbench.arrays import rows, single_rule
from kapbench.errors import KapbenchError
from kapbench.scoring.build_records import table
from kapbench.scoring.rules import Rule
from kapbench.scoring.schema import TEXT, Columns, Needs
from kapbench.scoring.score_table import estimator
from kapbench.types import Grid

try:
    from torchmetrics import Metric
except ImportError as error:
    raise KapbenchError(
        "The package torchmetrics is not installed",
        fix="Install it: pip install 'kapbench[torchmetrics]'",
    ) from error

_RANK = 1 << 40  # pairs without an id are numbered from here on, by rank


class _RuleMetric(Metric):
    """The number that a rule is quoted by, at one alpha.

    Args:
        rule: A rule's name or file.
        alpha: A circle's radius is alpha · T.
        over: How categories are averaged: mean, pair_weighted or pooled; None: as the rule says.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    metric: str

    def __init__(self, rule: str, alpha: float = 0.10, over: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule: Rule = single_rule(rule, self.metric, alpha)
        self.alpha, self.over = alpha, over or self.rule.headline[1]
        columns = Needs.of([self.rule]).columns
        self._types = {name: c.type for name, c in sorted(columns.items()) if name not in TEXT}
        self.add_state("rows", default=[], dist_reduce_fx="cat")
        self.rows: list[Tensor]

    def update(
        self,
        similarity: Sequence[Any],
        target_xy: Sequence[Any],
        size_px: Sequence[float],
        image_size: Sequence[Any],
        category: Sequence[int] | None = None,
        pair_id: Sequence[int] | None = None,
        grids: Sequence[Grid] | None = None,
    ) -> None:
        """Adds a batch of pairs.

        Args:
            similarity: Per pair, maps [q h w] over the target's cells, one per source keypoint;
                tensors on any device, or arrays.
            target_xy: Per pair [q 2], original pixels; NaN where the keypoint is absent.
            size_px: Per pair T, original pixels.
            image_size: Per pair width and height of the target image.
            category: Per pair its category's number; None: all pairs are of one category.
            pair_id: Per pair its number, from 0, so that a pair that a sampler repeats to fill its
                last batch counts once; None: every pair counts.
            grids: See `kapbench.kap`.

        Raises:
            KapbenchError: see `kapbench.kap`.
        """
        maps, points = [_array(x) for x in similarity], [_array(x) for x in target_xy]
        sizes = [_array(x) for x in size_px]
        images = [
            _array([_array(n) for n in x] if isinstance(x, list | tuple) else x) for x in image_size
        ]
        for i, columns in enumerate(rows(maps, points, sizes, images, self.rule, grids)):
            pair = self._pair_number(i, pair_id)
            of_category = 0 if category is None else int(category[i])
            n = len(columns["keypoint"])
            values = [np.full(n, of_category), np.full(n, pair), *(columns[k] for k in self._types)]
            numbers = np.stack([np.asarray(v, np.float64) for v in values], axis=1)
            self.rows.append(torch.from_numpy(numbers).to(self.device))

    def compute(self) -> Tensor:
        """A share in 0 … 1; NaN where there is nothing to score."""
        kept = [part for part in _listed(self.rows) if len(part)]
        if not kept:
            return torch.tensor(float("nan"))
        records = self._records(torch.cat(kept).cpu().numpy())
        by = estimator(records, self.rule, self.alpha, self.rule.headline[0]).by_category()
        return torch.tensor(float(by.over_categories(self.over)), dtype=torch.float64)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As torchmetrics does; a rank that has seen no pair takes part with no rows."""
        if not self.rows:
            self.rows.append(torch.zeros(0, 2 + len(self._types), dtype=torch.float64))
        super().sync(*args, **kwargs)

    def _pair_number(self, i: int, pair_id: Sequence[int] | None) -> int:
        if pair_id is not None:
            return int(pair_id[i])
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if distributed else 0
        return _RANK * (1 + rank) + len(self.rows)

    def _records(self, numbers: np.ndarray) -> pd.DataFrame:
        """The records table, ordered by pair; a pair that was passed twice is kept once."""
        stored = pd.DataFrame(numbers, columns=["category", "pair_id", *self._types])
        key = ["pair_id", "keypoint"]
        stored = stored.drop_duplicates(key).sort_values(key, kind="stable")
        columns: Columns = {n: stored[n].to_numpy().astype(t) for n, t in self._types.items()}
        for name in TEXT:
            number = stored["category" if name == "category" else "pair_id"]
            columns[name] = np.array([f"{n:014.0f}" for n in number], dtype=object)
        return table([columns])


class KeypointAveragePrecision(_RuleMetric):
    """KAP of a KAP rule; see `kapbench.kap`."""

    metric = "kap"

    def __init__(self, rule: str = "kap-cvpr24", alpha: float = 0.10, **kwargs: Any) -> None:
        super().__init__(rule, alpha, **kwargs)


class PercentageOfCorrectKeypoints(_RuleMetric):
    """PCK of a PCK rule; see `kapbench.pck`."""

    metric = "pck"

    def __init__(self, rule: str = "pck-sd-dino", alpha: float = 0.10, **kwargs: Any) -> None:
        super().__init__(rule, alpha, **kwargs)


def _array(values: Any) -> np.ndarray:
    if not isinstance(values, Tensor):
        return np.asarray(values)
    tensor = values.detach().cpu()  # NumPy has no bfloat16
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def _listed(state: Any) -> list[Tensor]:
    """torchmetrics joins a list into one tensor when it has synchronised."""
    return [state] if isinstance(state, Tensor) else list(state)
