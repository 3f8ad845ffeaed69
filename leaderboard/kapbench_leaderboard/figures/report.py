"""One page about one run: nothing in it is fetched from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.types import View
from kapbench_leaderboard.comparison.curves import WorstPair, worst_pairs
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.category_bars import bars_picture
from kapbench_leaderboard.figures.data_urls import Inline, drawing, photograph
from kapbench_leaderboard.figures.kap_over_pck import scatter_picture
from kapbench_leaderboard.figures.report_examples import asides
from kapbench_leaderboard.figures.rerun_model import Sources, dataset_of
from kapbench_leaderboard.figures.run_view import Subject
from kapbench_leaderboard.figures.score_curves import pck_picture, precision_picture
from kapbench_leaderboard.figures.select_rows import of_pair
from kapbench_leaderboard.figures.transfer_figure import transfers
from kapbench_leaderboard.tables import build, columns, markup


@dataclass(frozen=True, slots=True)
class Bad:
    """One of the worst pairs; `picture` where its images are in reach."""

    pair: WorstPair
    picture: Inline | None


def report(subject: Subject, sources: Sources, n_worst: int) -> bytes:
    """The page as UTF-8. Images are shown where the data set is here already: nothing is built."""
    worst, absent = _worst(subject, sources, n_worst)
    text = (
        _environment()
        .get_template("report.html")
        .render(
            run=subject.card,
            kap=subject.kap,
            pck=subject.pck,
            tables=_tables([subject]),
            pictures=_pictures([subject]),
            scenes=asides(subject, sources),
            worst=worst,
            absent=absent,
        )
    )
    return text.encode()


def report_of_several(subjects: Sequence[Subject]) -> bytes:
    """A page as UTF-8 about runs of one data set and rules, which may stand in one table."""
    return (
        _environment()
        .get_template("several.html")
        .render(
            names=build.labels([s.card for s in subjects]),
            data=subjects[0].card.dataset,
            tables=_tables(subjects),
            pictures=_pictures(subjects),
        )
        .encode()
    )


def _tables(subjects: Sequence[Subject]) -> list[Markup]:
    """The headline table and the categories, worded as `kapbench compare` words them."""
    rules = [rule for rule in (subjects[0].kap, subjects[0].pck) if rule is not None]
    alpha = subjects[0].at(rules[0])
    groups = group([s.card for s in subjects], [rule.name for rule in rules])
    views: Sequence[columns.View] = ("summary", "category")
    return [Markup(markup.html(build.tables(groups, view, alpha))) for view in views]  # noqa: S704  escaped there


def _pictures(subjects: Sequence[Subject]) -> list[Inline]:
    name = ", ".join(s.card.model.name for s in subjects)
    drawn: list[tuple[Figure, str]] = []
    first = subjects[0]
    with style.styled():
        drawn.append((bars_picture(subjects), f"Scores of {name} by category, as in the table"))
        if len(subjects) > 1 and first.kap is not None and first.pck is not None:
            drawn.append((scatter_picture(subjects), f"KAP over PCK of {name}"))
        if first.kap is not None:
            drawn.append((precision_picture(subjects), f"Precision over recall of {name}"))
        if first.pck is not None:
            drawn.append((pck_picture(subjects), f"PCK over alpha of {name}"))
    return [drawing(f, alt) for f, alt in drawn]


def _worst(subject: Subject, sources: Sources, n: int) -> tuple[list[Bad], str | None]:
    """The worst pairs, and why their images are not there, if they are not."""
    if subject.pck is None or not n:
        return [], None
    found = worst_pairs(subject.records, subject.card, n, subject.pck)
    try:
        dataset = dataset_of(subject.card, sources, build=False)
        pairs = {p.pair_id: p for p in dataset.pairs(subject.card.dataset.categories)}
        views = [(pairs[bad.pair_id].source, pairs[bad.pair_id].target) for bad in found]
        return [
            Bad(bad, _thumbnail(subject, bad, dataset, *both))
            for bad, both in zip(found, views, strict=True)
        ], None
    except (KapbenchError, KeyError) as error:
        reason = error.thing if isinstance(error, KapbenchError) else f"no pair {error}"
        return [Bad(bad, None) for bad in found], reason


def _thumbnail(
    subject: Subject, bad: WorstPair, dataset: Dataset, source: View, target: View
) -> Inline:
    rows = of_pair(subject.records, bad.pair_id)
    with style.styled():
        figure = transfers(subject, rows, dataset.pixels(source), dataset.pixels(target))
    alt = f"Pair {bad.pair_id}: {100 * bad.correct:.0f} % of {bad.n} keypoints right"
    return photograph(figure, alt)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kapbench_leaderboard.figures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
