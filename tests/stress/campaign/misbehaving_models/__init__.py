"""Models that misbehave: `kapbench run` gives the score of the twin that behaves, or an error."""

import atexit
import json
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dots

from campaign.case import PYTHON, Case, Outcome, mistake_of_case
from campaign.misbehaving_models.attack import TWINS, Attack
from campaign.misbehaving_models.families import FAMILIES

NAME, SHORT, FULL = "misbehaving models", 8, 420
SECONDS = 90.0
HERE = Path(__file__).parent


def cases(seed: int) -> Iterator[Case]:
    """One attack of every family in turn, until none is left."""
    order = random.Random(seed)
    waiting = [list(family) for family in FAMILIES.values()]
    for family in waiting:
        order.shuffle(family)
    try:
        while any(waiting):
            for attack in [family.pop() for family in waiting if family]:
                yield Case(attack.name, partial(_check, attack))
    finally:
        if _server.cache_info().currsize:
            _end(_server())
            _server.cache_clear()


def _check(attack: Attack, folder: Path) -> str | None:
    expected, outcome = _scores_of_twin(attack.twin), _score(attack.code, attack.words, folder)
    if outcome.crash is not None:
        return outcome.crash
    cards = list(folder.rglob("run.json"))
    if outcome.status:
        return _wrong_failure(attack, outcome, bool(cards))
    if attack.must_fail:
        return "status 0, although the model did what ends a run"
    if len(cards) != 1:
        return f"status 0 with {len(cards)} finished runs"
    scores = _scores(cards[0])
    off = [
        f"{name} is {scores.get(name)}, not {value}"
        for name, value in expected.items()
        if not _equal(scores.get(name), value, attack.tolerance)
    ]
    return f"status 0 with wrong scores: {off[:3]}" if off else None


def _wrong_failure(attack: Attack, outcome: Outcome, has_card: bool) -> str | None:
    if attack.must_score:
        return f"status {outcome.status}: {outcome.errors[-300:]}"
    if has_card:
        return f"status {outcome.status}, although a finished run was written"
    # The model has closed the place of the message, or the command was stopped like by Ctrl-C.
    if attack.silent or outcome.status in (130, 143):
        return None
    errors = outcome.errors + outcome.output
    if mistake := mistake_of_case(errors):
        return mistake
    if not any(word in errors for word in ("twin", "model.py", "world.py")):
        return f"status {outcome.status}, and the error names no model: {errors[-300:]!r}"
    if any(ord(c) < 32 and c not in "\n\t\r" for c in outcome.errors):
        return "the error holds control characters"
    if len(outcome.errors) > 20_000:
        return f"the error has {len(outcome.errors):,} characters"
    return None


def _equal(score: float | None, expected: float | None, tolerance: float) -> bool:
    if score is None or expected is None:
        return score is expected
    return abs(score - expected) <= tolerance


@cache
def _scores_of_twin(twin: str) -> dict[str, float | None]:
    with TemporaryDirectory(prefix="kapbench-stress-") as name:
        outcome = _score(TWINS[twin], (), Path(name))
        if outcome.status:
            raise RuntimeError(f"the twin fails: {outcome}")
        (card,) = Path(name).rglob("run.json")
        return _scores(card)


def _scores(card: Path) -> dict[str, float | None]:
    scores = json.loads(card.read_text())["scores"]
    named = [json.dumps({k: v for k, v in s.items() if isinstance(v, str)}) for s in scores]
    alphas = [s.get("alpha") for s in scores]
    return {f"{n} {a}": s["value"] for n, a, s in zip(named, alphas, scores, strict=True)}


def _score(code: str, words: Sequence[str], folder: Path) -> Outcome:
    shutil.copy(dots.__file__, folder / "dots.py")
    shutil.copy(HERE / "world.py", folder / "world.py")
    (folder / "model.py").write_text(code)
    spoken = ["run", "--model", "model.py:Model", "--dataset", "world.py:Kept", "--no-control"]
    spoken += ["--rule", "kap-v1", "--device", "cpu", "--batch-size", "2"]
    work = {"folder": str(folder), "words": [*spoken, *words], "seconds": SECONDS}
    server = _server()
    server.stdin.write(json.dumps(work) + "\n")
    server.stdin.flush()
    status = json.loads(server.stdout.readline())["status"]
    texts = [folder / name for name in ("output", "errors")]
    read = [p.read_bytes().decode(errors="replace") if p.exists() else "" for p in texts]
    return Outcome(status, *read)


@cache
def _server() -> subprocess.Popen:
    """One for all cases, at the latest until this process ends."""
    server = subprocess.Popen(
        [PYTHON, str(HERE / "fork_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen) -> None:
    """Its input ends, at which it does, and is waited for; again, that is nothing."""
    with server:
        pass
