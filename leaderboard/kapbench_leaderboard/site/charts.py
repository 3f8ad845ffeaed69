"""The charts of a board, drawn from the scores of its runs and from what its records say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring import score_table
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.figures.board_scatter import ScatterPoint, Score, draw_board_scatter
from kapbench_leaderboard.figures.inline_svg import inline_svg
from kapbench_leaderboard.figures.loss_bars import draw_loss_bars
from kapbench_leaderboard.figures.loss_values import LossBar
from kapbench_leaderboard.figures.split_charts import Line, draw_two_dots, draw_viewpoint
from kapbench_leaderboard.figures.style import styled
from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.record_facts import NO_RECORDS, RecordFacts
from kapbench_leaderboard.tables.columns import NAME

ALPHA = 0.10
N_VIEWPOINTS = 5
_PLACES = ("same", "1", "2", "3", "opposite")
_MOST_LINES = 7  # models of a chart of lines, whose colours and marks all differ


@dataclass(frozen=True)
class LossRow:
    """A model's losses as numbers ×100, one for each of `types`."""

    label: str
    kap: float
    losses: Sequence[float]


@dataclass(frozen=True)
class LossChart:
    svg: Markup
    types: Sequence[str]
    rows: Sequence[LossRow]


def scatter(board: Board) -> Markup | None:
    """KAP over PCK; None where the board has no run with both."""
    kap, pck = board.group.rule_of("kap"), board.group.rule_of("pck")
    if kap is None or pck is None:
        return None
    points = []
    for row in board.summary.rows:
        x, y = (_score(row.card, rule, _over(rule)) for rule in (pck, kap))
        if x is not None and y is not None:
            points.append(ScatterPoint(row.label, _kind(row.card, row.is_control), x, y))
    if not points:
        return None
    names = _axis_name(pck), _axis_name(kap)
    with styled():
        figure, titles = draw_board_scatter(points, names, _chance(board, kap))
        best = max(
            (p for p in points if p.kind == "model"), key=lambda p: p.kap.value, default=None
        )
        leader = "" if best is None else f" Of the models, {best.name} has the highest KAP."
        label = f"{names[1]} over {names[0]} of {len(points)} runs on {board.title}.{leader}"
        return inline_svg(figure, label, titles)


def viewpoint(board: Board) -> list[Markup]:
    """A chart for KAP and one for PCK, of the metrics that the board has over several viewpoints."""
    out = []
    for kind in ("kap", "pck"):
        rule = board.group.rule_of(kind)
        lines = [] if rule is None else list(_viewpoint_lines(board, rule))
        if rule is not None and sum(s is not None for s in lines[0].scores if lines) > 1:
            with styled():
                figure, titles = draw_viewpoint(lines, _axis_name(rule), _PLACES)
                label = f"{_axis_name(rule)} by change of viewpoint, a line for each model"
                out.append(inline_svg(figure, label, titles))
    return out


def _viewpoint_lines(board: Board, rule: RuleCard) -> Iterator[Line]:
    rows = [row for row in board.summary.rows if not row.is_control] or board.summary.rows
    for row in rows[:_MOST_LINES]:
        splits = [f"viewpoint={change}" for change in range(N_VIEWPOINTS)]
        scores = [_score(row.card, rule, _over(rule), split=split) for split in splits]
        yield Line(row.label, scores)


def twins(board: Board) -> Markup | None:
    """Absence AUROC of all keypoints and of those whose counterpart is visible; None: no such score."""
    rule = board.group.rule_of("kap")
    if rule is None:
        return None
    metric = score_table.ABSENCE_AUROC
    lines = []
    for row in board.summary.rows:
        scores = [
            _score(row.card, rule, "mean", metric=metric, average="category", split=split)
            for split in ("all", TWIN_SPLIT)
        ]
        if None not in scores and row.card.model.kind != "oracle":
            lines.append(Line(row.label, scores))
    if not lines:
        return None
    with styled():
        words = "all keypoints", "counterpart visible"
        figure, titles = draw_two_dots(lines, words, 50, "absence AUROC × 100")
        return inline_svg(figure, "Absence AUROC of each model, of two kinds of keypoints", titles)


def losses(board: Board, facts: Mapping[str, RecordFacts]) -> LossChart | None:
    """One stacked bar a model, and numbers of controls too; None where no model has losses."""
    rule = board.group.rule_of("kap")
    bars = []
    for row in board.summary.rows:
        shares = facts.get(row.card.plan_hash, NO_RECORDS).losses
        score = None if rule is None else row.card.headline(rule, ALPHA)
        if not shares or score is None or score.value is None:
            continue
        span = None if score.low is None or score.high is None else (score.low, score.high)
        bars.append(LossBar(row.label, score.value, span, shares, row.is_control))
    models = [bar for bar in bars if not bar.is_control]
    if rule is None or not models:
        return None
    with styled():
        figure = draw_loss_bars(models, f"{board.title}: {_axis_name(rule)}")
        svg = inline_svg(figure, "KAP and what each type of error costs, a bar for each model")
    shown = [kind for kind in TYPES if any(bar.shares[kind] for bar in bars)]
    rows = [LossRow(b.name, 100 * b.kap, [100 * b.shares[kind] for kind in shown]) for b in bars]
    return LossChart(svg, shown, rows)


def _kind(card: RunCard, is_control: bool) -> str:
    if card.model.kind == "oracle":
        return "reference"
    return "control" if is_control else "model"


def _axis_name(rule: RuleCard) -> str:
    return f"{NAME[rule.metric]}@{ALPHA:.2f} × 100, {rule.name}"


def _over(rule: RuleCard) -> str:
    return rule.headline[1]


def _score(
    card: RunCard,
    rule: RuleCard,
    category: str,
    *,
    metric: str | None = None,
    average: str | None = None,
    split: str = "all",
) -> Score | None:
    row = card.score(
        rule.name,
        metric or rule.metric,
        ALPHA,
        category,
        average=average or rule.headline[0],
        split=split,
    )
    if row is None or row.value is None:
        return None
    span = None if row.low is None or row.high is None else (100 * row.low, 100 * row.high)
    return Score(100 * row.value, span)


def _chance(board: Board, rule: RuleCard) -> float | None:
    """KAP of scores that all tie: the share of positives."""
    cards = [row.card for row in board.summary.rows]
    scores = (_score(c, rule, "mean", metric="prevalence", average="category") for c in cards)
    return next((score.value for score in scores if score is not None), None)
