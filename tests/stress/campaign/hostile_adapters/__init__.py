"""Adapters that attack who tries them: `submit adapters` runs each in a process that is not trusted."""

import itertools
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from campaign.case import Case, mistake_of_case, python
from campaign.hostile_adapters.attacks import ATTACKS, HONEST, Attack
from kapbench.processes.jail.command import isolation

NAME = "hostile adapters"
SHORT = 9
FULL = 52
_NEEDED = {
    "resources": {"limits", "counts"},
    "processes": {"outliving", "signals"},
    "reads": {"signals"},
    "writes": {"files"},
    "network": {"network"},
}
_SECRET = "a-secret-of-the-evaluator"
_SECONDS = 240.0  # on a machine that does other work as well
_MOST_KIB, _MOST_OUTPUT = 1_800_000, 200_000
# Small limits, so that the attacks stay small too; the version before this had none.
_TRY = """
import json, resource, sys
from dataclasses import replace
from kapbench_leaderboard.submit import adapter_trial
if hasattr(adapter_trial, "LIMITS"):
    limits = replace(adapter_trial.LIMITS, memory_bytes=3 << 29, file_bytes=1 << 26, n_threads=60)
    adapter_trial.LIMITS = limits
findings = adapter_trial.try_adapter(sys.argv[1], timeout_s=float(sys.argv[2]))
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("VERDICT", json.dumps({"findings": findings, "kib": most}))
"""


def cases(seed: int) -> Iterator[Case]:
    """An honest adapter, which passes, then one attack of each family in turn.

    Attacks on what this system does not guard against, which a trial says, are left out.
    """
    yield Case("control: an honest adapter", partial(_try, Attack("control", HONEST)))
    enforced = isolation().enforced
    by_family = [
        [Case(f"{family}: {attack.name}", partial(_try, attack)) for attack in attacks]
        for family, attacks in ATTACKS.items()
        if enforced.issuperset(_NEEDED.get(family, ()))
    ]
    for number, own in enumerate(by_family):
        random.Random(seed * 31 + number).shuffle(own)
    for row in itertools.zip_longest(*by_family):
        yield from (case for case in row if case is not None)


def _try(attack: Attack, folder: Path) -> str | None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        mark = f"{30 + time.time_ns() % 10**9 / 1e10:.10f}"  # seconds of sleep, unlike all others
        places = {
            "MARK": mark,
            "OUTSIDE": str(folder / "outside"),
            "PORT": str(server.getsockname()[1]),
        }
        code = attack.code
        for name, value in places.items():
            code = code.replace(name, value)
        (folder / "adapter.py").write_text(code)
        words = ["-c", _TRY, f"{folder / 'adapter.py'}:A", str(attack.seconds)]
        environment = {"GITHUB_TOKEN": _SECRET, "HF_TOKEN": _SECRET}
        outcome = python(words, folder, _SECONDS, environment=environment)
        wrong = _wrong(attack, outcome.output, outcome.errors, outcome.crash)
        if wrong is None and (folder / "outside").exists():
            wrong = "it wrote outside its folder"
        if wrong is None and (folder / "adapter.py").read_text() != code:
            wrong = "it changed its own file"
        with suppress(TimeoutError):
            server.accept()[0].close()
            wrong = wrong or "it reached the network"
    return _survivors(mark) or wrong


def _wrong(attack: Attack, output: str, errors: str, crash: str | None) -> str | None:
    if _SECRET in output + errors:
        return "a secret was printed"
    if crash is not None and "VERDICT" not in output:
        return crash
    lines = [line for line in output.splitlines() if line.startswith("VERDICT ")]
    if len(lines) != 1:
        return f"no verdict: {(output + errors)[-300:]}"
    verdict = json.loads(lines[0].removeprefix("VERDICT "))
    is_honest = attack.code == HONEST
    if bool(verdict["findings"]) == is_honest:
        return f"it has {'not ' if is_honest else ''}passed: {verdict['findings']}"[:500]
    if mistake := mistake_of_case(str(verdict["findings"])):
        return mistake
    if verdict["kib"] > _MOST_KIB:
        return f"it had {verdict['kib'] / 2**20:.1f} GiB in memory"
    return "it printed without limit" if len(output) > _MOST_OUTPUT else None


def _survivors(mark: str) -> str | None:
    """Processes of the adapter that are still there; they end by themselves in half a minute."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                return "a process of it is still there"
    return None
