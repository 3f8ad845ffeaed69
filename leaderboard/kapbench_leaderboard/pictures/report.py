"""One page about one run: nothing in it is fetched from anywhere."""

import base64
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
from kapbench_leaderboard.pictures.bars import bars_picture
from kapbench_leaderboard.pictures.choice import of_pair
from kapbench_leaderboard.pictures.curves import pck_picture, precision_picture
from kapbench_leaderboard.pictures.pair import transfers
from kapbench_leaderboard.pictures.subject import Subject
from kapbench_leaderboard.site.curves import WorstPair, worst_pairs

THUMBNAIL_DPI = 150


@dataclass(frozen=True, slots=True)
class Inline:
    """A picture inside the page; `url` holds its bytes."""

    url: str
    alt: str


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
            tables=_tables(subject),
            pictures=_pictures(subject),
            worst=worst,
            absent=absent,
        )
    )
    return text.encode()


def _tables(subject: Subject) -> list[Markup]:
    """The run's headline table and its categories, worded as `kapbench compare` words them."""
    names = [rule.name for rule in (subject.kap, subject.pck) if rule is not None]
    alphas = [subject.at(rule) for rule in (subject.kap, subject.pck) if rule is not None]
    groups = group([subject.card], names)
    views: Sequence[columns.View] = ("summary", "category")
    return [Markup(markup.html(compare.tables(groups, view, alphas[0]))) for view in views]  # noqa: S704  escaped there


def _pictures(subject: Subject) -> list[Inline]:
    name = subject.card.model.name
    drawn: list[tuple[Figure, str]] = []
    with look.styled():
        drawn.append((bars_picture([subject]), f"Scores of {name} by category, as in the table"))
        if subject.kap is not None:
            drawn.append((precision_picture([subject]), f"Precision over recall of {name}"))
        if subject.pck is not None:
            drawn.append((pck_picture([subject]), f"PCK over alpha of {name}"))
    return [_inline(look.content(f, "svg"), "image/svg+xml", alt) for f, alt in drawn]


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
    return _inline(look.content(figure, "jpg", THUMBNAIL_DPI), "image/jpeg", alt)


def _inline(content: bytes, kind: str, alt: str) -> Inline:
    return Inline(f"data:{kind};base64,{base64.b64encode(content).decode()}", alt)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kapbench_leaderboard.pictures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
