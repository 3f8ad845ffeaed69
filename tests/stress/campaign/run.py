"""Running cases, and the table of what held."""

import itertools
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaign.case import Case, Kind


@dataclass(slots=True)
class Count:
    """What came of the cases of one kind.

    `n_cases`: of a batch, each of its inputs. `broken`: (name, what did not hold).
    """

    kind: str
    n_cases: int = 0
    seconds: float = 0.0
    broken: list[tuple[str, str]] = field(default_factory=list)


def run_kind(kind: Kind, seed: int, n_cases: int, most_seconds: float) -> Count:
    """Runs the first cases of a kind, until they or the time are over."""
    count, start = Count(kind.NAME), time.monotonic()
    for case in itertools.islice(kind.cases(seed), n_cases):
        count.broken += [(case.name, wrong) for wrong in run_case(case)]
        count.n_cases += case.n_inputs
        count.seconds = time.monotonic() - start
        if count.seconds > most_seconds:
            break
    return count


def run_case(case: Case) -> list[str]:
    """What did not hold in a case, which gets an empty folder; nothing: everything held."""
    with tempfile.TemporaryDirectory(prefix="kapbench-stress-", ignore_cleanup_errors=True) as name:
        try:
            wrong = case.check(Path(name))
        except Exception:  # noqa: BLE001  the others still run, and this one is counted
            wrong = f"the case itself failed: {traceback.format_exc()}"
    return [wrong] if isinstance(wrong, str) else list(wrong or ())


def table(counts: list[Count]) -> Iterator[str]:
    """Lines of text: one a kind, then what did not hold, once where it is the same again."""
    yield f"{'kind':<28}{'cases':>8}{'held':>8}{'broken':>8}{'seconds':>9}"
    for c in counts:
        held = c.n_cases - len(c.broken)
        yield f"{c.kind:<28}{c.n_cases:>8,}{held:>8,}{len(c.broken):>8,}{c.seconds:>9.0f}"
    for c in counts:
        first = {wrong: name for name, wrong in reversed(c.broken)}
        for wrong, n in Counter(wrong for _, wrong in c.broken).most_common():
            yield f"\n{c.kind}, {first[wrong]}{f' ({n:,} times)' * (n > 1)}: {wrong}"
