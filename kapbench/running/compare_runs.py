"""Finished runs side by side in Python: differences, tables, and LaTeX."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from kapbench.errors import KapbenchError, with_article
from kapbench.running.board_plugin import board_function
from kapbench.running.result_set import ResultSet

Run: TypeAlias = ResultSet | str | Path


def compare(
    *runs: Run,
    baseline: Run | None = None,
    by: str | None = None,
    rule: str | Sequence[str] | None = None,
    alpha: float = 0.10,
    names: Mapping[str, str] | None = None,
    runs_root: str | Path | None = None,
) -> pd.DataFrame:
    """Differences between models on the same resamples of images, with intervals and p-values.

    One row for each two runs, in the order in which they are named, each metric, and each category
    and the average over them. Metrics: `kap` and `pck` of each rule, and with a rule for KAP
    `absence_auroc` of keypoints with a mirror counterpart (split "absent_with_twin"). By concept, of
    each rule for PCK that counts all keypoints: `pck`, `pck_concept`, `wrong_member` and `identity`.

    Columns: `dataset`, `rule`, `metric`, `alpha`, `split`, `model`,
    `baseline`, `category`, `over` (as of `ResultSet.scores`), `value` and `baseline_value`,
    `difference` (value − baseline_value), its 95 % interval `low` and `high`, `p` of the paired
    test, `p_adjusted`, `n` (samples, keypoints or pairs of the model), `keypoints` that have a score in
    both runs, `keypoints_holding` of them whose own difference has the sign of this one, and
    `p_keypoints`, of a test that resamples images and keypoints both. Scores are 0 to 1.

    `p_adjusted` is p after Holm's correction: of a category's row, over all rows of categories with
    the same data set, rule and metric; of an average's, over all pairs of models.

    Args:
        runs: Results, run folders, folders of runs, entries of a leaderboard, names of models, or
            labels, as `kapbench compare` takes them.
        baseline: Compare each run with this one alone; None: every two runs.
        by: "concept": the scores of parts, which need the records; None: the headline scores.
        rule: Names of rules; None: one for KAP and one for PCK.
        names: What the frame calls models, by their old names.
        runs_root: Folder below which runs are looked for by name; None: $KAPBENCH_RUNS, else ./runs.

    Raises:
        KapbenchError: fewer than two runs, or runs that cannot be compared with any other.
    """
    frame: pd.DataFrame = board_function("compare")(
        _checked(runs),
        baseline=None if baseline is None else _checked([baseline])[0],
        by=by,
        rules=_names(rule),
        alpha=alpha,
        names=names or {},
        runs_root=_root(runs_root),
    )
    return frame


def table(
    *runs: Run,
    by: str | None = None,
    rule: str | Sequence[str] | None = None,
    alpha: float = 0.10,
    group_by: str | None = None,
    intervals: bool = False,
    names: Mapping[str, str] | None = None,
    runs_root: str | Path | None = None,
) -> pd.DataFrame:
    """The table of `kapbench compare` as a frame: a row for each model, best first.

    Scores are ×100 with one decimal, as the table shows them; `ResultSet.scores` has them in full.
    By category, also by concept-category, columns have two levels: the metric and the category.

    Args:
        runs: As of `compare`; all must be comparable.
        by: category, symmetry, twin, concept, concept-category, geco, viewpoint, occlusion, average
            or rule; None: the short table.
        group_by: "label": one row for the runs of a model that share a label, with their mean, the
            standard deviation over them (columns that end in "sd"), and their number ("runs").
        intervals: Add columns that end in "low" and "high".
        rule: As of `compare`.
        alpha: As of `compare`.
        names: As of `compare`.
        runs_root: As of `compare`.

    Raises:
        KapbenchError: the runs cannot share a table.
    """
    frame: pd.DataFrame = board_function("table")(
        _checked(runs),
        by=by,
        rules=_names(rule),
        alpha=alpha,
        group_by=group_by,
        intervals=intervals,
        names=names or {},
        runs_root=_root(runs_root),
    )
    return frame


def to_latex(
    *runs: Run,
    by: str | None = None,
    rule: str | Sequence[str] | None = None,
    alpha: float = 0.10,
    group_by: str | None = None,
    paired: bool = False,
    label: str | None = None,
    names: Mapping[str, str] | None = None,
    intervals: bool | None = None,
    notes: bool = True,
    runs_root: str | Path | None = None,
) -> str:
    """The table of `kapbench compare --format latex`: booktabs, KAP and PCK by category in one.

    Args:
        runs: As of `compare`.
        rule: As of `compare`.
        alpha: As of `compare`.
        names: As of `compare`.
        runs_root: As of `compare`.
        by: As of `table`.
        group_by: As of `table`.
        paired: Test which models may be bold with the best, and add a table of differences; this
            resamples the records of runs, which takes a while. Entries are tested in any case.
        label: Of the table, for \\ref.
        intervals: Whether scores have their 95 % intervals; None: only differences do.
        notes: Whether rules and the meaning of bold stand below the table; else in comments.

    Raises:
        KapbenchError: a label that LaTeX would not take, or runs that cannot be averaged.
    """
    text: str = board_function("latex")(
        _checked(runs),
        by=by,
        rules=_names(rule),
        alpha=alpha,
        group_by=group_by,
        paired=paired,
        label=label,
        names=names or {},
        intervals=intervals,
        notes=notes,
        runs_root=_root(runs_root),
    )
    return text


def corruption_drops(
    *runs: Run,
    rule: str | Sequence[str] | None = None,
    alpha: float = 0.10,
    runs_root: str | Path | None = None,
) -> pd.DataFrame:
    """How far scores drop on corrupted images, relative to the clean run of the same model and pairs.

    One row for each model, metric (`kap` and `pck` of each rule), corruption and severity; where a
    model has several corruptions of one severity, also their mean, as the corruption "mean".

    Columns: `dataset`, `split`, `model`, `rule`, `metric`, `alpha`, `corruption`, `severity`, `clean`
    and `corrupted` (scores from 0 to 1), `drop` (1 − corrupted / clean), its 95 % interval `low` and
    `high` on the same resamples of images, and `p` of the test that nothing drops.

    Args:
        runs: As of `compare`: clean and corrupted runs of one or more models.
        rule: As of `compare`.
        alpha: As of `compare`.
        runs_root: As of `compare`.

    Raises:
        KapbenchError: no corrupted run, or one whose clean run is not among them.
    """
    frame: pd.DataFrame = board_function("drops")(
        _checked(runs), rules=_names(rule), alpha=alpha, runs_root=_root(runs_root)
    )
    return frame


def _checked(runs: Sequence[object]) -> list[Run]:
    if not runs:
        raise KapbenchError("No run is given", fix="Give results, run folders, or names of runs")
    checked: list[Run] = []
    for run in runs:
        if not isinstance(run, ResultSet | str | Path):
            raise KapbenchError(
                f"A run cannot be {with_article(type(run).__name__)}",
                fix="Give each run as an argument of its own: a ResultSet, a path, or a name",
            )
        checked.append(run)
    return checked


def _names(rule: str | Sequence[str] | None) -> list[str] | None:
    return [rule] if isinstance(rule, str) else None if rule is None else list(rule)


def _root(folder: str | Path | None) -> Path:
    return Path(os.environ.get("KAPBENCH_RUNS", "runs") if folder is None else folder)
