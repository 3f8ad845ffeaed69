"""One page about one run: nothing in it is fetched from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.types import View
from kapbench_leaderboard import columns, compare, markup
from kapbench_leaderboard.board import group
from kapbench_leaderboard.pictures import look
from kapbench_leaderboard.pictures.again import Sources, dataset_of
from kapbench_leaderboard.pictures.asides import asides
from kapbench_leaderboard.pictures.bars import bars_picture
from kapbench_leaderboard.pictures.choice import of_pair
from kapbench_leaderboard.pictures.curves import pck_picture, precision_picture
from kapbench_leaderboard.pictures.inline import Inline, drawing, photograph
from kapbench_leaderboard.pictures.pair import transfers
from kapbench_leaderboard.pictures.scatter import scatter_picture
from kapbench_leaderboard.pictures.subject import Subject
from kapbench_leaderboard.site.curves import WorstPair, worst_pairs


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
            names=compare.labels([s.card for s in subjects]),
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
    return [Markup(markup.html(compare.tables(groups, view, alpha))) for view in views]  # noqa: S704  escaped there


def _pictures(subjects: Sequence[Subject]) -> list[Inline]:
    name = ", ".join(s.card.model.name for s in subjects)
    drawn: list[tuple[Figure, str]] = []
    first = subjects[0]
    with look.styled():
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
    with look.styled():
        figure = transfers(subject, rows, dataset.pixels(source), dataset.pixels(target))
    alt = f"Pair {bad.pair_id}: {100 * bad.correct:.0f} % of {bad.n} keypoints right"
    return photograph(figure, alt)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kapbench_leaderboard.pictures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
