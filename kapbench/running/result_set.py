"""A finished run as Python sees it: what `evaluate` and `run` return."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from kapbench.errors import KapbenchError, counted
from kapbench.running.results import RunCard, check_records, load_card, load_records
from kapbench.scoring.rules import load_rule

if TYPE_CHECKING:
    from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis


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
        model, dataset = self.card.model, self.card.dataset
        head = f"ResultSet: {model.name}@{model.revision} on {dataset.name}@{dataset.revision}"
        lines = [f"{head}, split {dataset.split}, {counted(dataset.n_pairs, 'pair')}"]
        for rule in self.card.rules:
            alpha = 0.10 if 0.10 in rule.alphas else rule.alphas[-1]
            row = self.card.headline(rule, alpha)
            if row is not None and row.value is not None:
                shown = f"{100 * row.value:.1f}"
                lines.append(f"  {rule.name}: {rule.metric.upper()}@{alpha:g} {shown} %")
        return "\n".join(lines)

    @property
    def scores(self) -> pd.DataFrame:
        """All scores in long form; the columns are the fields of kapbench.scoring.score_table.Score."""
        return pd.DataFrame([row.model_dump() for row in self.card.scores])

    def diagnose(
        self,
        rule: str | Sequence[str] = (),
        *,
        alpha: float | None = None,
        by: Literal["category", "keypoint", "split"] | None = None,
    ) -> "RunDiagnosis":
        """Where the score is lost: `.losses`, `.places`, `.skills` and a `.sentence`.

        Args:
            rule: One of KAP, one of PCK, or both; else the run's best-known ones.
            alpha: None: the first that both rules have.
            by: What the tables are divided by.

        Raises:
            KapbenchError: the run was not scored by the rule, or by none of PCK, or not at alpha.
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
