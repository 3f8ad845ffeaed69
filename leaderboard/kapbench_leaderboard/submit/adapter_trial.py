"""An adapter against its contract, in a separate process, because the code is not trusted.

What it prints and how it ends decide nothing. It is tried twice: in a process that runs the contract
beside the adapter's code, where nothing is lost on the way, and by the answers of a process that runs
the adapter's code alone, which can forge no verdict. Both must find nothing.
"""

import json
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapbench.errors import KapbenchError
from kapbench.processes.jail.command import GIBI, Limits, isolation, jail_environment
from kapbench.processes.jail.protections import EXCEEDED
from kapbench.processes.jail.run import Ended, run_jailed
from kapbench.processes.unfinished import temporary_folder

if TYPE_CHECKING:
    from kapbench.running.results import ModelCard

TIMEOUT_S = 300.0
LIMITS = Limits(cpu_seconds=600, memory_bytes=8 * GIBI, address_bytes=64 * GIBI, n_threads=256)
# -P: the folder that it is started in is no place for modules.
_COMMAND = (sys.executable, "-u", "-P", "-m", "kapbench_leaderboard.submit.adapter_trial")
_SIGNAL = 128
_REASON = re.compile(rb"\nThe process was ended because (.+)\.\n")
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
    path, colon, name = spec.rpartition(":")
    if colon and Path(path).is_file():
        spec = f"{Path(path).absolute()}:{name}"
    findings = _by_own_account(spec, model, dataset, timeout_s)
    return findings or _by_its_answers(spec, model, dataset, timeout_s)


def _by_own_account(
    spec: str, model: "ModelCard | None", dataset: str | None, timeout_s: float
) -> list[str]:
    """What a process finds that runs the adapter's code, which can make it find nothing."""
    token = secrets.token_hex(16)
    task = {
        "token": token,
        "spec": spec,
        "dataset": dataset,
        "model": None if model is None else model.model_dump(mode="json"),
    }
    with temporary_folder() as place:
        ended = run_jailed(
            _COMMAND,
            place,
            replace(LIMITS, seconds=timeout_s),
            text=json.dumps(task).encode(),
            environment=jail_environment(place) | _weights(),
        )
    findings = _read_verdict(ended.output, token)
    if findings is None:
        findings = [f"The trial ended without a result: {_ending(ended)}."]
    return [*findings, *_last_lines(ended.errors)] if findings else []


def _by_its_answers(
    spec: str, model: "ModelCard | None", dataset: str | None, timeout_s: float
) -> list[str]:
    """What this process finds in the answers of another one, where alone the adapter's code runs."""
    from kapbench.isolated.load import load_isolated
    from kapbench.models.contract import broken
    from kapbench.running.run_card import model_card

    try:
        isolated = load_isolated(
            spec,
            device="cpu",
            dataset=dataset,
            options={} if model is None else dict(model.options),
            seconds=timeout_s,
            limits=replace(LIMITS, seconds=timeout_s),
        )
    except KapbenchError as error:
        return [str(error)]
    try:
        findings = broken(isolated)
        if model is None or findings:
            return findings
        return _differences(model_card(isolated), model)
    finally:
        isolated.process.close()


def not_isolated() -> list[str]:
    """What this system does not guard against while an adapter is tried, in sentences."""
    return isolation(network=LIMITS.network).missing


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


def _weights() -> dict[str, str]:
    """Where weights lie that were downloaded before: there is no network to download any."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    hub = os.environ.get("HF_HUB_CACHE") or str(home / "hub")
    torch_home = os.environ.get("TORCH_HOME") or str(Path("~/.cache/torch").expanduser())
    return {"HF_HUB_CACHE": hub, "TORCH_HOME": torch_home, "HF_HUB_OFFLINE": "1"}


def _ending(ended: Ended) -> str:
    """How the process of a trial ended, in words. It may have written these words itself."""
    reasons = _REASON.findall(ended.errors)
    if ended.status == EXCEEDED and reasons:
        return str(reasons[-1].decode(errors="replace"))
    if ended.status > _SIGNAL:
        return f"its process was ended by signal {ended.status - _SIGNAL}"
    return f"its process ended with status {ended.status}"


def _read_verdict(output: bytes, token: str) -> list[str] | None:
    try:
        content = json.loads(output[:MOST_BYTES])
        genuine = secrets.compare_digest(str(content["token"]).encode(), token.encode())
        return [str(line) for line in content["findings"]] if genuine else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _last_lines(errors: bytes) -> list[str]:
    text = _REASON.sub(b"\n", errors)[-MOST_BYTES // 16 :].decode(errors="replace")
    lines = text.strip().splitlines()[-MOST_LINES:]
    return ["The last lines that it printed:\n" + "\n".join(lines)] if lines else []


def _child() -> None:
    verdict = os.dup(1)
    os.dup2(2, 1)  # what the adapter prints is no verdict
    task = json.load(sys.stdin)
    findings = _test(task["spec"], task["model"], task["dataset"])
    shortened = [line[:2000] for line in findings][:10]
    os.write(verdict, json.dumps({"token": task["token"], "findings": shortened}).encode())


def _test(spec: str, run_model: dict[str, Any] | None, dataset: str | None) -> list[str]:
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
        return _differences(model_card(model), submitted)
    except KapbenchError as error:
        return [str(error)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an adapter raises is the finding
        return [f"The model cannot be made: {type(error).__name__}: {error}"]


def _differences(tested: "ModelCard", submitted: "ModelCard") -> list[str]:
    """Where the model that was tried declares something else than that of the run."""
    from kapbench.identity.model_identity import is_same_revision

    # By way of JSON, as the run's was: a tuple among the options is a list there.
    of_adapter = type(tested).model_validate_json(tested.model_dump_json()).model_dump()
    of_entry = submitted.model_dump()
    if is_same_revision(submitted.revision, tested.revision):
        of_adapter["revision"] = submitted.revision
    return [
        f"{name} is {value!r}, but the entry has {of_entry[name]!r}."
        for name, value in of_adapter.items()
        if value != of_entry[name]
    ]


if __name__ == "__main__":
    _child()
