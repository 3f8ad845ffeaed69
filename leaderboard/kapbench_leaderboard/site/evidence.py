"""What is computed once of each board for the pages of its models: tests, splits and losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapbench.scoring.score_table import KAP_SKILL
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.split_scores import SplitScores, split_scores
from kapbench_leaderboard.comparison.standings import Standings, standings
from kapbench_leaderboard.comparison.strengths import Evidence, Fact, facts
from kapbench_leaderboard.entries.schema import records_path
from kapbench_leaderboard.entries.untrusted_files import read_records
from kapbench_leaderboard.site.boards import Accepted, Board

FEWEST_IMAGES = 4  # of a category, for an interval; see kapbench.scoring.bootstrap


@dataclass(frozen=True)
class BoardEvidence:
    """Of a board's models, in the order of its table, without controls.

    `tests`: by column of resamples.
    """

    models: Sequence[Evidence]
    plans: Sequence[str]
    tests: Mapping[str, Standings]

    def facts(self, plan: str) -> list[Fact] | None:
        """Of the run with this plan; None: it is a control's, or not on the board."""
        if plan not in self.plans:
            return None
        return facts(self.models, self.plans.index(plan), self.tests)

    def parts(self, plan: str) -> SplitScores | None:
        return self.models[self.plans.index(plan)].parts if plan in self.plans else None


def evidence(board: Board) -> BoardEvidence:
    """Reads the records of every model of the board that has enough images for an interval."""
    rows = [row for row in board.summary.rows if not row.is_control]
    models = [_of_model(row.label, board.of(row.card)) for row in rows]
    columns = models[0].resamples.columns if models else {}
    labels = [model.label for model in models]
    runs = [model.resamples for model in models]
    shared = [name for name in columns if all(name in run.columns for run in runs)]
    tests = {name: standings(labels, runs, name) for name in shared if len(runs) > 1}
    return BoardEvidence(models, [row.card.plan_hash for row in rows], tests)


def _of_model(label: str, accepted: Accepted) -> Evidence:
    run, place = accepted.run, records_path(accepted.path)
    columns = accepted.resamples.columns.values()
    parts = None
    if place.exists() and all((each.n_images >= FEWEST_IMAGES).all() for each in columns):
        effects = accepted.resamples.keypoints.get("kap")
        parts = split_scores(read_records(place, run), run, effects)
    return Evidence(label, accepted.resamples, parts, _skill(accepted))


def _skill(accepted: Accepted) -> tuple[float, float, float] | None:
    from kapbench_leaderboard.comparison.groups import selected_rules

    rule = next((r for r in selected_rules(accepted.run) if r.metric == "kap"), None)
    if rule is None:
        return None
    average, over = rule.headline
    row = accepted.run.score(rule.name, KAP_SKILL, rule.alphas[0], over, average=average)
    if row is None or row.value is None or row.low is None or row.high is None:
        return None
    return row.value, row.low, row.high
