"""python -m campaign.kills: kills at events of some commands, and what did not hold."""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from campaign.kills.kill import Killing
from campaign.kills.scenario import SCENARIOS, warm


def main() -> int:
    """Kills the commands that are named, or all of them, at some of their events."""
    parser = argparse.ArgumentParser(prog="python -m campaign.kills", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=10, help="Kills of each command.")
    parser.add_argument("--json", action="store_true", help="What did not hold, as JSON.")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    warm()
    broken: list[str] = []
    for name in words.scenarios or SCENARIOS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kills-", dir=Path.cwd()) as root:
            killing = Killing(SCENARIOS[name], Path(root))
            killing.record()
            chosen = choose(len(killing.events), words.points, words.seed)
            wrong = [text for k, after in chosen if (text := killing.kill(k, after=after))]
        broken += [f"{name}: {text}" for text in wrong]
        if not words.json:
            n, seconds = len(killing.events), time.monotonic() - start
            print(f"{name}: {n} events, {len(chosen)} kills, {len(wrong)} broken, {seconds:.0f} s")
            print(*(f"  {text}" for text in wrong), sep="\n", flush=True)
    if words.json:
        print(json.dumps(broken))
        return 0
    return int(bool(broken))


def choose(n_events: int, n_points: int, seed: int) -> list[tuple[int, bool]]:
    """(event, whether just after it) of each kill, spread over all of them.

    The seed shifts them, so that seeds in a row kill at every event.
    """
    n_moments = 2 * n_events
    n = min(n_points, n_moments)
    moments = (np.arange(n) * n_moments / n + seed * 7).astype(int) % n_moments
    return [(int(m) // 2, bool(m % 2)) for m in moments]


if __name__ == "__main__":
    raise SystemExit(main())
