"""Isolated models that look for the annotations, or that misbehave in their process.

One that looks must not score better than noise; one that misbehaves fails its run. Against a
version without isolation the same models run in the evaluator's process.
"""

import atexit
import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from campaign.case import Case, Outcome, command
from kapbench.running.results import RunCard, find_runs, load_card

NAME, SHORT, FULL = "peeking models", 1, 40
HERE = Path(__file__).parent
DATA = ("--dataset", "synthetic.small", "--category", "car", "--rule", "kap-v1")
MARGIN = 0.10  # of KAP: noise of another seed differs by less
SECONDS = "20"  # the most for one answer of a model that misbehaves
MOST_SECONDS = 240.0  # of a command, on a machine that does other work as well

# How a model looks, and the protection without which the system does not keep it from seeing.
LOOKS = {
    "stack": "process",
    "files": "files",
    "parent_memory": "processes",
    "image_ids": "process",
    "escape": "files",
    "garbage": "process",
    "folder_of_command": "files",
    "ptrace": "processes",
    "environment": "files",
    "records": "files",
    "descriptors": "process",
}
ACTS = (
    "leave",
    "garble",
    "wait",
    "die",
    "leave_politely",
    "announce_much",
    "nest",
    "close",
    "leave_a_daemon",
    "fail",
)
AT_LOADING = ("leave", "wait", "fail")


@dataclass(frozen=True, slots=True)
class World:
    """What an evaluator's machine holds: the data set, and a finished run of noise."""

    cache: Path
    runs: Path
    noise: float  # KAP
    carried: str  # annotations by image_id, as JSON
    known_x: str  # of an annotation that has a y, reversed hexadecimal digits


def cases(seed: int) -> Iterator[Case]:
    """First one of each family and a control; then all others in an order that the seed decides."""
    looks = [(look, kind) for kind in ("Pairs", "Maps") for look in LOOKS]
    acts = [(act, "match") for act in ACTS] + [(act, "load") for act in AT_LOADING]
    first = [peeking("files", "Pairs"), misbehaving(*acts[0]), control("files")]
    rest = [peeking(*look) for look in looks if look != ("files", "Pairs")]
    rest += [misbehaving(*act) for act in acts[1:]]
    rest += [control(look) for look in ("stack", "parent_memory", "image_ids", "records")]
    random.Random(seed).shuffle(rest)
    yield from (*first, *rest)


def control(look: str, kind: str = "Pairs") -> Case:
    return Case(f"control: {look} without isolation, {kind}", partial(_check_control, look, kind))


def peeking(look: str, kind: str) -> Case:
    return Case(f"{look}, {kind}", partial(_check_peeking, look, kind))


def misbehaving(act: str, when: str) -> Case:
    return Case(f"{act}, at {when}", partial(_check_misbehaving, act, when))


def _check_peeking(look: str, kind: str, folder: Path) -> str | None:
    world = make_world()
    outcome, card = _run_peeking(world, look, kind, isolated(), folder)
    if card is None:
        return outcome.crash or f"it failed: {outcome.errors[-500:]}"
    kept = getattr(card.provenance, "isolated", ())
    if isolated() and LOOKS[look] not in kept:
        return None  # this system does not offer it, and the run card says so
    if (kap := kap_of(card)) > world.noise + MARGIN:
        return f"KAP {kap:.3f}, and {world.noise:.3f} of noise; kept from {', '.join(kept)}"
    return None


def _check_control(look: str, kind: str, folder: Path) -> str | None:
    """In the evaluator's own process the same model sees the annotations, or says that it does."""
    world = make_world()
    outcome, card = _run_peeking(world, look, kind, (), folder)
    if card is None:
        return None if "an annotation was read" in outcome.errors else f"it failed: {outcome}"
    kap = kap_of(card)
    return None if kap > world.noise + MARGIN else f"it saw nothing: KAP {kap:.3f}"


def _run_peeking(
    world: World, look: str, kind: str, options: Sequence[str], folder: Path
) -> tuple[Outcome, RunCard | None]:
    """A run of the model; its card, or None where it failed."""
    adapter = "\n\n".join((HERE / name).read_text("utf-8") for name in ("looks.py", "answers.py"))
    adapter = adapter.replace("@LOOK_FOR@", world.known_x).replace(
        '"@CARRIED@"', repr(world.carried)
    )
    (folder / "adapter.py").write_text(adapter, encoding="utf-8")
    shutil.copytree(world.runs, folder / "runs")
    before = set(find_runs(folder / "runs"))
    model = ("--model", f"adapter.py:{kind}", "-o", f"look={look}")
    words = ("run", *options, *model, *DATA, "--no-control", "-q")
    outcome = _command(words, folder, world.cache)
    if outcome.crash is not None or outcome.status != 0:
        return outcome, None
    (made,) = set(find_runs(folder / "runs")) - before
    return outcome, load_card(made)


def _check_misbehaving(act: str, when: str, folder: Path) -> str | None:
    shutil.copy(HERE / "misbehaving.py", folder / "adapter.py")
    model = ("--model", "adapter.py:Model", "-o", f"act={act}", "-o", f"when={when}")
    limit = ("--model-seconds", SECONDS) if isolated() else ()
    words = ("run", *isolated(), *limit, *model, *DATA, "--no-control", "-q")
    outcome = _command(words, folder, make_world().cache)
    if outcome.crash is not None:
        return outcome.crash
    if find_runs(folder):
        return "there is a finished run"
    if outcome.status != 1 or "Error: " not in outcome.errors:
        return f"status {outcome.status}: {outcome.errors[-300:]}"
    if not all(line.isprintable() for line in outcome.errors.splitlines()):
        return f"text that steers a terminal: {outcome.errors!r}"
    return None


@cache
def isolated() -> tuple[str, ...]:
    """The option of this version; empty where it has none."""
    with tempfile.TemporaryDirectory() as name:
        page = command(("run", "--help"), Path(name)).output
    return ("--isolated",) if "--isolated" in page else ()


@cache
def make_world() -> World:
    """Rendered and scored once for all cases of a process."""
    root = Path(tempfile.mkdtemp(prefix="kapbench-stress-world-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    outcome = _command(("run", "--model", "random", *DATA, "-q"), root, root / "cache")
    assert outcome.status == 0, outcome.errors
    (annotations,) = (root / "cache").glob("synthetic/*/annotations.json")
    images = json.loads(annotations.read_text(encoding="utf-8"))["images"]
    by_id = {i["image_id"]: [p or [np.nan] * 2 for p in i["keypoints"]] for i in images}
    x = next(p[0] for i in images if i["category"] == "car" for p in i["keypoints"] if p)
    (run,) = find_runs(root / "runs")
    known_x = np.float64(x).tobytes()[::-1].hex()
    return World(root / "cache", root / "runs", kap_of(load_card(run)), json.dumps(by_id), known_x)


def _command(words: Sequence[str], folder: Path, cache_folder: Path) -> Outcome:
    place = {"KAPBENCH_CACHE": str(cache_folder)}
    return command(words, folder, seconds=MOST_SECONDS, environment=place)


def kap_of(card: RunCard) -> float:
    score = card.headline(card.rules[0], 0.10)
    assert score is not None
    return score.value
