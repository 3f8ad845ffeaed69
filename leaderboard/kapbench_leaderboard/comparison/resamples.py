"""The scores of one run at every resample, from which ranks and paired differences are computed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kapbench.errors import KapbenchError, counted
from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator
from kapbench.scoring.intervals import Interval
from kapbench.scoring.rules import OverCategories, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import ABSENCE_AUROC, estimator
from kapbench.storage import write_atomically
from kapbench.untrusted.regular_files import refuse_irregular
from kapbench.untrusted.strict_text import json_value
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.comparison.scoring_versions import scoring_of

WITH_TWIN = "absent_with_twin"
FORMAT = "kapbench-resamples-2"  # 2: the absence AUROC in place of the KAP of the twin split
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
PARTS = ("value", "products", "sums", "n_images", "weights")  # of a column
_OF_RESAMPLES = ("products", "sums")  # parts with a row for each resample

# By rule, metric, alpha, average and split: a score, and the same at every resample.
Place = tuple[str, str, float, str, str]
Made = Mapping[Place, tuple[Estimator, Replicates]]


@dataclass(frozen=True)
class Resamples:
    """`columns`: "kap", "absence_auroc.absent_with_twin", "pck"; as `stem` and `twin_column` name them.

    Two can be subtracted if they have the same `key`, that is the same pairs and rules.
    """

    key: str
    categories: tuple[str, ...]
    columns: Mapping[str, Replicates]
    weights: Mapping[str, Float64[np.ndarray, "c"]]  # of categories in a column's average

    def mean(self, column: str) -> Interval:
        return interval(self.columns[column], self.weights[column], "logit")


def stem(rule: RuleCard, rules: Sequence[RuleCard]) -> str:
    """How a rule's columns begin: with its metric, or with its name where it is one of several."""
    return rule.metric if sum(r.metric == rule.metric for r in rules) == 1 else rule.name


def twin_column(rule: RuleCard, rules: Sequence[RuleCard]) -> str:
    """The column of the absence AUROC of keypoints with a mirror counterpart, of a rule for KAP."""
    name = f"{ABSENCE_AUROC}.{WITH_TWIN}"
    return name if stem(rule, rules) == rule.metric else f"{rule.name}.{name}"


def key(run: RunCard, rules: Sequence[str] | None = None, alpha: float | None = None) -> str:
    """Runs of one key have the same pairs and rules, and their images were drawn alike.

    Args:
        rules: Names; None: of the run's, the best-known one of each kind.
        alpha: None: each rule's first.
    """
    data, run_rules = run.dataset, selected_rules(run, rules)
    named = " ".join(f"{r.name}@{r.hash}" for r in run_rules)
    at = "" if all(_alpha(r, alpha) == r.alphas[0] for r in run_rules) else f" alpha {alpha:g}"
    version = scoring_of(run, (rule.name for rule in run_rules))
    return (
        f"{data.name}@{data.revision}.{data.split} {data.pairs_hash} {named}{at} scoring {version}"
    )


def make(
    records: Records,
    run: RunCard,
    rules: Sequence[str] | None = None,
    alpha: float | None = None,
    known: Made | None = None,
) -> Resamples:
    """Columns of the rules that `key` names; a rule without this alpha has no column.

    Args:
        known: What was computed of these records before, and is not computed again.

    Raises:
        KapbenchError: the run was scored by a rule that is not shipped under its name and hash.
    """
    resampling, known = Resampling.of(records), known or {}
    columns: dict[str, Replicates] = {}
    weights: dict[str, np.ndarray] = {}
    run_rules = selected_rules(run, rules)
    for card in run_rules:
        if _alpha(card, alpha) not in card.alphas:
            continue
        rule, name = run.rule(card.name), stem(card, run_rules)
        average, over = rule.headline
        at = _alpha(card, alpha)
        places: dict[str, tuple[Place, OverCategories]] = {
            name: ((rule.name, rule.metric, at, average, "all"), over)
        }
        if rule.metric == "kap":  # alpha does not enter the AUROC, which is stored by the first
            place = rule.name, ABSENCE_AUROC, rule.alphas[0], "category", WITH_TWIN
            places[twin_column(card, run_rules)] = place, "mean"
        for column, (place, average_over) in places.items():
            if place in known:
                made, columns[column] = known[place]
            else:
                made = _estimator(records, run, rule, place)
                columns[column] = replicates(made, resampling)
            weights[column] = made.by_category().weights(average_over)
    return Resamples(key(run, rules, alpha), run.dataset.categories, columns, weights)


