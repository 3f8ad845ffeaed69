"""Finished runs that a user names: by folder, by a folder above them, or by model."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kapbench import registry
from kapbench.cli.options import refuse_missing, shown_path
from kapbench.cli.run_filter import (
    EVERY_RUN,
    RunFilter,
    lies_under_model,
    note_left_out,
    read_cards,
)
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

    Runs = dict[Path, RunCard]


def named_runs(
    names: Sequence[str],
    root: Path,
    entries: "Callable[[Path], Runs] | None" = None,
    only: RunFilter = EVERY_RUN,
) -> "Runs":
    """Run cards by folder: of run folders, folders of runs, names of models, or labels; no name: all.

    Args:
        root: Folder below which runs are looked for by the name of their model or by their label.
        entries: Reads an entry of a leaderboard, or a folder that holds entries instead of runs.

    Raises:
        KapbenchError: a name without a finished run, or no finished run at all.
    """
    refuse_missing(root, "runs_root")
    below, unreadable = _runs_below(root)
    if not names:
        for error in unreadable.values():
            note_left_out(error)
        if not below:
            raise KapbenchError(
                "There are no finished runs",
                place=root.resolve(),
                fix="Make one with `kapbench run`, or name another folder with --runs",
            )
        return only.of(below)
    selected: Runs = {}
    for name in dict.fromkeys(names):
        for folder, error in unreadable.items():
            if lies_under_model(folder, name):
                note_left_out(error)
        matching = {f: c for f, c in below.items() if name in (c.model.name, c.label)}
        matching = only.of_name(name, matching)
        matching = matching or _runs_in(Path(name)) or _over_one_backbone(name, below)
        if not matching and entries is not None and Path(name).exists():
            matching = entries(Path(name))
        if not matching:
            known = [n for c in below.values() for n in (c.model.name, c.label) if n is not None]
            datasets = {only.dataset} if only.dataset else {c.dataset.name for c in below.values()}
            raise _no_run(name, known, root, datasets.pop() if len(datasets) == 1 else None)
        selected |= matching
    return only.of(selected)


def one_run(name: str, root: Path, only: RunFilter = EVERY_RUN) -> "tuple[Path, RunCard]":
    """The one run of a name. Raises KapbenchError: as `named_runs`, or several runs have it."""
    runs = named_runs([name], root, only=only)
    if len(runs) > 1:
        folders = [shown_path(folder) for folder in runs]
        raise KapbenchError(
            f"'{name}' names {len(runs)} runs, and one is needed",
            place=", ".join(folders[:5]) + (", ..." if len(folders) > 5 else ""),
            fix=_how_to_choose(list(runs.values())),
        )
    return next(iter(runs.items()))


def _how_to_choose(cards: "Sequence[RunCard]") -> str:
    """Names of data sets where each has one run; folders where several runs are on one data set."""
    names = [(card.dataset.name, card.dataset.split) for card in cards]
    splits_of = {name: {split for other, split in names if other == name} for name, _ in names}
    spelled = [name if len(splits_of[name]) == 1 else f"{name}.{split}" for name, split in names]
    alone = sorted({name for name in spelled if spelled.count(name) == 1})
    several = sorted({name for name in spelled if spelled.count(name) > 1})
    options = " or ".join(f"--dataset {name}" for name in alone)
    if not several:
        return f"Give {options}, or the folder of one of them"
    revisions = {(card.dataset.name, card.dataset.revision) for card in cards}
    of = f"of the runs on {', '.join(several)}"
    if len({card.dataset.categories for card in cards}) > len(splits_of):
        of += ", which differ in their categories: --category NAME chooses among them"
    if len(revisions) > len(splits_of):
        of += ", of which --dataset does not tell revisions apart"
    return (
        f"Give {options}, or the folder of one {of}" if options else f"Give the folder of one {of}"
    )


def random_runs(runs: "Runs", root: Path) -> "list[RunCard]":
    """Runs of the control `random` below `root`, and beside the runs and entries of `runs`.

    Beside a run: in the folder of its data set. Beside an entry: among the data set's entries.
    """
    from kapbench.running.results import find_runs, load_card
    from kapbench_leaderboard.comparison.controls import is_control
    from kapbench_leaderboard.entries.schema import find_entries, load_entry

    entries = {path.parent.parent for path in runs if path.suffix == ".json"}
    # Runs lie in DATA@REVISION/MODEL@REVISION/RULES/PLAN.
    folders = {p.parents[2] for p in runs if len(p.parts) > 3 and "@" in p.parents[2].name}
    cards = []
    for place in sorted({root.resolve(), *folders}):
        for folder in find_runs(place):
            if any(part.startswith("random@") for part in folder.relative_to(place).parts):
                with suppress(KapbenchError):  # a control that cannot be read has no score to show
                    cards.append(load_card(folder))
    for place in sorted(entries):
        for path in find_entries(place / "random"):
            with suppress(KapbenchError):
                cards.append(load_entry(path).run)
    return [card for card in cards if card.model.name == "random" and is_control(card)]


def _runs_below(root: Path) -> "tuple[Runs, dict[Path, KapbenchError]]":
    """Run cards by folder, and why each other run cannot be read."""
    from kapbench.running.results import find_runs, load_card

    cards: Runs = {}
    unreadable: dict[Path, KapbenchError] = {}
    for folder in find_runs(root):
        try:
            cards[folder.resolve()] = load_card(folder)
        except KapbenchError as error:
            unreadable[folder] = error
    return cards, unreadable


def _runs_in(path: Path) -> "Runs":
    """The run of a run folder, or the runs below a folder; those that cannot be read are noted.

    Raises:
        KapbenchError: the one run cannot be read.
    """
    from kapbench.running.results import find_runs, load_card

    folders = [folder.resolve() for folder in find_runs(path)]
    if folders == [path.resolve()]:
        return {folders[0]: load_card(folders[0])}
    return read_cards(folders)


def _over_one_backbone(name: str, runs: "Runs") -> "Runs":
    """Runs of the one model whose name continues this one: `sphere` made `sphere.lite0`."""
    continued = {f: c for f, c in runs.items() if c.model.name.startswith(f"{name}.")}
    return continued if len({card.model.name for card in continued.values()}) == 1 else {}


def _holds_entries(path: Path) -> bool:
    from kapbench_leaderboard.entries.schema import find_entries, resamples_path

    entries = find_entries(path) if path.is_dir() else [path] if path.suffix == ".json" else []
    return any(resamples_path(entry).exists() for entry in entries)


def _no_run(name: str, models: Sequence[str], root: Path, dataset: str | None) -> KapbenchError:
    """`dataset`: the one that the user works on, where that is known."""
    from kapbench.errors import nearest, unknown

    path = Path(name)
    if path.exists():
        return _no_run_in(path, name)
    if ".py:" in name and models:
        return KapbenchError(
            f"There is no finished run of '{name}': a run is found by the name of its model",
            place=root.resolve(),
            fix=f"Give one of {', '.join(sorted(set(models)))}",
        )
    if "/" in name or (path.suffix and not nearest(name, list(models))):
        return KapbenchError(
            "This path does not exist", place=name, fix="Correct the path, or name a model"
        )
    if name not in registry.names("models") and models:
        return unknown("run", name, set(models), place=root.resolve())
    fix = "Make one with `kapbench run`, or name another folder with --runs"
    if name in registry.names("models"):
        fix = f"Score it first: kapbench run --model {name} --dataset {dataset or 'NAME'}"
    any_other = "" if models else ", or of any other model,"
    return KapbenchError(
        f"There is no finished run of '{name}'{any_other} in the folder of runs",
        place=root.resolve(),
        fix=fix,
    )


def _no_run_in(path: Path, name: str) -> KapbenchError:
    if _holds_entries(path):
        what = (
            "folder holds leaderboard entries" if path.is_dir() else "file is a leaderboard entry"
        )
        return KapbenchError(
            f"This {what}; `show` needs a run folder",
            place=name,
            fix="Use `kapbench compare`, which reads entries",
        )
    repeat = ", or repeat an interrupted command" if path.is_dir() and any(path.iterdir()) else ""
    return KapbenchError(
        f"There is no finished run in this {'folder' if path.is_dir() else 'file'}",
        place=name,
        fix=f"Make a run with `kapbench run`{repeat}",
    )
