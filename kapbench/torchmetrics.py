"""KAP and PCK as torchmetrics metrics, for training loops: updated by batch, merged over ranks.

    from kapbench.torchmetrics import KeypointAveragePrecision

    kap = KeypointAveragePrecision(alpha=0.10)
    for batch in loader:
        similarity = model(batch)                     # per pair [q, h, w]
        kap.update(similarity, batch.target_xy, batch.size_px, batch.image_size, batch.category)
    print(kap.compute())                              # over all ranks under torchrun
    kap.reset()

What is kept is a row of numbers for each keypoint, never a map.
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
        "torchmetrics is not installed", fix="pip install 'kapbench[torchmetrics]'"
    ) from error

_RANK = 1 << 40  # pairs without an id of their own are counted from here on, by rank


class _OfRule(Metric):
    """One rule's headline at one alpha.

    Args:
        rule: A rule's name or file.
        alpha: A circle's radius is alpha · T.
        over: How categories are averaged: mean, pair_weighted or pooled; None: as the rule does.
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
            similarity: Per pair, maps [q h w] over the target's cells, one a source keypoint;
                tensors on any device, or arrays.
            target_xy: Per pair [q 2], original pixels; NaN where the target does not show one.
            size_px: Per pair T, original pixels.
            image_size: Per pair width and height of the target image.
            category: Per pair its number; None: all are one category.
            pair_id: Per pair a number from 0 that tells pairs apart, so that one that a sampler
                repeats to fill up its last batch counts once; None: every pair given counts.
            grids: See `kapbench.kap`.

        Raises:
            KapbenchError: see `kapbench.kap`.
        """
        maps, points = [_array(x) for x in similarity], [_array(x) for x in target_xy]
        sizes = [_array(x) for x in size_px]
        images = [
            _array([_array(n) for n in x] if isinstance(x, list | tuple) else x) for x in image_size
        ]
        found = rows(maps, points, sizes, images, self.rule, grids)
        for i, columns in enumerate(found):
            number = self._number(i, pair_id)
            kind = 0 if category is None else int(category[i])
            n = len(columns["keypoint"])
            values = [np.full(n, kind), np.full(n, number), *(columns[k] for k in self._types)]
            numbers = np.stack([np.asarray(v, np.float64) for v in values], axis=1)
            self.rows.append(torch.from_numpy(numbers).to(self.device))

    def compute(self) -> Tensor:
        """A share in 0 … 1; NaN where nothing was asked."""
        kept = [part for part in _listed(self.rows) if len(part)]
        if not kept:
            return torch.tensor(float("nan"))
        records = self._records(torch.cat(kept).cpu().numpy())
        found = estimator(records, self.rule, self.alpha, self.rule.headline[0]).by_category()
        return torch.tensor(float(found.over_categories(self.over)), dtype=torch.float64)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """torchmetrics' own; a rank that has seen no pair takes part with no rows."""
        if not self.rows:
            self.rows.append(torch.zeros(0, 2 + len(self._types), dtype=torch.float64))
        super().sync(*args, **kwargs)

    def _number(self, i: int, pair_id: Sequence[int] | None) -> int:
        if pair_id is not None:
            return int(pair_id[i])
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if together else 0
        return _RANK * (1 + rank) + len(self.rows)

    def _records(self, numbers: np.ndarray) -> pd.DataFrame:
        """The table that rules are scored on, ordered by pair; a pair given twice stands once."""
        found = pd.DataFrame(numbers, columns=["category", "pair_id", *self._types])
        found = found.drop_duplicates(["pair_id", "keypoint"]).sort_values(
            ["pair_id", "keypoint"], kind="stable"
        )
        columns: Columns = {n: found[n].to_numpy().astype(t) for n, t in self._types.items()}
        for name, source in (
            ("pair_id", "pair_id"), ("category", "category"), ("source_image", "pair_id"),
            ("target_image", "pair_id"),
        ):  # fmt: skip
            columns[name] = np.array([f"{v:014.0f}" for v in found[source]], dtype=object)
        return table([columns])


class KeypointAveragePrecision(_OfRule):
    """KAP of a KAP rule; see `kapbench.kap`."""

    metric = "kap"

    def __init__(self, rule: str = "kap-cvpr24", alpha: float = 0.10, **kwargs: Any) -> None:
        super().__init__(rule, alpha, **kwargs)


class PercentageOfCorrectKeypoints(_OfRule):
    """PCK of a PCK rule; see `kapbench.pck`."""

    metric = "pck"

    def __init__(self, rule: str = "pck-sd-dino", alpha: float = 0.10, **kwargs: Any) -> None:
        super().__init__(rule, alpha, **kwargs)


def _array(given: Any) -> np.ndarray:
    if not isinstance(given, Tensor):
        return np.asarray(given)
    held = given.detach().cpu()
    return np.asarray((held.float() if held.dtype == torch.bfloat16 else held).numpy())


def _listed(state: Any) -> list[Tensor]:
    """torchmetrics joins a list into one tensor when it has synchronised."""
    return [state] if isinstance(state, Tensor) else list(state)
