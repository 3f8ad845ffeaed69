"""python -m campaign: the whole campaign, or some kinds of it; status 1 where something broke."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from campaign.kinds import KINDS
from campaign.run import run_kind, table


def main() -> int:
    """Runs the campaign as the command line says."""
    names = [kind.NAME for kind in KINDS]
    parser = argparse.ArgumentParser(prog="python -m campaign", description=__doc__)
    parser.add_argument("--kind", action="append", choices=names, help="All, if none is named.")
    parser.add_argument("--seed", type=int, default=0)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--cases", type=int, help="Of each kind, instead of its own number.")
    size.add_argument("--short", action="store_true", help="The part that the test suite runs.")
    parser.add_argument("--minutes", type=float, default=5.0, help="The most for each kind.")
    parser.add_argument("--out", type=Path, help="A JSON file for the counts.")
    words = parser.parse_args()
    counts = []
    for kind in KINDS:
        if words.kind and kind.NAME not in words.kind:
            continue
        n_cases = words.cases or (kind.SHORT if words.short else kind.FULL)
        counts.append(run_kind(kind, words.seed, n_cases, words.minutes * 60, _report))
    print(*table(counts), sep="\n")
    if words.out:
        words.out.write_text(json.dumps([asdict(count) for count in counts], indent=1) + "\n")
    return int(any(count.broken for count in counts))


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
