"""A submission's model run again on some of its pairs, row against row.

A model whose code is not kapbench's own runs in a process of its own, without the annotations.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.identity.model_identity import is_same_revision
from kapbench.isolated.load import describe
from kapbench.isolated.models import IsolatedModel
from kapbench.isolated.places import files_in, folders_of
from kapbench.loading import load_dataset
from kapbench.processes.unfinished import temporary_folder
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model
from kapbench.registry import adapter_file
from kapbench.running.results import RunCard, load_card
from kapbench.scoring.part_groups import find_keypoints_in_use, members_visible_renumbered
from kapbench.scoring.rules import PckRule, Rule
from kapbench.scoring.schema import SINCE_5, TEXT
from kapbench.scoring.versions import SCORING_VERSION
from kapbench.types import Pair, View
from kapbench_leaderboard.comparison.scoring_versions import is_scored_alike
from kapbench_leaderboard.entries.schema import Entry, load_entry, records_path
from kapbench_leaderboard.entries.untrusted_files import RECORDS, read_records, refuse_unfit
from kapbench_leaderboard.submit.model_again import Choices, Typed, load_again

ACROSS_DEVICES = 1e-3
IN_PROCESS = "The model ran in kapbench's own process, where its code could read annotations."
OF_ALL_PAIRS = "group_visible_renumbered"  # the one column that depends on pairs not run again


class SomePairs:
    """Some pairs of a data set; everything else is as in the data set."""

    def __init__(self, whole: Dataset, pairs: Sequence[Pair]) -> None:
        self.whole, self.chosen = whole, list(pairs)

    def __getattr__(self, name: str) -> object:
        return getattr(self.whole, name)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        return [p for p in self.chosen if categories is None or p.category in categories]

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        views = {v.image_id: v for p in self.pairs(categories) for v in (p.source, p.target)}
        return [views[name] for name in sorted(views)]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """`differences`: the largest of each column that differs at all; `tolerance`: what may differ."""

    n_pairs: int
    n_rows: int
    tolerance: float
    differences: dict[str, float]
    how: str  # the model ran: with or without access to annotations, as sentences
    rules_left_out: tuple[str, ...] = ()  # scoring changed them since the run

    @property
    def agrees(self) -> bool:
        return all(gap <= self.tolerance for gap in self.differences.values())


def choose(pairs: Sequence[Pair], n: int, seed: str) -> list[Pair]:
    """At least `n` pairs, all of each target image: by hash of the seed, so nobody can prepare them.

    Whole targets, because a matrix product changes its last bits with its shape.
    """
    by_target: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_target.setdefault(pair.target.image_id, []).append(pair)
    ordered = sorted(by_target, key=lambda t: hashlib.sha256(f"{seed} {t}".encode()).digest())
    chosen: set[str] = set()
    for target in ordered:
        if len(chosen) >= n:
            break
        chosen |= {pair.pair_id for pair in by_target[target]}
    return [pair for pair in pairs if pair.pair_id in chosen]


def reproduce(
    path: Path,
    n: int,
    *,
    model: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    records: Path | None = None,
    options: Mapping[str, Any] | None = None,
    texts: Sequence[str] = (),
    typed: Typed | None = None,
    isolated: bool | None = None,
    progress: Progress | None = None,
) -> Reproduced:
    """Runs the model of an entry again on some pairs, and compares the rows.

    Args:
        path: The entry.
        n: Pairs to run again, at least.
        model: A model's name or FILE.py:Class; None: the adapter that came with the entry, else
            what is installed under the name of the run's model.
        options: Options of the model beyond those of the run, e.g. weights.
        texts: More options, KEY=VALUE as on the command line.
        typed: As of `Choices`.
        isolated: Run the model in a process of its own: see `load_isolated`. None: a model whose
            code is not kapbench's own.
        tolerance: Largest difference that agrees; None: 0 where both ran on a CPU, else 1e-3.

    Raises:
        KapbenchError: the model or data set is not here, or is of another revision.
    """
    entry = _entry_at(path)
    run, place = entry.run, records or records_path(path)
    refuse_unfit(place, RECORDS, entry.records)
    data = dataset_of(run, path, data_root)
    hidden = [*path.resolve().parents[:3], place.resolve().parent, *folders_of(data)]
    built = load_again(
        path,
        entry,
        Choices(model, device, options or {}, texts, typed, isolated),
        hidden + files_in([data_root]),
    )
    if not is_same_revision(run.model.revision, built.revision):
        raise _other_revision(
            "model",
            built.name,
            built.revision,
            run.model.revision,
            path,
            "Install the adapter and weights of the submission card's command: --model SPEC, "
            "-o weights=FILE",
        )
    every_pair = data.pairs(run.dataset.categories)
    pairs = choose(every_pair, n, run.plan_hash)
    rules = rules_to_compare(run, path)
    how = describe(built.protections) if isinstance(built, IsolatedModel) else IN_PROCESS
    again = _run_again(built, data, pairs, rules, device, _without(how, progress))
    again = _with_groups_of_all_pairs(again, pairs, every_pair, [run.rule(name) for name in rules])
    stored = read_records(place, run)
    if tolerance is None:
        tolerance = 0.0 if {device, run.provenance.device} == {"cpu"} else ACROSS_DEVICES
    left_out = tuple(rule.name for rule in run.rules if rule.name not in rules)
    gaps = differences(stored, again)
    return Reproduced(len(pairs), len(again), tolerance, gaps, how, left_out)


def _entry_at(path: Path) -> Entry:
    if path.is_dir():
        raise KapbenchError(
            "This is a folder, not an entry", place=path, fix="Give the .json of an entry"
        )
    return load_entry(path)


def _without(sentence: str, progress: Progress | None) -> Progress | None:
    """Progress that does not log a sentence, because the report has it."""
    if progress is None or progress.log is None:
        return progress
    log = progress.log

    def log_others(line: str) -> None:
        if line != sentence:
            log(line)

    return replace(progress, log=log_others)


def _run_again(
    model: Model,
    data: Dataset,
    pairs: Sequence[Pair],
    rules: Sequence[str],
    device: str,
    progress: Progress | None,
) -> pd.DataFrame:
    """Records of some pairs. Features that were kept are not used: another way to run made them."""
    with temporary_folder() as scratch:
        return evaluate(
            model,
            cast("Dataset", SomePairs(data, pairs)),
            rule=rules,
            runs=scratch / "runs",
            cache=scratch / "cache",
            device=device,
            progress=progress,
        ).records


def _with_groups_of_all_pairs(
    records: pd.DataFrame, pairs: Sequence[Pair], every_pair: Sequence[Pair], rules: Sequence[Rule]
) -> pd.DataFrame:
    """Records of some pairs, with the groups that all pairs of the run give; no model is needed.

    Without a rule that counts by these groups, the column is left out.

    Args:
        records: In the order of `pairs`.
    """
    subsets = {rule.subset for rule in rules if isinstance(rule, PckRule)}
    if "repeated-renumbered" not in subsets:
        return records.drop(columns=OF_ALL_PAIRS)
    in_use = find_keypoints_in_use(every_pair)
    members = np.concatenate([members_visible_renumbered(pair, in_use) for pair in pairs])
    return records.assign(**{OF_ALL_PAIRS: members})


def dataset_of(run: RunCard, path: Path, data_root: Path | None) -> Dataset:
    """The run's data set. KapbenchError where it is a file of code, or has another revision here."""
    if adapter_file("datasets", run.dataset.name) is not None:
        raise KapbenchError(
            f"The run's data set is a file of code: {run.dataset.name}",
            place=path,
            fix="Only a run on a data set that `kapbench list datasets` shows can be repeated",
        )
    data = load_dataset(run.dataset.name, split=run.dataset.split, data_root=data_root)
    if data.revision != run.dataset.revision:
        raise _other_revision(
            "data set",
            data.name,
            data.revision,
            run.dataset.revision,
            path,
            "Use the copy of the data set that the run was made on",
        )
    return data