def _estimator(records: Records, run: RunCard, rule: Rule, place: Place) -> Estimator:
    _, metric, alpha, average, split = place
    return estimator(
        records,
        rule,
        alpha,
        average,
        metric=metric,
        split=split,
        supervised=run.model.supervised,
        window=run.model.window,
    )


def _alpha(rule: RuleCard, alpha: float | None) -> float:
    return rule.alphas[0] if alpha is None else alpha


def to_bytes(resamples: Resamples) -> bytes:
    from safetensors.numpy import save as packed

    arrays = {}
    for name, column in resamples.columns.items():
        arrays[f"{name}/products"] = column.products
        arrays[f"{name}/sums"] = column.sums
        arrays[f"{name}/value"] = column.value
        arrays[f"{name}/n_images"] = column.n_images.astype(np.int64)
        arrays[f"{name}/weights"] = resamples.weights[name]
    about = {
        "format": FORMAT,
        "key": resamples.key,
        "categories": list(resamples.categories),
        "columns": list(resamples.columns),
    }
    plain = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    # One key alone: safetensors writes several in random order, and equal files would differ.
    return packed(plain, {"about": json.dumps(about)})


def save(path: Path, resamples: Resamples) -> None:
    write_atomically(path, to_bytes(resamples))


def load(path: Path) -> Resamples:
    """Raises KapbenchError: missing, damaged, of another format, or with values that cannot be."""
    from safetensors import SafetensorError, safe_open

    try:
        refuse_irregular(path)  # it would wait for a named pipe
        with safe_open(path, "np") as file:
            about = json_value((file.metadata() or {}).get("about", "{}"))
            if about.get("format") != FORMAT:
                written = about.get("format")
                raise ValueError(f"they have the format {written}, and this version reads {FORMAT}")
            names, categories = about["columns"], tuple(about["categories"])
            if sorted(file.keys()) != sorted(f"{n}/{part}" for n in names for part in PARTS):
                raise ValueError("other arrays than those of its columns")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        for name, values in arrays.items():
            _refuse_unsound(name, values, len(categories))
        columns = {
            n: Replicates(
                *(arrays[f"{n}/{part}"] for part in ("value", "products", "sums", "n_images"))
            )
            for n in names
        }
        weights = {n: arrays[f"{n}/weights"] for n in names}
        return Resamples(about["key"], categories, columns, weights)
    except (*_UNREADABLE, SafetensorError) as error:
        raise KapbenchError(
            f"The resamples cannot be read: {error}",
            place=path,
            fix="Write them with `kapbench submit prepare`",
        ) from error


_LARGEST = 1e12  # scores are at most 1, and their sums count samples


def _refuse_unsound(name: str, values: np.ndarray, n_categories: int) -> None:
    """ValueError: an array of another shape, infinite, or with NaN where every run has a number."""
    part = name.rpartition("/")[2]
    if values.shape[-1:] != (n_categories,) or values.ndim != (2 if part in _OF_RESAMPLES else 1):
        raise ValueError(
            f"{name} has the shape {values.shape}, not of {counted(n_categories, 'category')}"
        )
    may_be_nan = part not in ("n_images", "weights")  # a score may be undefined
    if (np.abs(values) > _LARGEST).any() or (np.isnan(values).any() and not may_be_nan):
        raise ValueError(f"{name} is not finite, or larger than any run's")
