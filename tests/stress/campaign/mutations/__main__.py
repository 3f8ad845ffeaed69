"""python -m campaign.mutations: mutations of some formats, and what did not hold."""

import argparse
import json
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from campaign.mutations.batch import Batch
from campaign.mutations.formats import FORMATS


def main() -> int:
    """Runs the mutations of the formats that are named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m campaign.mutations", description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100, help="Of each format.")
    parser.add_argument("--json", action="store_true", help="What did not hold, as JSON.")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    formats, start = words.formats or list(FORMATS), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutations-", dir=Path.cwd()) as root:
        broken = Batch(formats, words.seed, words.count, Path(root)).run()
    if words.json:
        print(json.dumps([one._asdict() for one in broken]))
        return 0
    n, seconds = words.count * len(formats), time.monotonic() - start
    print(f"{n:,} mutations of {len(formats)} formats, {len(broken):,} broken, {seconds:.0f} s")
    first = {(b.format, b.family, b.wrong): b.number for b in reversed(broken)}
    for key, n_alike in Counter((b.format, b.family, b.wrong) for b in broken).most_common():
        name, family, wrong = key
        print(f"{n_alike:6,} × {name}, {family}: {wrong} (first: number {first[key]})")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
