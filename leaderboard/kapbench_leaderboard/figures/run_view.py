"""A run as figures show it: its card and records, by which rules and at which alpha."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard, load_card, load_records
from kapbench.scoring.metrics import pck_correct
from kapbench.scoring.rules import Decode, KapRule, PckRule
from kapbench_leaderboard.comparison.controls import is_control, is_oracle
from kapbench_leaderboard.figures.select_rows import alpha_of, of_category, rules_of
from kapbench_leaderboard.figures.style import GREY, SERIES


@dataclass(frozen=True)
class RunView:
    """`category`: the only one in `records`; None: all. `folder`: of the run, where it was read."""

    card: RunCard
    records: pd.DataFrame
    kap: KapRule | None
    pck: PckRule | None
    alpha: float | None = None
    category: str | None = None
    folder: Path | None = None

    @classmethod
    def load(
        cls, folder: Path, *, rules: tuple[str, ...] = (), alpha: float | None = None
    ) -> "RunView":
        """
        Raises:
            KapbenchError: there is no run, or it was not scored by these rules or at this alpha.
        """
        card = load_card(folder)
        kap, pck = rules_of(card, rules)
        view = cls(card, load_records(folder), kap, pck, alpha, folder=folder)
        for rule in (kap, pck):
            if rule is not None:
                alpha_of(rule, alpha)
        return view

    def of_category(self, category: str | None) -> "RunView":
        return replace(self, records=of_category(self.records, category), category=category)

    @property
    def kap_rule(self) -> KapRule:
        """KapbenchError if the run has none."""
        if self.kap is None:
            raise _lacks(self.card, "KAP")
        return self.kap

    @property
    def pck_rule(self) -> PckRule:
        """KapbenchError if the run has none."""
        if self.pck is None:
            raise _lacks(self.card, "PCK")
        return self.pck

    @property
    def is_control(self) -> bool:
        return is_control(self.card)

    def at(self, rule: KapRule | PckRule) -> float:
        return alpha_of(rule, self.alpha)

    @property
    def decode(self) -> Decode:
        return self.card.decode(self.pck_rule)

    def is_correct(self, rows: pd.DataFrame) -> Bool[ndarray, "n"]:
        """Whether each row's prediction is correct by the rule for PCK."""
        rule = self.pck_rule
        return pck_correct(rows, rule, self.decode, self.at(rule))


def ordered(runs: Sequence[RunView]) -> list[RunView]:
    """Models by KAP, else by PCK, the best first, then controls; the oracle is left out if there are
    other runs, because it is always at 100.
    """

    def place(run: RunView) -> tuple[bool, float]:
        rule = run.kap or run.pck_rule
        row = run.card.headline(rule, run.at(rule))
        value = row.value if row is not None else None
        return run.is_control, -1.0 if value is None else -value

    kept = [s for s in runs if not is_oracle(s.card)]
    return sorted(kept or runs, key=place)


def colour_of(run: RunView, number: int) -> str:
    """Grey for controls, which do not compete."""
    return GREY if run.is_control else SERIES[number % len(SERIES)]


def _lacks(card: RunCard, metric: str) -> KapbenchError:
    return KapbenchError(
        f"The run was scored by no rule for {metric}",
        place=f"run of {card.model.name} on {card.dataset.name}",
        fix=f"Repeat the run with a rule for {metric}; `kapbench list rules` names them",
    )
