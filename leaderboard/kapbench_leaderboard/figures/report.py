"""A page about one run or several: it holds its figures, and loads nothing from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset, keypoint_names
from kapbench.running.results import RunCard
from kapbench.types import Pair
from kapbench_leaderboard.comparison.curves import WorstPair, worst_pairs
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.category_bars import draw_category_bars
from kapbench_leaderboard.figures.data_urls import Inline, drawing, photograph
from kapbench_leaderboard.figures.kap_over_pck import draw_kap_over_pck
from kapbench_leaderboard.figures.report_examples import draw_examples
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.score_curves import draw_pck_curves, draw_precision_curves
from kapbench_leaderboard.figures.select_rows import of_pair
from kapbench_leaderboard.figures.sources import Sources
from kapbench_leaderboard.figures.transfer_figure import Transfer, draw_transfer
from kapbench_leaderboard.tables import build, choices, markup


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One of the worst pairs; `figure`: None if its images are not available."""

    pair: WorstPair
    figure: Inline | None


def report(
    runs: Sequence[RunView], sources: Sources, n_worst: int, controls: Sequence[RunCard] = ()
) -> bytes:
    """The page as UTF-8. Runs share data and rules; the pairs of one run alone are shown.

    A data set that makes its images is not built for the page.

    Args:
        controls: Other runs of the control `random`, whose scores stand beside the runs.
    """
    names = build.labels([run.card for run in runs])
    return (
        _environment()
        .get_template("report.html" if len(runs) == 1 else "page.html")
        .render(
            title=names[0] if len(runs) == 1 else f"{len(runs)} runs",
            names=names,
            data=runs[0].card.dataset,
            tables=_tables(runs, controls),
            figures=_score_figures(runs),
            **(_one_run(runs[0], sources, n_worst) if len(runs) == 1 else {}),
        )
        .encode()
    )


def _one_run(run: RunView, sources: Sources, n_worst: int) -> dict[str, object]:
    worst, why_absent = _worst(run, sources, n_worst)
    return {
        "run": run.card,
        "pck": run.pck,
        "examples": draw_examples(run, sources),
        "worst": worst,
        "why_absent": why_absent,
    }


def _tables(runs: Sequence[RunView], controls: Sequence[RunCard]) -> list[Markup]:
    """The headline table and the categories, worded as `kapbench compare` words them."""
    rules = [rule for rule in (runs[0].kap, runs[0].pck) if rule is not None]
    alpha = runs[0].at(rules[0])
    groups = group([run.card for run in runs], [rule.name for rule in rules], controls)
    views: Sequence[choices.View] = ("summary", "category")
    return [Markup(markup.html(build.tables(groups, view, alpha))) for view in views]  # noqa: S704  escaped there


def _score_figures(runs: Sequence[RunView]) -> list[Inline]:
    names = ", ".join(run.card.model.name for run in runs)
    first = runs[0]
    figures: list[tuple[Figure, str]] = []
    with style.styled():
        bars = draw_category_bars(runs)
        figures.append((bars, f"Scores of {names} by category, as in the table"))
        if len(runs) > 1 and first.kap is not None and first.pck is not None:
            figures.append((draw_kap_over_pck(runs), f"KAP over PCK of {names}"))
        if first.kap is not None:
            figures.append((draw_precision_curves(runs), f"Precision over recall of {names}"))
        if first.pck is not None:
            figures.append((draw_pck_curves(runs), f"PCK over alpha of {names}"))
    return [drawing(figure, alt) for figure, alt in figures]


def _worst(run: RunView, sources: Sources, n: int) -> tuple[list[ShownPair], str | None]:
    """The worst pairs, and why their images are not shown, if they are not."""
    if run.pck is None or not n:
        return [], None
    worst = worst_pairs(run.records, run.card, n, run.pck)
    try:
        dataset = dataset_of(run.card, sources, build=False)
        pairs = dataset.pairs(run.card.dataset.categories)
        return [ShownPair(pair, _thumbnail(run, pair, dataset, pairs)) for pair in worst], None
    except KapbenchError as error:
        return [ShownPair(pair, None) for pair in worst], error.thing


def _thumbnail(run: RunView, worst: WorstPair, dataset: Dataset, pairs: Sequence[Pair]) -> Inline:
    pair = find_pair(pairs, worst.pair_id, dataset.name)
    rows = of_pair(run.records, worst.pair_id)
    with style.styled():
        images = dataset.pixels(pair.source), dataset.pixels(pair.target)
        name = run.card.model.name
        called = keypoint_names(dataset, pair.category)
        figure = draw_transfer([Transfer(run, name, pair, rows, *images, called)])
    share = f"{100 * worst.correct:.0f} % of {worst.n} keypoints are correct"
    return photograph(figure, f"Pair {worst.pair_id}: {share}")


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kapbench_leaderboard.figures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