def image_sizes(
    folder: Path, data_root: Path | None, progress: Progress
) -> dict[str, tuple[int, int]]:
    """Width and height of the images of a run's data set; none, and a note, where it is not here."""
    try:
        views = dataset_of(load_card(folder), folder, data_root).views()
    except KapbenchError as error:
        progress.say(
            "note: The manifest has no sizes of images, so that the controls random and constant are "
            f"refused on this data set. {error}"
        )
        return {}
    return {view.image_id: view.size for view in views}


def rules_to_compare(run: RunCard, path: Path) -> list[str]:
    """The rules of a run that still give the same numbers. KapbenchError where there are none."""
    rules = [rule.name for rule in run.rules if is_scored_alike(run, rule.name)]
    if not rules:
        raise KapbenchError(
            "Every rule of the run was changed since: its scoring has version "
            f"{run.provenance.scoring}, and here it has version {SCORING_VERSION}",
            place=path,
            fix=f"Install kapbench {run.provenance.kapbench}, which the run was made with",
        )
    return rules


def _other_revision(
    kind: str, name: str, here: str, of_run: str, path: Path, fix: str
) -> KapbenchError:
    return KapbenchError(
        f"The {kind} {name} has revision {here} here, but the run used revision {of_run}",
        place=path,
        fix=fix,
    )


def differences(stored: pd.DataFrame, again: pd.DataFrame) -> dict[str, float]:
    """Largest difference of each column that differs; infinite where rows are missing."""
    keys = ["pair_id", "keypoint"]
    text = dict.fromkeys(TEXT, "str")
    left, right = (table.astype(text).set_index(keys).sort_index() for table in (stored, again))
    if not right.index.isin(left.index).all():
        return {"rows": float("inf")}
    left = left.loc[right.index]
    largest = {}
    later = [each.name for each in SINCE_5 if each.name not in left]
    for column in right.columns.difference(later, sort=False):
        if column not in left or column in text:
            same = column in left and (left[column] == right[column]).all()
            gap = 0.0 if same else float("inf")
        else:
            before, after = (t[column].to_numpy(np.float64) for t in (left, right))
            one_is_empty = (np.isnan(before) != np.isnan(after)).any()
            gap = np.inf if one_is_empty else float(np.nan_to_num(np.abs(before - after)).max())
        if gap:
            largest[column] = gap
    return largest
