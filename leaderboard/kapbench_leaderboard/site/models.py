"""What a model's page shows of one accepted run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.score_table import KAP_SKILL
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.curves import WorstPair
from kapbench_leaderboard.comparison.strengths import Fact
from kapbench_leaderboard.site.boards import FEWEST_PAIRS, Accepted, Board
from kapbench_leaderboard.site.model_charts import Chart, Drawn, charts, loss_bar
from kapbench_leaderboard.site.model_summary import row_of
from kapbench_leaderboard.site.pages import Site
from kapbench_leaderboard.site.record_facts import NO_RECORDS
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
class Tested:
    """Strengths and weaknesses, compared with `reference`, which stands for `n_others` models."""

    facts: Sequence[Fact]
    reference: str
    n_others: int

    @property
    def sides(self) -> list[tuple[str, list[str]]]:
        """Headings with their sentences; a heading without any is left out."""
        both = (("Strengths", True), ("Weaknesses", False))
        named = [
            (name, [f.text for f in self.facts if f.is_strength is side]) for name, side in both
        ]
        return [(name, texts) for name, texts in named if texts]


@dataclass(frozen=True)
class AcceptedRun:
    """`again`: the model has another run of this data set. `tested`: None of controls, and of runs that
    stand apart from a board. `charts`: none of controls, whose losses say what they are made to show.
    Curves, losses and worst pairs are shown if the records lie beside the entry.
    """

    accepted: Accepted
    board: Board
    again: bool
    alphas: tuple[float, ...]
    scores: Sequence[Scores]
    tested: Tested | None
    losses: Markup | None
    charts: Sequence[Chart]
    worst: Sequence[WorstPair]

    @property
    def is_small(self) -> bool:
        """Whether no chart is drawn, since each point would be a few keypoints."""
        return self.accepted.run.dataset.n_pairs < FEWEST_PAIRS


def runs_of_model(site: Site, name: str) -> list[AcceptedRun]:
    """The accepted runs of one model, in the order of the boards; small ones last."""
    places = {board.name: place for place, board in enumerate(site.boards)}
    accepted = [a for a in site.entries if a.run.model.name == name]
    accepted.sort(key=lambda a: (a.run.dataset.n_pairs < FEWEST_PAIRS, places[a.run.dataset.name]))
    n_of = Counter((a.run.dataset.name, a.run.dataset.split) for a in accepted)
    return [
        _accepted_run(site, each, again=n_of[each.run.dataset.name, each.run.dataset.split] > 1)
        for each in accepted
    ]


def _accepted_run(site: Site, accepted: Accepted, *, again: bool) -> AcceptedRun:
    run = accepted.run
    board = next(b for b in site.boards if b.name == run.dataset.name)
    on_board = row_of(board.summary, run) is not None
    alphas = tuple(sorted({a for rule in run.rules for a in rule.alphas}, reverse=True))
    is_drawn = run.dataset.n_pairs >= FEWEST_PAIRS
    drawn = _drawn(board, run) if on_board else [Drawn(run.model.name, run, 0)]
    return AcceptedRun(
        accepted,
        board,
        again,
        alphas,
        _scores(run, alphas),
        _tested(site, board, run) if on_board and not is_control(run) else None,
        loss_bar(drawn, site.facts) if is_drawn else None,
        charts(drawn, site.facts) if is_drawn and not is_control(run) else (),
        site.facts.get(run.plan_hash, NO_RECORDS).worst,
    )


def _drawn(board: Board, run: RunCard) -> list[Drawn]:
    """The run, the best other model of its board, and the control `random`."""
    own = row_of(board.summary, run)
    others = [
        row
        for row in board.summary.rows
        if not row.is_control and row.card.plan_hash != run.plan_hash
    ]
    control = board.group.control("random")
    out = [Drawn(run.model.name if own is None else own.label, run, 0)]
    out += [Drawn(row.label, row.card, 1) for row in others[:1]]
    if control is not None and control.plan_hash != run.plan_hash:
        out.append(Drawn(control.model.name, control, 2))
    return out


def _tested(site: Site, board: Board, run: RunCard) -> Tested:
    known, plan = site.evidence[board.name], run.plan_hash
    return Tested(known.facts(plan), known.reference(plan), len(known.models) - 1)


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
