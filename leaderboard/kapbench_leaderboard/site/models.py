"""What a model's page shows of one accepted run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.score_table import KAP_SKILL
from kapbench_leaderboard.comparison.curves import Curve, WorstPair
from kapbench_leaderboard.site.boards import Accepted
from kapbench_leaderboard.site.record_facts import NO_RECORDS, RecordFacts
from kapbench_leaderboard.tables.columns import Cell

# Of a kind of rule: the metrics that the page shows, and their names.
_METRICS = {"kap": (("kap", "KAP"), (KAP_SKILL, "KAP skill")), "pck": (("pck", "PCK"),)}


@dataclass(frozen=True)
class Scores:
    """A rule's headline scores, or their skill; `cells`: for the alphas of all rules of the run; None
    if the rule has no such alpha.
    """

    rule: RuleCard
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class AcceptedRun:
    """`again`: the model has another run of this data set. Curves and worst pairs are shown if
    the records lie beside the entry.
    """

    accepted: Accepted
    again: bool
    alphas: tuple[float, ...]
    scores: Sequence[Scores]
    curves: Sequence[Curve]
    worst: Sequence[WorstPair]


def runs_of_model(
    accepted: Sequence[Accepted], facts: Mapping[str, RecordFacts]
) -> list[AcceptedRun]:
    """The accepted runs of one model, in their order.

    Args:
        facts: By the run's plan.
    """
    n_of = Counter((a.run.dataset.name, a.run.dataset.split) for a in accepted)
    out = []
    for each in accepted:
        run, of_records = each.run, facts.get(each.run.plan_hash, NO_RECORDS)
        alphas = tuple(sorted({a for rule in run.rules for a in rule.alphas}, reverse=True))
        again = n_of[run.dataset.name, run.dataset.split] > 1
        scores = _scores(run, alphas)
        out.append(AcceptedRun(each, again, alphas, scores, of_records.curves, of_records.worst))
    return out


def _scores(run: RunCard, alphas: Sequence[float]) -> list[Scores]:
    made = [
        Scores(rule, name, tuple(_cell(run, rule, metric, alpha) for alpha in alphas))
        for rule in run.rules
        for metric, name in _METRICS[rule.metric]
    ]
    return [row for row in made if any(cell is not None for cell in row.cells)]


def _cell(run: RunCard, rule: RuleCard, metric: str, alpha: float) -> Cell | None:
    average, over = rule.headline
    row = run.score(rule.name, metric, alpha, over, average=average)
    return None if row is None else Cell(row.value, row.low, row.high, row.n, "There is no score.")
