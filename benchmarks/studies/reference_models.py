"""Scores of the controls that read the answer, and a figure of them with models between them.

    python benchmarks/studies/reference_models.py --dataset spair --dataset synthetic
    python benchmarks/studies/reference_models.py --dataset spair -o docs/images/reference-models.png

Prints a Markdown table of KAP / PCK in percent: the headlines of kap-cvpr24 and pck-sd-dino at alpha
0.10. -o draws PCK against KAP on the first data set, with the models named by --model, whose
scores are read from the accepted entries in --results. Results: docs/metrics.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import kapbench
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.results import RunCard
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.entries.schema import find_entries, load_entry
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.reference_scatter import draw_reference_scatter

ALPHA, KAP, PCK = 0.10, load_rule("kap-cvpr24"), load_rule("pck-sd-dino")
REFERENCE_MODELS = ("oracle", "twin-trap", "never-silent", "side-blind", "part-blind")
MODELS = (
    *("geoaware.supervised.lite0", "sphere.lite0", "geoaware.zeroshot.lite0", "lite0"),
    *("constant", "random"),
)


def score_references(dataset_name: str) -> list[RunCard]:
    """Runs of the reference models; those that were made before are read again."""
    dataset = kapbench.load_dataset(dataset_name)
    return [
        kapbench.evaluate(
            name,
            dataset,
            rule=[KAP.name, PCK.name],
            runs=cache_root() / "reference-models",
            intervals=False,
            progress=Progress(show=True),
        ).card
        for name in REFERENCE_MODELS
    ]


def load_models(results: Path, dataset: str, names: Sequence[str]) -> list[RunCard]:
    """The entries of these models on a data set, in this order."""
    cards = [load_entry(path).run for path in find_entries(results / dataset)]
    by_name = {card.model.name: card for card in cards}
    if missing := [name for name in names if name not in by_name]:
        raise SystemExit(
            f"{results / dataset} has no entry of {', '.join(missing)}. Choose models with --model."
        )
    return [by_name[name] for name in names]


def cell(card: RunCard) -> str:
    rows = [card.headline(rule, ALPHA) for rule in (KAP, PCK)]
    return " / ".join(
        "–" if row is None or row.value is None else f"{100 * row.value:.1f}" for row in rows
    )


def print_table(cards: dict[str, list[RunCard]]) -> None:
    print(f"| control | {' | '.join(f'{name}: KAP / PCK' for name in cards)} |")
    print("|---" * (len(cards) + 1) + "|")
    for of_model in zip(*cards.values(), strict=True):
        print(f"| `{of_model[0].model.name}` | {' | '.join(map(cell, of_model))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", action="append", help="default: synthetic")
    parser.add_argument("--results", type=Path, default=Path("leaderboard/results"))
    parser.add_argument("--model", action="append", help=f"in the figure; default: {MODELS}")
    parser.add_argument("-o", "--figure", type=Path, metavar="FILE.png")
    arguments = parser.parse_args()
    cards = {name: score_references(name) for name in arguments.dataset or ["synthetic"]}
    print_table(cards)
    if arguments.figure:
        dataset, references = next(iter(cards.items()))
        models = load_models(arguments.results, dataset, arguments.model or MODELS)
        with style.styled():
            style.save(
                draw_reference_scatter([*references, *models], KAP, PCK, ALPHA), arguments.figure
            )


if __name__ == "__main__":
    main()
