"""Forged scores, intervals and resamples: numbers that the records do not give."""

from random import Random
from typing import Any

import numpy as np

from campaign.forged_entries.submission import Forgery, Submission


def _headline(submission: Submission) -> dict[str, Any]:
    return next(
        row
        for row in submission.run["scores"]
        if (row["metric"], row["alpha"], row["split"], row["category"])
        == ("kap", 0.1, "all", "mean")
    )


def _value(submission: Submission, rng: Random) -> None:
    row = rng.choice([r for r in submission.run["scores"] if r["value"] is not None])
    row["value"] += rng.choice([1e-4, 0.01, -1e-6])


def _interval(submission: Submission, rng: Random) -> None:
    row = _headline(submission)
    row[rng.choice(["low", "high"])] = row["value"]


def _no_interval(submission: Submission, rng: Random) -> None:
    _headline(submission)["low"] = None


def _n(submission: Submission, rng: Random) -> None:
    rng.choice(submission.run["scores"])["n"] += rng.choice([-1, 1, 1000])


def _left_out(submission: Submission, rng: Random) -> None:
    submission.run["scores"].remove(rng.choice(submission.run["scores"]))


def _listed_twice(submission: Submission, rng: Random) -> None:
    submission.run["scores"].append(_headline(submission) | {"value": 0.99, "high": 1.0})


def _renamed(submission: Submission, rng: Random) -> None:
    _headline(submission)["metric"] = "kap "


def _weights(submission: Submission, rng: Random) -> None:
    weights = submission.arrays[f"{rng.choice(['kap', 'pck'])}/weights"]
    weights[:] = np.eye(len(weights))[rng.randrange(len(weights))]


def _weights_of_nothing(submission: Submission, rng: Random) -> None:
    submission.arrays["kap/weights"][:] = rng.choice([0.0, np.nan, 2.0, -1.0])


def _column(part: str, change: float) -> Forgery:
    def forge(submission: Submission, rng: Random) -> None:
        name = rng.choice(["kap", "pck"])
        array = submission.arrays[f"{name}/{part}"]
        submission.arrays[f"{name}/{part}"] = (array + change).astype(array.dtype)

    forge.__name__ = part
    return forge


def _quiet(submission: Submission, rng: Random) -> None:
    """Replicates without spread: every difference is significant."""
    for part in ("products", "sums"):
        array = submission.arrays[f"kap/{part}"]
        array[:] = array.mean(axis=0) + 0.001


def _other_draws(submission: Submission, rng: Random) -> None:
    order = np.random.default_rng(rng.randrange(2**32)).permutation(
        len(submission.arrays["kap/sums"])
    )
    for part in ("products", "sums"):
        submission.arrays[f"kap/{part}"] = submission.arrays[f"kap/{part}"][order]


def _seed(submission: Submission, rng: Random) -> None:
    """Intervals drawn by another seed, honestly."""
    from kapbench.running.results import RunCard
    from kapbench.scoring.bootstrap import Resampling
    from kapbench.scoring.score_table import score_table

    records = submission.records
    table = records.assign(
        **{n: records[n].astype(str).astype("category") for n in
           ("pair_id", "category", "source_image", "target_image")}
    )  # fmt: skip
    seed = rng.randrange(1, 1000)
    run = RunCard.model_validate(submission.run)
    rules = [run.rule(card.name) for card in run.rules]
    scores = score_table(table, rules, resampling=Resampling.of(table, seed=seed))
    submission.run["provenance"]["seed"] = seed
    submission.run["scores"] = [score.model_dump() for score in scores]


def _key(submission: Submission, rng: Random) -> None:
    submission.about["key"] = submission.about["key"].replace("scoring 2", "scoring 3")


def _unread(submission: Submission, rng: Random) -> None:
    submission.arrays["kap/comment"] = np.zeros(3)


_CHANGES = (("products", 0.01), ("sums", -0.01), ("value", 1e-3), ("n_images", 40))
# Their honest entry needs several categories, and images enough for intervals.
_COLUMNS = tuple(_column(*change) for change in _CHANGES)
OF_SEVERAL_CATEGORIES = (_weights, _interval, _no_interval, *_COLUMNS)
FAMILIES: dict[str, tuple[Forgery, ...]] = {
    "scores": (_value, _n, _left_out, _listed_twice, _renamed),
    "intervals": (_interval, _no_interval),
    "seeds": (_seed,),
    "weights": (_weights, _weights_of_nothing),
    "resamples": (*_COLUMNS, _quiet, _other_draws, _key, _unread),
}
