"""How far each choice of a KAP rule moves the scores, and whether it reorders the models.

    python benchmarks/choices.py --dataset spair --model lite0 --model pixels --model sphere

Starts from kap-v1 and changes one choice at a time; prints a Markdown table.
"""

import argparse
from collections.abc import Iterator

import kapbench
from kapbench.datasets.roots import cache_root
from kapbench.evaluation import load_dataset, load_model
from kapbench.running.progress import Progress
from kapbench.running.runner import run
from kapbench.scoring.rules import KapRule

ALPHA = 0.10


def variants() -> Iterator[tuple[str, KapRule]]:
    """kap-v1 and its neighbours, one choice away."""
    v1 = kapbench.load_rule("kap-v1")
    assert isinstance(v1, KapRule)
    yield "kap-v1", v1
    geometry = {
        "distance from the cell's top-left corner": {"anchor": "top-left"},
        "distance <= radius": {"closed": True},
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--model", action="append", required=True)
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)
    named = list(variants())
    scores: dict[str, list[float]] = {words: [] for words, _ in named}
    for name in arguments.model:
        model = load_model(name, dataset=dataset.name)
        done = run(
            model,
            dataset,
            [rule for _, rule in named],
            runs_root=cache_root() / "choices",
            cache_root=cache_root(),
            intervals=False,
            progress=Progress(show=True),
        )
        for words, rule in named:
            average, over = rule.headline
            row = done.card.score(rule.name, "kap", ALPHA, over, average=average)
            assert row is not None
            assert row.value is not None
            scores[words].append(100 * row.value)
    print(f"| KAP@{ALPHA:.2f}, mean over categories | {' | '.join(arguments.model)} | order |")
    print("|---" * (len(arguments.model) + 2) + "|")
    order = sorted(arguments.model, key=lambda m: -scores["kap-v1"][arguments.model.index(m)])
    for words, values in scores.items():
        mine = sorted(arguments.model, key=lambda m: -values[arguments.model.index(m)])
        same = "same" if mine == order else " > ".join(mine)
        print(f"| {words} | {' | '.join(f'{v:.2f}' for v in values)} | {same} |")


if __name__ == "__main__":
    main()
