"""The highest score that each rule allows: what the oracle, which peaks at the annotated cell, gets.

    python benchmarks/studies/ceilings.py --dataset spair

Prints a Markdown table of the rules that one pass serves: the headline score per alpha, with the
lowest and the highest category if they differ.
"""

import argparse
from collections.abc import Iterator

import kapbench
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.results import RunCard
from kapbench.scoring.rules import Rule, load_rule


def ceiling(card: RunCard, rule: Rule, alpha: float) -> str:
    """The headline score ×100, with the range over categories."""
    average, over = rule.headline
    rows = [
        card.score(rule.name, rule.metric, alpha, name, average=average)
        for name in (over, *card.dataset.categories)
    ]
    headline, *by_category = [
        100 * row.value for row in rows if row is not None and row.value is not None
    ]
    low, high = f"{min(by_category):.1f}", f"{max(by_category):.1f}"
    return f"{headline:.1f}" + (f" ({low}–{high})" if low != high else "")


def table_lines(card: RunCard, rules: list[Rule]) -> Iterator[str]:
    alphas = sorted({alpha for rule in rules for alpha in rule.alphas}, reverse=True)
    yield f"| rule | {' | '.join(f'α = {alpha:.2f}' for alpha in alphas)} |"
    yield "|---" * (len(alphas) + 1) + "|"
    for rule in rules:
        cells = [ceiling(card, rule, a) if a in rule.alphas else "" for a in alphas]
        yield f"| `{rule.name}` | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    dataset = kapbench.load_dataset(parser.parse_args().dataset)
    runs = cache_root() / "ceilings"
    card = kapbench.evaluate(
        "oracle", dataset, runs=runs, intervals=False, progress=Progress(show=True)
    ).card
    print(f"{dataset.name}, {dataset.split}: {dataset.coverage}", end="\n\n")
    print(*table_lines(card, [load_rule(rule.name) for rule in card.rules]), sep="\n")


if __name__ == "__main__":
    main()
