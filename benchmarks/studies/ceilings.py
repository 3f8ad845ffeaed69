"""Each rule's ceiling: what the oracle, which peaks at the annotated cell, still scores.

    python benchmarks/studies/ceilings.py --dataset spair

Prints a Markdown table of the rules that one pass serves: the headline number per alpha, with the
lowest and highest category where they differ.
"""

import argparse
from collections.abc import Iterator

from kapbench.loading import load_dataset, load_model
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.plan import rules_named
from kapbench.running.request import RunRequest
from kapbench.running.results import RunCard
from kapbench.running.run import run
from kapbench.scoring.rules import Rule


def ceiling(card: RunCard, rule: Rule, alpha: float) -> str:
    """×100, as it is printed."""
    average, over = rule.headline
    found = [
        card.score(rule.name, rule.metric, alpha, name, average=average)
        for name in (over, *card.dataset.categories)
    ]
    whole, *each = [100 * row.value for row in found if row is not None and row.value is not None]
    low, high = f"{min(each):.1f}", f"{max(each):.1f}"
    return f"{whole:.1f}" + (f" ({low}–{high})" if low != high else "")


def lines(card: RunCard, rules: list[Rule]) -> Iterator[str]:
    alphas = sorted({alpha for rule in rules for alpha in rule.alphas}, reverse=True)
    yield f"| rule | {' | '.join(f'α = {alpha:.2f}' for alpha in alphas)} |"
    yield "|---" * (len(alphas) + 1) + "|"
    for rule in rules:
        shown = [ceiling(card, rule, a) if a in rule.alphas else "" for a in alphas]
        yield f"| `{rule.name}` | {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    dataset = load_dataset(parser.parse_args().dataset)
    rules = rules_named((), dataset)
    request = RunRequest(
        load_model("oracle"),
        dataset,
        rules,
        runs_root=cache_root() / "ceilings",
        device="cpu",
        intervals=False,
    )
    done = run(request, Progress(show=True))
    print(f"{dataset.name}, {dataset.split}: {dataset.coverage}", end="\n\n")
    print(*lines(done.card, rules), sep="\n")


if __name__ == "__main__":
    main()
