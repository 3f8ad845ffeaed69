"""An adapter against its contract, in a separate process, because the code is not trusted.

What it prints and how it ends decide nothing: only a verdict with the parent's token does.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import ModelCard

TIMEOUT_S = 300.0
MOST_BYTES, MOST_LINES = 2**16, 20


def try_adapter(
    spec: str,
    model: "ModelCard | None" = None,
    dataset: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> list[str]:
    """What an adapter breaks of its contract, or where it differs from its run; empty: nothing.

    Args:
        model: The run card's part on the model; None: the adapter came without a run.
        dataset: Name of the run's data set.
    """
    with TemporaryDirectory(prefix="kapbench-") as folder:
        verdict, printed = Path(folder, "verdict"), Path(folder, "printed")
        token = secrets.token_hex(16)
        task = {
            "token": token,
            "verdict": str(verdict),
            "spec": spec,
            "dataset": dataset,
            "model": None if model is None else model.model_dump(mode="json"),
        }
        with printed.open("xb") as output:
            ending = _run_child(json.dumps(task).encode(), output, timeout_s)
        findings = _read_verdict(verdict, token)
        if findings is None:
            findings = [f"The test gave no verdict: {ending}."]
        return [*findings, *_last_lines(printed)] if findings else []


def refuse_other_model(
    spec: str, model: "ModelCard", dataset: str, options: Mapping[str, Any]
) -> None:
    """Makes the model of an adapter in this process, to compare it with the model of a run.

    Args:
        options: Options of the model beyond those that its run card names, e.g. weights.

    Raises:
        KapbenchError: the model cannot be made, or has another name or revision than that of the run.
    """
    from kapbench.identity.model_identity import is_same_revision
    from kapbench.loading import load_model

    made = load_model(spec, device="cpu", dataset=dataset, **{**model.options, **options})
    if made.name == model.name and is_same_revision(model.revision, made.revision):
        return
    raise KapbenchError(
        f"The adapter makes the model {made.name} of revision {made.revision}, but the run used "
        f"{model.name} of revision {model.revision}",
        place=spec,
        fix="Give the file that the run was made with, or run the model again and submit that run",
    )


def _run_child(task: bytes, output: IO[bytes], timeout_s: float) -> str:
    """How the child ended, in words."""
    # -P: the folder that it is started in is the submission's, and no place for modules.
    command = [sys.executable, "-P", "-m", "kapbench_leaderboard.submit.adapter_trial"]
    try:
        # To a file: a pipe would be waited for as long as any process of the adapter holds it.
        done = subprocess.run(  # noqa: S603
            command,
            input=task,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not finished after {timeout_s:g} s"
    return f"its process ended with status {done.returncode}"


def _read_verdict(verdict: Path, token: str) -> list[str] | None:
    try:
        with verdict.open("rb") as file:
            content = json.loads(file.read(MOST_BYTES))
        genuine = secrets.compare_digest(str(content["token"]).encode(), token.encode())
        return [str(line) for line in content["findings"]] if genuine else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _last_lines(printed: Path) -> list[str]:
    with printed.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BYTES // 16))
        text = file.read(MOST_BYTES // 16).decode(errors="replace")
    lines = text.strip().splitlines()[-MOST_LINES:]
    return ["The last lines that it printed:\n" + "\n".join(lines)] if lines else []


def _child() -> None:
    task = json.load(sys.stdin)
    findings = _test(task["spec"], task["model"], task["dataset"])
    shortened = [line[:2000] for line in findings][:10]
    Path(task["verdict"]).write_text(json.dumps({"token": task["token"], "findings": shortened}))


def _test(spec: str, run_model: dict[str, Any] | None, dataset: str | None) -> list[str]:
    from kapbench.identity.model_identity import is_same_revision
    from kapbench.loading import load_model
    from kapbench.models.contract import broken
    from kapbench.running.results import ModelCard
    from kapbench.running.run_card import model_card

    submitted = None if run_model is None else ModelCard.model_validate(run_model)
    options = {} if submitted is None else {"dataset": dataset, **submitted.options}
    try:
        model = load_model(spec, device="cpu", **options)
        findings = broken(model)
        if submitted is None or findings:
            return findings
        # By way of JSON, as the run's was: a tuple among the options is a list there.
        tested = ModelCard.model_validate_json(model_card(model).model_dump_json())
    except KapbenchError as error:
        return [str(error)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an adapter raises is the finding
        return [f"The model cannot be made: {type(error).__name__}: {error}"]
    mine, theirs = tested.model_dump(), submitted.model_dump()
    if is_same_revision(submitted.revision, tested.revision):
        mine["revision"] = submitted.revision
    return [
        f"{name} is {mine[name]!r}, but the entry has {theirs[name]!r}."
        for name in mine
        if mine[name] != theirs[name]
    ]


if __name__ == "__main__":
    _child()
