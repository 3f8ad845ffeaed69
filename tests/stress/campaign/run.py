"""Running cases, and the table of what held."""

import itertools
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaign.case import Case, Kind

_REPORT_S = 30.0


@dataclass(slots=True)
class Count:
    """What came of the cases of one kind.

    `n_cases`: of a batch, each of its inputs. `cpu_seconds`: of this process and of all that it
    started and waited for. `broken`: (name, what did not hold).
    """

    kind: str
    n_cases: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    broken: list[tuple[str, str]] = field(default_factory=list)


def run_kind(
    kind: Kind, seed: int, n_cases: int, most_seconds: float, report: Callable[[str], None]
) -> Count:
    """Runs the first cases of a kind, until they or the time are over.

    `report` gets a line as the kind begins, for every case that broke, twice a minute, and as it
    ends.
    """
    count, start, cpu, next_report = Count(kind.NAME), time.monotonic(), _cpu_seconds(), 0.0
    for number, case in enumerate(itertools.islice(kind.cases(seed), n_cases), 1):
        if count.seconds >= next_report:
            report(f"{kind.NAME}: case {number} of {n_cases}, {len(count.broken)} broken")
            next_report = count.seconds + _REPORT_S
        wrong = run_case(case)
        for text in wrong:
            report(f"{kind.NAME}: {case.name} broke: {text[:200]}")
        count.broken += [(case.name, text) for text in wrong]
        count.n_cases += case.n_inputs
        count.seconds = time.monotonic() - start
        if count.seconds > most_seconds:
            report(f"{kind.NAME}: stopped after {number} of {n_cases} cases, as the time is over")
            break
    count.cpu_seconds = _cpu_seconds() - cpu  # also of what the kind ended with its cases
    report(f"{kind.NAME}: {count.n_cases:,} cases, {len(count.broken)} broken")
    return count


def _cpu_seconds() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


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
    numbers = "".join(f"{name:>9}" for name in ("cases", "held", "broken", "seconds", "CPU s"))
    yield f"{'kind':<28}{numbers}"
    for c in counts:
        held = c.n_cases - len(c.broken)
        numbers = (
            f"{c.n_cases:>9,}{held:>9,}{len(c.broken):>9,}{c.seconds:>9.0f}{c.cpu_seconds:>9.0f}"
        )
        yield f"{c.kind:<28}{numbers}"
    for c in counts:
        first = {wrong: name for name, wrong in reversed(c.broken)}
        for wrong, n in Counter(wrong for _, wrong in c.broken).most_common():
            yield f"\n{c.kind}, {first[wrong]}{f' ({n:,} times)' * (n > 1)}: {wrong}"
