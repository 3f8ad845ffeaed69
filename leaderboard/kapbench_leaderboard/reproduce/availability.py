"""What of a repetition is on this machine: the model, its weights, the rules and the data."""

import os
import sys
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset
from kapbench.registry import names
from kapbench.scoring.rules import is_shipped
from kapbench_leaderboard.entries.schema import adapter_spec
from kapbench_leaderboard.published.load import Repeatable
from kapbench_leaderboard.reproduce.targets import EntryTarget, Target
from kapbench_leaderboard.reproduce.trained_weights import needs_weights

READY = "ready"


class Availability:
    """Looks at each data set once. Nothing is downloaded, rendered or computed."""

    def __init__(self, data_root: Path | None = None) -> None:
        self._data_root = data_root
        self._data: dict[tuple[str, str], str] = {}

    def of(self, target: Target) -> str:
        """`ready`, with what is incomplete, or what is missing, in a few words."""
        if isinstance(target, EntryTarget):
            run = target.entry.run
            missing = _model_of_entry(target)
            data = self._state(run.dataset.name, run.dataset.split)
        else:
            missing = _model_of_row(target)
            data = self._state(target.measure.dataset, target.measure.split)
            if data.endswith("categories") and not target.row.categories:
                missing.append(f"only {data}")  # the source prints averages over all
        if data.startswith("no "):
            missing.append(data)
        if missing:
            return ", ".join(missing)
        return READY if data == READY else f"{READY}: {data}"

    def _state(self, name: str, split: str) -> str:
        if (name, split) not in self._data:
            self._data[name, split] = _state_of_data(name, split, self._data_root)
        return self._data[name, split]


def _state_of_data(name: str, split: str, root: Path | None) -> str:
    arguments: dict[str, Any] = {"split": split, "data_root": root, "build": False}
    try:
        coverage = load_dataset(name, **arguments).coverage
    except KapbenchError as error:
        if _renders(error):
            return "renders its images"
        known = not error.thing.startswith("Unknown")
        return "no data" if known else f"no data set {name} in this kapbench"
    if coverage.complete:
        return READY
    n, every = len(coverage.categories), len(coverage.categories_expected)
    if n < every:
        return f"{n} of {every} categories"
    return f"{coverage.n_pairs:,} of {coverage.n_pairs_expected:,} pairs"


def _renders(error: KapbenchError) -> bool:
    """Whether a data set is not here because it renders its images when it is first used."""
    module = sys.modules.get(
        "kapbench.datasets.synthetic.rendered_split"
    )  # takes a second to import
    return module is not None and isinstance(error, module.NotRenderedError)


def _model_of_row(row: Repeatable) -> list[str]:
    parts = row.parts
    missing = [] if _is_installed(parts.model) else [f"no model {parts.model}"]
    rules = {way.rule for way in row.measure.ways if not is_shipped(way.rule)}
    missing += [f"no rule {name}" for name in sorted(rules)]
    if parts.needs:
        missing.append("no weights: " + ", ".join(f"-o {need}=FILE" for need in parts.needs))
    elif parts.hub is not None and not in_hub_cache(parts.hub):
        missing.append("no weights")
    return missing


def _is_installed(name: str) -> bool:
    """Whether a model, or one that it is composed with, is registered; nothing is imported."""
    known, parts = {*names("models")}, name.split(".")
    heads = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    prefixed = name.partition(":")[0] + ":"
    return any(head in known or f"{head}." in known for head in heads) or prefixed in known


def _model_of_entry(target: EntryTarget) -> list[str]:
    """An entry's model is installed, or came with it; its own weights are known from its command."""
    if adapter_spec(target.path, target.entry) is None:
        name = target.entry.run.model.name
        if not _is_installed(name):
            return [f"no model {name}"]
    return ["no weights: --weights FILE"] if needs_weights(target) else []


def in_hub_cache(repository: str) -> bool:
    """Whether the hub's cache holds a snapshot of a repository; nothing is imported or asked."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    snapshots = folder / f"models--{repository.replace('/', '--')}" / "snapshots"
    return snapshots.is_dir() and any(snapshots.iterdir())
