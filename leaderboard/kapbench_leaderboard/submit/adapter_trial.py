"""An adapter against its contract, in a process of its own: its code is a stranger's.

What it prints, and how it ends, says nothing: only a verdict that bears the parent's token does.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import ModelCard

TIMEOUT_S = 300.0
MOST_BYTES, MOST_LINES = 2**16, 20


def tried(
    spec: str, model: "ModelCard | None" = None, dataset: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> list[str]:  # fmt: skip
    """What an adapter breaks, or is other than its run says, in words; empty: nothing.

    Args:
        model: What the run says of it; None: it came without a run.
        dataset: Name of the run's data set.
    """
    with TemporaryDirectory(prefix="kapbench-") as folder:
        verdict, printed = Path(folder, "verdict"), Path(folder, "printed")
        token = secrets.token_hex(16)
        asked = {
            "token": token, "verdict": str(verdict), "spec": spec, "dataset": dataset,
            "model": None if model is None else model.model_dump(mode="json"),
        }  # fmt: skip
        with printed.open("xb") as output:
            how = _ended(json.dumps(asked).encode(), output, timeout_s)
        found = _read(verdict, token)
        if found is None:
            found = [f"no verdict: {how}"]
        return [*found, *_last(printed)] if found else []


def _ended(asked: bytes, output: IO[bytes], timeout_s: float) -> str:
    """Runs the child; how it ended, in words."""
    # -P: the folder that it is started in is the submission's, and no place for modules.
    command = [sys.executable, "-P", "-m", "kapbench_leaderboard.submit.adapter_trial"]
    try:
        # To a file: a pipe would be waited for as long as any process of the adapter holds it.
        done = subprocess.run(  # noqa: S603
            command, input=asked, stdout=output, stderr=subprocess.STDOUT,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {timeout_s:g} s"
    return f"its process ended with status {done.returncode}"


def _read(verdict: Path, token: str) -> list[str] | None:
    try:
        with verdict.open("rb") as file:
            said = json.loads(file.read(MOST_BYTES))
        genuine = secrets.compare_digest(str(said["token"]).encode(), token.encode())
        return [str(line) for line in said["found"]] if genuine else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _last(printed: Path) -> list[str]:
    with printed.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BYTES // 16))
        text = file.read(MOST_BYTES // 16).decode(errors="replace")
    lines = text.strip().splitlines()[-MOST_LINES:]
    return ["it printed last:\n" + "\n".join(lines)] if lines else []


def _child() -> None:
    asked = json.load(sys.stdin)
    found = [line[:2000] for line in _broken(asked["spec"], asked["model"], asked["dataset"])][:10]
    Path(asked["verdict"]).write_text(json.dumps({"token": asked["token"], "found": found}))


def _broken(spec: str, said: dict[str, Any] | None, dataset: str | None) -> list[str]:
    from kapbench.loading import load_model
    from kapbench.models.contract import broken
    from kapbench.running.results import ModelCard
    from kapbench.running.run_card import model_card

    run = None if said is None else ModelCard.model_validate(said)
    options = {} if run is None else {"dataset": dataset, **run.options}
    try:
        model = load_model(spec, device="cpu", **options)
        found = broken(model)
        if run is None or found:
            return found
        # By way of JSON, as the run's was: a tuple among the options is a list there.
        mine = ModelCard.model_validate_json(model_card(model).model_dump_json())
    except KapbenchError as error:
        return [str(error)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an adapter raises is the finding
        return [f"it cannot be made: {type(error).__name__}: {error}"]
    fields = [f for f in ModelCard.model_fields if getattr(mine, f) != getattr(run, f)]
    return [f"{f} is {getattr(mine, f)!r}, the entry's {getattr(run, f)!r}" for f in fields]


if __name__ == "__main__":
    _child()
