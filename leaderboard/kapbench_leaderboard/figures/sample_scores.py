"""The samples of KAP: how their scores are distributed, and the precision over recall they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.metrics import kap_samples
from kapbench_leaderboard.comparison.curves import precision_curve
from kapbench_leaderboard.figures import captions, style
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.style import BLUE, GREY, ORANGE, PURPLE, VERMILION, points
from kapbench_leaderboard.tables.build import labels

_STRIP_IN, _AXIS_IN, _BETWEEN_IN, _LEFT_IN, _GAP_IN = 0.36, 0.36, 0.1, 0.14, 0.44
_N_BINS = 40
_SCORES_SHARE = 0.54  # of the width
NOTE = "+ positives, − negatives, and their numbers. Each histogram has its own height; lines: medians."


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of sample and its scores."""

    name: str
    colour: str
    scores: Float[np.ndarray, "s"]


def kinds_of(run: RunView) -> list[Kind]:
    """The samples of a run by what they test; a kind without a sample is left out."""
    rule = run.kap_rule
    samples = kap_samples(run.records, rule, run.at(rule))
    visible, twin = (
        run.records[name].to_numpy(bool)[samples.row] for name in ("target_visible", "twin_visible")
    )
    positive, score = samples.label, samples.score.astype(np.float64)
    kinds = (
        ("+ inside the circle", BLUE, positive & visible),
        ("+ absent, at a corner", style.SKY, positive & ~visible),  # of kap-neurips25
        ("− outside the circle", VERMILION, ~positive & visible),
        ("− absent, counterpart visible", PURPLE, ~positive & ~visible & twin),
        ("− absent, other", ORANGE, ~positive & ~visible & ~twin),
    )
    return [Kind(name, colour, score[chosen]) for name, colour, chosen in kinds if chosen.any()]


def draw_sample_scores(runs: Sequence[RunView]) -> Figure:
    """A row a run: scores by kind of sample on the left, precision over recall on the right."""
    width_in = style.column_in()
    rule = runs[0].kap_rule
    alpha = runs[0].at(rule)
    data = captions.data_words(runs[0].card.dataset, runs[0].category)
    pooled = "" if runs[0].category else ", all categories pooled"
    about = f"Samples of {captions.rule_words(rule, alpha)}{pooled}"
    title = captions.title_lines(width_in, data, about)
    notes = style.wrapped(NOTE, width_in)
    all_kinds = [kinds_of(run) for run in runs]
    n_strips = max(map(len, all_kinds))
    row_in = style.LINE_IN + n_strips * _STRIP_IN + _AXIS_IN + _BETWEEN_IN
    foot_in = len(notes) * style.LINE_IN + 0.02
    height_in = captions.title_in(title) + len(runs) * row_in + foot_in
    figure = style.blank(width_in, height_in)
    captions.draw_title(figure, title)
    figure.text(0, 0.02 / height_in, "\n".join(notes), va="bottom", color=GREY)
    names = labels([run.card for run in runs])
    for i, (run, name, kinds) in enumerate(zip(runs, names, all_kinds, strict=True)):
        top_in = foot_in + (len(runs) - i) * row_in
        heading = f"{name}{_kap(run)}"
        place = 0, (top_in - 0.02) / height_in
        figure.text(*place, style.shortened(heading, width_in), va="top", fontweight="bold")
        _row(figure, run, kinds, top_in - style.LINE_IN, n_strips)
    return figure


def _kap(run: RunView) -> str:
    """The run's KAP, which is a mean over categories and not that of the pooled samples."""
    rule = run.kap_rule
    score = run.card.headline(rule, run.at(rule), run.category)
    if score is None or score.value is None:
        return ""
    return f": KAP {100 * score.value:.1f}" + ("" if run.category else ", mean over categories")


def _row(figure: Figure, run: RunView, kinds: Sequence[Kind], top_in: float, n_strips: int) -> None:
    width_in, height_in = style.size_of(figure)
    wide_in, tall_in = width_in * _SCORES_SHARE, n_strips * _STRIP_IN
    bottom_in = top_in - tall_in
    span = _span(run, kinds)
    for i, kind in enumerate(kinds):
        strip = figure.add_axes(
            (
                _LEFT_IN / width_in,
                (top_in - (i + 1) * _STRIP_IN) / height_in,
                wide_in / width_in,
                _STRIP_IN / height_in,
            ),
            xlim=span,
            ylim=(0, 1.75),
            yticks=[],
        )
        _strip(strip, kind, span, is_last=i == len(kinds) - 1)
    left_in = _LEFT_IN + wide_in + _GAP_IN
    axes = figure.add_axes(
        (
            left_in / width_in,
            bottom_in / height_in,
            (width_in - left_in - 0.08) / width_in,
            (tall_in - 0.04) / height_in,
        )
    )
    _precision(axes, run, sum(len(k.scores) for k in kinds), kinds)


def _span(run: RunView, kinds: Sequence[Kind]) -> tuple[float, float]:
    """Of all scores: 0 … 1 where the rule rescales them so."""
    if run.kap_rule.rescale == "pair-min-max" or not kinds:
        return 0.0, 1.0
    every = np.concatenate([kind.scores for kind in kinds])
    low, high = float(every.min()), float(every.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _strip(axes: Axes, kind: Kind, span: tuple[float, float], *, is_last: bool) -> None:
    counts, edges = np.histogram(kind.scores, bins=_N_BINS, range=span)
    heights = counts / max(int(counts.max()), 1)
    axes.stairs(heights, edges, fill=True, color=kind.colour, alpha=0.85, linewidth=0)
    median = float(np.median(kind.scores))
    axes.plot([median, median], [0, 1.05], color="black", linewidth=points(1), clip_on=False)
    axes.text(span[0], 1.7, kind.name, va="top")
    number = axes.text(span[0], 0.95, f"{len(kind.scores):,}", va="top")
    style.outlined(number)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelbottom=is_last, length=points(2.5) if is_last else 0)
    if is_last:
        axes.set_xlabel("score")


def _precision(axes: Axes, run: RunView, n: int, kinds: Sequence[Kind]) -> None:
    rule = run.kap_rule
    xy = precision_curve(run.records, rule, run.at(rule)).points
    axes.plot(xy[:, 0], xy[:, 1], color=BLUE, clip_on=False)
    n_positive = sum(len(kind.scores) for kind in kinds if kind.name.startswith("+"))
    share = n_positive / max(n, 1)
    axes.axhline(share, color="black", linestyle=":", linewidth=points(0.7))
    axes.text(1, share - 0.02, "share of +", ha="right", va="top")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    axes.grid(visible=True)
