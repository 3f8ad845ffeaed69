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

_KEYS = ("category", "pair_id", "begins_pair")  # NaN for no pair_id; 1 in a pair's first row
_LARGEST_ID = 2**53  # float64 holds every whole number up to here


class _RuleMetric(Metric):
    """The number that a rule is quoted by, at one alpha.

    Args:
        rule: A rule's name or file.
        alpha: A circle's radius is alpha · T.
        over: How categories are averaged: mean, pair_weighted (by scored pairs) or pooled; None: as
            the rule says.
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
            category: Per pair its category's number, from 0; None: all pairs are of one category.
            pair_id: Per pair its number within its category, from 0, so that a pair that a sampler
                repeats to fill its last batch counts once; None: every pair counts.
            grids: See `kapbench.kap`.

        Raises:
            KapbenchError: see `kapbench.kap`; a category or pair_id that is no whole number from 0.
        """
        maps, points = [_array(x) for x in similarity], [_array(x) for x in target_xy]
        sizes = [_array(x) for x in size_px]
        images = [
            _array([_array(n) for n in x] if isinstance(x, list | tuple) else x) for x in image_size
        ]
        parts = rows(maps, points, sizes, images, self.rule, grids)
        categories = _whole_numbers(category, "category", len(maps), default=0.0)
        ids = _whole_numbers(pair_id, "pair_id", len(maps), default=np.nan)
        self.rows.extend(self._numbers(*part) for part in zip(categories, ids, parts, strict=True))

    def compute(self) -> Tensor:
        """A share in 0 … 1; NaN where there is nothing to score.

        Raises:
            KapbenchError: two different pairs of one category have the same pair_id.
        """
        kept = [part.cpu() for part in _listed(self.rows) if len(part)]
        if not kept:
            return torch.tensor(float("nan"), dtype=torch.float64)
        records = self._records(torch.cat(kept).numpy())
        by = estimator(records, self.rule, self.alpha, self.rule.headline[0]).by_category()
        return torch.tensor(float(by.over_categories(self.over)), dtype=torch.float64)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As torchmetrics does; a rank that has seen no pair takes part with no rows."""
        if not len(self.rows):
            width = len(_KEYS) + len(self._types)
            self.rows = [torch.zeros(0, width, dtype=torch.float64, device=self.device)]
        super().sync(*args, **kwargs)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Adds the pairs of another metric, or of its `metric_state`, as if this one had seen them.

        Raises:
            KapbenchError: the other metric has another rule or alpha.
        """
        if isinstance(incoming_state, _RuleMetric):
            if incoming_state.rule != self.rule:
                raise KapbenchError(
                    "The two metrics have different rules or alphas: "
                    f"{self.rule.name} at {self.alpha}, {incoming_state.rule.name} at "
                    f"{incoming_state.alpha}",
                    fix="Merge metrics that were made with the same arguments",
                )
            incoming_state = incoming_state.metric_state
        if isinstance(incoming_state, dict) and "rows" in incoming_state:
            incoming_state = {**incoming_state, "rows": _listed(incoming_state["rows"])}
        self.rows = _listed(self.rows)
        super().merge_state(incoming_state)
        self._computed = None  # the value of before
        self._update_count += bool(self.rows)  # else compute() warns that nothing was added

    def set_dtype(self, dst_type: str | torch.dtype) -> "_RuleMetric":  # noqa: ARG002
        """Leaves the rows in float64: numbers of pairs and positions need its precision."""
        return self

    def _numbers(self, category: float, pair_id: float, columns: Columns) -> Tensor:
        """The rows of one pair."""
        n = len(columns["keypoint"])
        keys = [np.full(n, category), np.full(n, pair_id), np.arange(n) == 0]
        values = [*keys, *(columns[name] for name in self._types)]
        numbers = np.stack([np.asarray(v, np.float64) for v in values], axis=1)
        return torch.from_numpy(numbers).to(self.device)

    def _records(self, numbers: np.ndarray) -> pd.DataFrame:
        """The records table, ordered by pair; a pair that was passed twice is kept once.

        Pairs without an id are distinguished by where they begin, so joined states cannot collide.
        """
        stored = pd.DataFrame(numbers, columns=[*_KEYS, *self._types])
        stored["pair"] = stored["begins_pair"].cumsum()
        stored = _without_repetitions(stored)
        stored = stored.sort_values(["category", "pair_id", "pair", "keypoint"], kind="stable")
        columns: Columns = {n: stored[n].to_numpy().astype(t) for n, t in self._types.items()}
        for name in TEXT:
            number = stored["category" if name == "category" else "pair"]
            columns[name] = np.array([f"{n:016.0f}" for n in number], dtype=object)
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


def _whole_numbers(values: Any, name: str, n: int, default: float) -> np.ndarray:
    """One number per pair, float64; KapbenchError where one is not a whole number from 0."""
    if values is None:
        return np.full(n, default)
    numbers = np.asarray([_array(value) for value in values])
    if numbers.shape != (n,):
        raise KapbenchError(
            f"{name} has the shape {list(numbers.shape)} for {n} pairs",
            fix="Give one number per pair",
        )
    whole = numbers.dtype.kind in "iuf" and bool((numbers == np.floor(numbers)).all())
    if n and not (whole and numbers.min() >= 0 and numbers.max() < _LARGEST_ID):
        raise KapbenchError(
            f"{name} must consist of whole numbers from 0 to 2^53 - 1",
            fix="Number the pairs by their place in the data set, and the categories likewise",
        )
    return numbers.astype(np.float64)


def _without_repetitions(stored: pd.DataFrame) -> pd.DataFrame:
    """Every pair once: of those with the same category and pair_id, the first."""
    key = ["category", "pair_id"]
    firsts = stored.groupby(key)["pair"].transform("first")  # NaN where there is no pair_id
    repeated = firsts.notna() & (stored["pair"] != firsts)
    annotation = ["keypoint", "target_visible", "size_px"]
    names = [*key, *annotation]
    again = stored.loc[repeated, ["pair", *names]]
    once = stored.loc[firsts.notna() & ~repeated, names]
    merged = again.merge(once, on=names, how="left", indicator=True)
    n_rows = once.groupby(key).size()
    n_again = again.groupby([*key, "pair"]).size().droplevel("pair")
    same_rows = (n_again == n_rows.reindex(n_again.index)).all()
    if not (merged["_merge"] == "both").all() or not same_rows:
        raise KapbenchError(
            "Two different pairs of one category have the same pair_id",
            fix="Give each pair a number of its own, and call reset() before another data set",
        )
    return stored[~repeated]


def _listed(state: Any) -> list[Tensor]:
    """torchmetrics joins a list into one tensor when it has synchronised."""
    return [state] if isinstance(state, Tensor) else list(state)
