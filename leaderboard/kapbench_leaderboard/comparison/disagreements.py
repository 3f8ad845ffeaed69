"""Sentences on where KAP and PCK order the same models differently, beyond chance."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import holm
from kapbench_leaderboard.comparison.groups import Group
from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import SIGNIFICANT, every_two

MOST = 3


def disagreements(
    members: Group,
    models: Sequence[RunCard],
    names: Sequence[str],
    resamples: Mapping[str, Resamples],
) -> list[str]:
    """At most one sentence: on models of which one is significantly better by KAP, the other by PCK.

    Without resamples of all models nothing is known to be significant, and nothing is said.

    Args:
        resamples: By the hash of a run's records.
    """
    kap, pck = members.rule_of("kap"), members.rule_of("pck")
    of_models = [resamples.get(card.provenance.records_sha256) for card in models]
    known = [each for each in of_models if each is not None]
    if kap is None or pck is None or len(known) < len(models):
        return []
    columns = [stem(rule, members.rules) for rule in (kap, pck)]
    if not all(column in each.columns for column in columns for each in known):
        return []
    by_kap, by_pck = (_significant(known, column) for column in columns)
    swaps = []
    for (i, j), one, other in zip(combinations(range(len(known)), 2), by_kap, by_pck, strict=True):
        if one is not None and other is not None and one * other < 0:
            up, down = (names[i], names[j]) if one > 0 else (names[j], names[i])
            swaps.append(
                f"{up} is {100 * abs(one):.1f} points above {down} by KAP and {100 * abs(other):.1f} "
                "below by PCK"
            )
    if not swaps:
        return []
    more = f"; and {len(swaps) - MOST} more" if len(swaps) > MOST else ""
    tests = "(paired tests, p < 0.05 after Holm's correction)"
    listed = "; ".join(swaps[:MOST])
    return [f"KAP and PCK rank models differently, both significantly {tests}: {listed}{more}."]


def _significant(runs: Sequence[Resamples], column: str) -> list[float | None]:
    """The difference of every two runs, None where it is not significant."""
    gaps = every_two(runs, column)
    corrected = holm(np.array([gap.p for gap in gaps]))
    return [gap.value if p < SIGNIFICANT else None for gap, p in zip(gaps, corrected, strict=True)]
