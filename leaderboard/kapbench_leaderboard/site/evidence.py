"""What is tested once of each board for the pages of its models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapbench.scoring.score_table import KAP_SKILL
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.comparison.standings import Standings, standings
from kapbench_leaderboard.comparison.strengths import Evidence, Fact, facts, reference
from kapbench_leaderboard.site.boards import Accepted, Board
from kapbench_leaderboard.site.record_facts import NO_RECORDS, RecordFacts


@dataclass(frozen=True)
class BoardEvidence:
    """Of a board's models, in the order of its table, without controls. `plans`: of their runs.

    `tests`: by column of resamples.
    """

    models: Sequence[Evidence]
    plans: Sequence[str]
    tests: Mapping[str, Standings]

    def facts(self, plan: str) -> list[Fact]:
        """Of the run with this plan, which the board has."""
        return facts(self.models, self.plans.index(plan), self.tests)

    def reference(self, plan: str) -> str:
        """With what that run is compared."""
        return reference(self.models, self.plans.index(plan))


def evidence(board: Board, of_records: Mapping[str, RecordFacts]) -> BoardEvidence:
    """
    Args:
        of_records: By the run's plan.
    """
    rows = [row for row in board.summary.rows if not row.is_control]
    models = [_of_model(row.label, board.of(row.card), of_records) for row in rows]
    labels, runs = [model.label for model in models], [model.resamples for model in models]
    columns = list(runs[0].columns) if len(runs) > 1 else []
    shared = [name for name in columns if all(name in run.columns for run in runs)]
    tests = {name: standings(labels, runs, name) for name in shared}
    return BoardEvidence(models, [row.card.plan_hash for row in rows], tests)


def _of_model(label: str, accepted: Accepted, of_records: Mapping[str, RecordFacts]) -> Evidence:
    parts = of_records.get(accepted.run.plan_hash, NO_RECORDS).parts
    return Evidence(label, accepted.resamples, parts, _skill(accepted))


def _skill(accepted: Accepted) -> tuple[float, float, float] | None:
    """KAP skill with its interval; None where it has none."""
    rule = next((r for r in selected_rules(accepted.run) if r.metric == "kap"), None)
    if rule is None:
        return None
    average, over = rule.headline
    row = accepted.run.score(rule.name, KAP_SKILL, rule.alphas[0], over, average=average)
    if row is None or row.value is None or row.low is None or row.high is None:
        return None
    return row.value, row.low, row.high
