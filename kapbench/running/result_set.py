"""A finished run as Python sees it: what `evaluate` and `run` return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.results import RunCard, check_records, load_card, load_records
from kapbench.running.show_result import html_of, lines_of
from kapbench.scoring.rules import load_rule

_COLUMNS = (
    *("model", "label", "dataset"),
    *("rule", "metric", "average", "alpha", "split", "category", "over", "is_headline"),
    *("value", "n", "low", "high"),
)


@dataclass(frozen=True)
class ResultSet:
    """A finished run: its card, its records, and its scores as a table."""

    card: RunCard
    folder: Path | None  # None where nothing was kept on disk
    resumed: bool = False  # whether the run, or some of its chunks, had been scored before
    _records: pd.DataFrame | None = field(default=None, repr=False)  # where there is no folder

    @classmethod
    def load(cls, folder: str | Path) -> "ResultSet":
        """Reads a run folder. Raises KapbenchError where it is none, or was changed."""
        folder = Path(folder)
        check_records(folder)
        return cls(load_card(folder), folder)

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a pair and source keypoint. KapbenchError where the folder has changed since."""
        if self.folder is None:
            if self._records is None:
                raise KapbenchError(
                    "No records were kept of this run", fix="Give evaluate() a folder: runs=..."
                )
            return self._records
        return load_records(self.folder)

    def __repr__(self) -> str:
        return "\n".join(lines_of(self.card, self.folder))

    def _repr_html_(self) -> str:
        return html_of(self.card, self.folder)

    @property
    def scores(self) -> pd.DataFrame:
        """Every score of the run, one a row, 0 to 1; frames of several runs can be joined.

        The columns are `model`, `label` and `dataset`, the fields of
        kapbench.scoring.score_table.Score, and two that tell its rows apart:

        * `over`: "category" for the score of one category, which `category` names; else how
          categories were averaged, e.g. "mean", which `category` then repeats.
        * `is_headline`: whether the rule is quoted by this way to average within and over
          categories.

        Of one run, `rule`, `metric`, `average`, `alpha`, `split`, `over` and `category` belong to
        one row together. Of the headline rows of one rule, one alpha and one split, `metric` and
        `category` do, or `metric` alone for averages.
        """
        card, categories = self.card, set(self.card.dataset.categories)
        headlines = {rule.name: rule.headline for rule in card.rules}
        about = {"model": card.model.name, "label": card.label, "dataset": card.dataset.name}
        seen: set[tuple[object, ...]] = set()
        rows = []
        for row in card.scores:
            keys = (row.rule, row.metric, row.average, row.alpha, row.split, row.category)
            # A category that is named as an average comes before the average.
            over = "category" if row.category in categories and keys not in seen else row.category
            seen.add(keys)
            average, over_categories = headlines[row.rule]
            is_headline = row.average == average and over in ("category", over_categories)
            rows.append(about | row.model_dump() | {"over": over, "is_headline": is_headline})
        numbers = dict.fromkeys(("value", "low", "high"), float)
        return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(numbers)

    def table(
        self,
        *,
        by: str | None = None,
        rule: str | Sequence[str] | None = None,
        alpha: float = 0.10,
        intervals: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """The run's row of the table of `kapbench compare`; see `kapbench.table`, also for several."""
        from kapbench.running import compare_runs

        return compare_runs.table(
            self, by=by, rule=rule, alpha=alpha, intervals=intervals, names=names
        )

    def to_latex(
        self,
        *,
        by: str | None = None,
        rule: str | Sequence[str] | None = None,
        alpha: float = 0.10,
        label: str | None = None,
        names: Mapping[str, str] | None = None,
        intervals: bool | None = None,
        notes: bool = True,
    ) -> str:
        """The same table in LaTeX; see `kapbench.to_latex`, also for several runs."""
        from kapbench.running import compare_runs

        return compare_runs.to_latex(
            self,
            by=by,
            rule=rule,
            alpha=alpha,
            label=label,
            names=names,
            intervals=intervals,
            notes=notes,
        )

    def diagnose(
        self, rule: str | Sequence[str] = (), *, alpha: float | None = None, by: str | None = None
    ) -> RunDiagnosis:
        """Where the score is lost: `.losses`, `.places`, `.skills` and a `.sentence`.

        Args:
            rule: One of KAP, one of PCK, or both; else the run's best-known ones.
            alpha: None: the first that both rules have.
            by: What the tables are divided by: category, keypoint or split.

        Raises:
            KapbenchError: the run was not scored by the rule, or by none of PCK, or not at alpha; or
                no such `by`.
        """
        from kapbench.running.diagnosis.diagnose_run import diagnose_run

        rules = (rule,) if isinstance(rule, str) else tuple(rule)
        return diagnose_run(self.card, self.records, rules=rules, alpha=alpha, by=by)

    def headline(self, rule: str, alpha: float = 0.10) -> float:
        """The number that a rule is quoted by, averaged over categories; NaN where undefined.

        Args:
            rule: A rule's name or file.

        Raises:
            KapbenchError: the run was not scored by this rule at this alpha.
        """
        is_own = any(card.name == rule for card in self.card.rules)
        chosen = self.card.rule(rule) if is_own else load_rule(rule)
        scored = any((r.name, r.hash) == (chosen.name, chosen.hash) for r in self.card.rules)
        row = self.card.headline(chosen, alpha)
        if row is None or not scored:
            raise KapbenchError(
                f"This run has no {chosen.name} at alpha {alpha:g}",
                place=self.folder,
                fix=f"Evaluate with rule={rule!r}, at one of its alphas: "
                + ", ".join(f"{a:g}" for a in chosen.alphas),
            )
        return float("nan") if row.value is None else row.value
