"""The charts of a model's page: its curves beside those of the best other model and of `random`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from kapbench.running.results import RuleCard, RunCard
from kapbench_leaderboard.comparison.curves import Curve
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.site.record_facts import NO_RECORDS, RecordFacts
from kapbench_leaderboard.tables.columns import NAME
from kapbench_leaderboard.tables.dataset_names import display_name

N_VIEWPOINTS = 5
_PARTS = 4  # of an axis, between its ticks


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and the words below it."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A run with its name in the chart; `look`: place in `line_chart.LOOKS`."""

    label: str
    run: RunCard
    look: int


def charts(drawn: Sequence[Drawn], facts: Mapping[str, RecordFacts]) -> list[Chart]:
    """Precision over recall and PCK over α, if the first run has records; scores over viewpoint.

    Args:
        drawn: Runs that may be compared; the page's own first.
        facts: By the run's plan.
    """
    return [*_curves(drawn, facts), *_viewpoints(drawn)]


def _curves(drawn: Sequence[Drawn], facts: Mapping[str, RecordFacts]) -> Iterator[Chart]:
    from kapbench_leaderboard.figures.inline_svg import inline_svg
    from kapbench_leaderboard.figures.line_chart import Line, Scale, draw_lines

    every = [facts.get(each.run.plan_hash, NO_RECORDS).curves for each in drawn]
    for own in reversed(every[0]):  # KAP's first
        lines, curves = [], []
        for each, of_run in zip(drawn, every, strict=True):
            same = [curve for curve in of_run if curve.title == own.title and len(curve.points)]
            lines += [Line(each.label, curve.points, each.look) for curve in same]
            curves += same
        if not lines or lines[0].look:
            continue
        ticks = [own.x_max * i / _PARTS for i in range(_PARTS + 1)]
        names = [f"{tick:.2f}" if own.x_max < 1 else f"{100 * tick:.0f}" for tick in ticks]
        figure = draw_lines(lines, Scale(own.x, (0, own.x_max), ticks, names), own.y)
        words = _words(own, [line.name for line in lines], curves)
        yield Chart(inline_svg(figure, words), f"{own.title} ({own.about})")


def _words(own: Curve, names: Sequence[str], curves: Sequence[Curve]) -> str:
    """The heights in the middle of the axis, for readers who do not see the chart."""
    middle = own.x_max / 2
    values = [100 * float(np.interp(middle, *curve.points.T)) for curve in curves]
    heights = ", ".join(f"{n} {v:.0f}" for n, v in zip(names, values, strict=True))
    at = f"{middle:g}" if own.x_max < 1 else f"{100 * middle:.0f}"
    return f"{own.title}. {own.y} at {own.x} {at}: {heights}"


def _viewpoints(drawn: Sequence[Drawn]) -> Iterator[Chart]:
    from kapbench_leaderboard.figures.inline_svg import inline_svg
    from kapbench_leaderboard.figures.line_chart import Line, Scale, draw_lines

    for rule in selected_rules(drawn[0].run):
        points = [(each, _by_viewpoint(each.run, rule)) for each in drawn]
        lines = [
            Line(each.label, made[:, :2], each.look, made[:, 2:] if each.look == 0 else None)
            for each, made in points
            if len(made)
        ]
        if not lines or lines[0].look:
            continue
        ticks = [45 * i for i in range(N_VIEWPOINTS)]
        name = f"{NAME[rule.metric]}@{rule.alphas[0]:.2f}"
        scale = Scale("change of viewpoint", (-8, 188), ticks, [f"{tick}°" for tick in ticks])
        figure = draw_lines(lines, scale, name)
        heights = "; ".join(
            f"{line.name} {', '.join(f'{100 * y:.0f}' for y in line.points[:, 1])}"
            for line in lines
        )
        words = f"{name} by change of viewpoint, from 0° on: {heights}"
        about = f"{name} over the difference of the two azimuths ({rule.name}), 95 % intervals"
        yield Chart(inline_svg(figure, words), about)


def _by_viewpoint(run: RunCard, rule: RuleCard) -> Float[np.ndarray, "v 4"]:
    """Angle, score, and the ends of its interval, where there is a score."""
    average, over = rule.headline
    out = []
    for change in range(N_VIEWPOINTS):
        row = run.score(
            rule.name,
            rule.metric,
            rule.alphas[0],
            over,
            average=average,
            split=f"viewpoint={change}",
        )
        if row is not None and row.value is not None:
            ends = (row.low, row.high) if row.low is not None and row.high is not None else None
            out.append((45.0 * change, row.value, *(ends or (np.nan, np.nan))))
    return np.array(out, np.float64).reshape(-1, 4)


def loss_bar(drawn: Sequence[Drawn], facts: Mapping[str, RecordFacts]) -> Markup | None:
    """KAP and what each type of error costs; None where the losses of the first run are unknown."""
    from kapbench_leaderboard.figures.inline_svg import inline_svg
    from kapbench_leaderboard.figures.loss_bars import draw_loss_bars
    from kapbench_leaderboard.figures.loss_values import LossBar
    from kapbench_leaderboard.figures.style import styled

    bars = []
    for each in drawn:
        shares = facts.get(each.run.plan_hash, NO_RECORDS).losses
        if shares:
            bars.append(LossBar(each.label, 1 - sum(shares.values()), None, shares, each.look == 2))
    if not facts.get(drawn[0].run.plan_hash, NO_RECORDS).losses:
        return None
    words = "; ".join(
        f"{bar.name}: KAP {100 * bar.kap:.1f}, "
        + ", ".join(f"{name} {100 * share:.1f}" for name, share in bar.shares.items())
        for bar in bars
    )
    with styled():
        figure = draw_loss_bars(bars, display_name(drawn[0].run.dataset.name))
    return inline_svg(figure, f"Points of KAP lost to each type of error. {words}")
