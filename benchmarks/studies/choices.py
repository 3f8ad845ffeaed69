"""How far each choice of a KAP rule changes the scores, and whether it changes the order of the models.

    python benchmarks/studies/choices.py --dataset spair --model sphere --model lite0 --model constant
    python benchmarks/studies/choices.py --dataset spair --results leaderboard/results

Starts from kap-v1, changes one choice at a time, and prints a Markdown table. With --model, the models
are run. With --results, records of accepted entries are used; they suffice for the rescaling and the
pooling, but not for other circles.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import kapbench
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.records_file import StoredRecords
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import MAP_MAX
from kapbench.scoring.score_table import estimator
from kapbench_leaderboard.entries.schema import find_entries, load_entry, records_path

ALPHA = 0.10


def variants() -> Iterator[tuple[str, KapRule]]:
    """kap-v1; kap-v1 with one choice changed; kap-cvpr24, which differs in three choices."""
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
    for i, (description, change) in enumerate(geometry.items()):
        changed = v1.geometry.model_copy(update={**change, "key": f"choice{i}"})
        rule_change = {"absent": "corner"} if "absent_at_corner" in change else {}
        yield (
            description,
            v1.model_copy(update={"name": f"choice{i}", "geometry": changed, **rule_change}),
        )
    yield "rescaled per pair", v1.model_copy(update={"name": "rescaled", "rescale": "pair-min-max"})
    pooled = {"averages": {"pair": ("mean",)}, "headline": ("pair", "mean")}
    yield "AP per pair, then the mean", v1.model_copy(update={"name": "per-pair", **pooled})
    yield "`kap-cvpr24`", released


def score(records: pd.DataFrame, rule: KapRule) -> float:
    """×100, mean over categories."""
    by = estimator(records, rule, ALPHA, rule.headline[0]).by_category()
    return 100 * float(by.over_categories("mean"))


def run_models(dataset_name: str, names: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    with tempfile.TemporaryDirectory() as folder:
        rule_files = []
        for _, rule in variants():
            rule_file = Path(folder) / f"{rule.name}.json"
            rule_file.write_text(rule.model_dump_json(), encoding="utf-8")
            rule_files.append(str(rule_file))
        for name in names:
            result = kapbench.evaluate(
                name,
                dataset_name,
                rule=rule_files,
                runs=cache_root() / "choices",
                intervals=False,
                progress=Progress(show=True),
            )
            yield name, result.records


def load_entries(results: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Records of a data set's entries, without the models that read the answer."""
    for path in find_entries(results):
        card = load_entry(path).run
        if card.model.kind != "oracle":
            records = StoredRecords(records_path(path), card.dataset.categories)
            yield card.model.name, records.table()


Scores = dict[str, dict[str, float]]  # by choice, then by model


def score_all(records: dict[str, pd.DataFrame]) -> Scores:
    """Scores under every variant for which all records have the columns."""
    columns = set.intersection(*(set(table) for table in records.values()))
    rules = [(text, r) for text, r in variants() if MAP_MAX.of(r.geometry) in columns]
    return {
        text: {name: score(table, rule) for name, table in records.items()} for text, rule in rules
    }


def ranked(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda name: -values[name])


def by_choice(scores: Scores) -> Iterator[str]:
    """One line per choice, models in the order of kap-v1."""
    order = ranked(scores["kap-v1"])
    yield f"| KAP@{ALPHA:.2f}, mean over categories | {' | '.join(order)} | order |"
    yield "|---" * (len(order) + 2) + "|"
    for description, values in scores.items():
        cells = [f"{values[name]:.2f}" for name in order]
        new_order = "unchanged" if ranked(values) == order else " > ".join(ranked(values))
        yield f"| {description} | {' | '.join(cells)} | {new_order} |"


def by_model(scores: Scores) -> Iterator[str]:
    """One line per model, in the order of kap-v1, each score with its rank."""
    yield f"| model | {' | '.join(scores)} |"
    yield "|---" * (len(scores) + 1) + "|"
    for name in ranked(scores["kap-v1"]):
        cells = [
            f"{scores_of[name]:.2f} ({ranked(scores_of).index(name) + 1})"
            for scores_of in scores.values()
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", action="append", default=[])
    source.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    if arguments.results:
        lines = by_model(score_all(dict(load_entries(arguments.results / arguments.dataset))))
    else:
        lines = by_choice(score_all(dict(run_models(arguments.dataset, arguments.model))))
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
