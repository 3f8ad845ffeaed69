"""How far each choice of a KAP rule moves the scores, and whether it reorders the models.

    python benchmarks/studies/choices.py --dataset spair --model sphere --model lite0 --model constant
    python benchmarks/studies/choices.py --dataset spair --results leaderboard/results

Starts from kap-v1 and changes one choice at a time; prints a Markdown table. Models are run;
accepted results hold what the scale of the scores and the pooling need, not the other circles.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import kapbench
from kapbench.loading import load_dataset, load_model
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.records_file import StoredRecords
from kapbench.running.run import run
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import MAP_MAX
from kapbench.scoring.score_table import estimator
from kapbench_leaderboard.entries.schema import find_entries, load_entry, records_path

ALPHA = 0.10


def variants() -> Iterator[tuple[str, KapRule]]:
    """kap-v1 and its neighbours, one choice away; last the released evaluator's, three away."""
    v1, released = kapbench.load_rule("kap-v1"), kapbench.load_rule("kap-cvpr24")
    assert isinstance(v1, KapRule)
    assert isinstance(released, KapRule)
    yield "kap-v1", v1
    geometry = {
        "distance from the cell's top-left corner": {"anchor": "top-left"},
        "distance ≤ radius": {"closed": True},
        "nearest cell not always inside": {"nearest_inside": False},
        "letterbox frame in float32": {"frame_px": 840},
        "absent keypoints at the corner": {"absent_at_corner": True},
    }
    for i, (words, change) in enumerate(geometry.items()):
        changed = v1.geometry.model_copy(update={**change, "key": f"choice{i}"})
        more = {"absent": "corner"} if "absent_at_corner" in change else {}
        yield words, v1.model_copy(update={"name": f"choice{i}", "geometry": changed, **more})
    yield "rescaled per pair", v1.model_copy(update={"name": "rescaled", "rescale": "pair-min-max"})
    pooled = {"averages": {"pair": ("mean",)}, "headline": ("pair", "mean")}
    yield "AP per pair, then the mean", v1.model_copy(update={"name": "per-pair", **pooled})
    yield "`kap-cvpr24`", released


def score(records: pd.DataFrame, rule: KapRule) -> float:
    """×100, mean over categories."""
    by = estimator(records, rule, ALPHA, rule.headline[0]).by_category()
    return 100 * float(by.over_categories("mean"))


def ran(dataset_name: str, names: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    dataset = load_dataset(dataset_name)
    for name in names:
        done = run(
            load_model(name, dataset=dataset.name), dataset, [rule for _, rule in variants()],
            runs_root=cache_root() / "choices", cache_root=cache_root(), intervals=False,
            progress=Progress(show=True),
        )  # fmt: skip
        yield name, done.records


def accepted(results: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Records of a data set's entries; the oracle, at 100 by any rule, is left out."""
    for path in find_entries(results):
        card = load_entry(path).run
        if card.model.name != "oracle":
            records = StoredRecords(records_path(path), card.dataset.categories)
            yield card.model.name, records.table()


Scores = dict[str, dict[str, float]]  # of a choice, then of a model


def scored(records: dict[str, pd.DataFrame]) -> Scores:
    """By every variant that all the records hold."""
    known = set.intersection(*(set(found) for found in records.values()))
    rules = [(w, r) for w, r in variants() if MAP_MAX.of(r.geometry) in known]
    return {w: {name: score(found, rule) for name, found in records.items()} for w, rule in rules}


def ranked(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda name: -values[name])


def by_choice(scores: Scores) -> Iterator[str]:
    """A line a choice, models in kap-v1's order."""
    order = ranked(scores["kap-v1"])
    yield f"| KAP@{ALPHA:.2f}, mean over categories | {' | '.join(order)} | order |"
    yield "|---" * (len(order) + 2) + "|"
    for words, values in scores.items():
        shown = [f"{values[name]:.2f}" for name in order]
        same = ranked(values) == order
        yield f"| {words} | {' | '.join(shown)} | {'same' if same else ' > '.join(ranked(values))} |"


def by_model(scores: Scores) -> Iterator[str]:
    """A line a model, in kap-v1's order, each score with its rank."""
    yield f"| model | {' | '.join(scores)} |"
    yield "|---" * (len(scores) + 1) + "|"
    for name in ranked(scores["kap-v1"]):
        shown = [f"{of[name]:.2f} ({ranked(of).index(name) + 1})" for of in scores.values()]
        yield f"| {name} | {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", action="append", default=[])
    source.add_argument("--results", type=Path)
    given = parser.parse_args()
    if given.results:
        lines = by_model(scored(dict(accepted(given.results / given.dataset))))
    else:
        lines = by_choice(scored(dict(ran(given.dataset, given.model))))
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
