"""The plug-in behind `kapbench show`: pictures into a folder; each function returns their paths."""

from collections.abc import Sequence
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.storage import write_atomically
from kapbench_leaderboard.comparison.groups import group, why_apart
from kapbench_leaderboard.figures import feature_rows, select_rows, style
from kapbench_leaderboard.figures.category_bars import bars_picture
from kapbench_leaderboard.figures.feature_figure import Row, maps_picture
from kapbench_leaderboard.figures.kap_examples import Stage
from kapbench_leaderboard.figures.kap_figure import kap_picture
from kapbench_leaderboard.figures.kap_over_pck import scatter_picture
from kapbench_leaderboard.figures.report import report, report_of_several
from kapbench_leaderboard.figures.rerun_model import Sources, dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import Subject, ordered
from kapbench_leaderboard.figures.score_curves import pck_picture, precision_picture
from kapbench_leaderboard.figures.transfer_figure import transfers

__all__ = ["Sources", "Subject", "category", "keypoint", "maps", "pair", "run", "several", "worst"]

REPORT = "report.html"


def run(
    subject: Subject, sources: Sources, out: Path, how: style.Format, n_worst: int
) -> list[Path]:
    """A run's report, and its bars and curves as files of their own."""
    page = out / REPORT
    write_atomically(page, report(subject, sources, n_worst))
    with style.styled():
        bars = style.save(bars_picture([subject]), out / f"bars.{how}")
    return [page, bars, *_curves([subject], out, how)]


def several(subjects: Sequence[Subject], out: Path, how: style.Format) -> list[Path]:
    """A page about runs that may be compared; its bars, curves and scatter as files of their own.

    Raises:
        KapbenchError: they saw other pairs, or were scored by other rules.
    """
    names = [r.name for r in (subjects[0].kap, subjects[0].pck) if r is not None]
    groups = group([s.card for s in subjects], names)
    if len(groups) > 1 or len(groups[0].cards) < len(subjects):
        why = why_apart(groups[0], groups[1]) if len(groups) > 1 else "not all have these rules"
        raise KapbenchError(
            f"these runs cannot stand in one picture: {why}",
            place=", ".join(s.card.model.name for s in subjects),
            fix="name runs of one data set and one set of pairs, by their folders",
        )
    subjects = ordered(subjects)
    page = out / REPORT
    write_atomically(page, report_of_several(subjects))
    with style.styled():
        made = [style.save(bars_picture(subjects), out / f"bars.{how}")]
        if subjects[0].kap is not None and subjects[0].pck is not None:
            made.append(style.save(scatter_picture(subjects), out / f"scatter.{how}"))
    return [page, *made, *_curves(subjects, out, how)]


def category(
    subject: Subject, name: str, sources: Sources, out: Path, how: style.Format, n_worst: int
) -> list[Path]:
    """Curves of one category, and its worst pairs."""
    chosen = subject.of_category(name)
    return [
        *_curves([chosen], out, how, f"{name}-"),
        *worst(chosen, sources, out, how, n_worst),
    ]


def _curves(
    subjects: Sequence[Subject], out: Path, how: style.Format, prefix: str = ""
) -> list[Path]:
    made = []
    with style.styled():
        if subjects[0].kap is not None:
            path = out / f"{style.file_name(prefix + 'precision')}.{how}"
            made.append(style.save(precision_picture(subjects), path))
        if subjects[0].pck is not None:
            path = out / f"{style.file_name(prefix + 'pck')}.{how}"
            made.append(style.save(pck_picture(subjects), path))
    return made


def worst(
    subject: Subject, sources: Sources, out: Path, how: style.Format, n_worst: int
) -> list[Path]:
    """The worst pairs, numbered from the worst: see `select_rows.worst` for the order."""
    names = select_rows.worst(subject.records, subject.card, n_worst, subject.pck_rule)
    dataset = dataset_of(subject.card, sources)
    pairs = {p.pair_id: p for p in dataset.pairs(subject.card.dataset.categories)}
    made = []
    for i, name in enumerate(names, 1):
        rows = select_rows.of_pair(subject.records, name)
        found = pairs[name]
        with style.styled():
            figure = transfers(
                subject, rows, dataset.pixels(found.source), dataset.pixels(found.target)
            )
        made.append(style.save(figure, out / f"{style.file_name(f'worst-{i:02d}', name)}.{how}"))
    return made


def pair(
    subject: Subject, pair_id: str, sources: Sources, out: Path, how: style.Format
) -> list[Path]:
    rows = select_rows.of_pair(subject.records, pair_id)
    dataset = dataset_of(subject.card, sources)
    found, _ = find_pair(dataset, subject.card, pair_id)
    with style.styled():
        figure = transfers(
            subject, rows, dataset.pixels(found.source), dataset.pixels(found.target)
        )
    return [style.save(figure, out / f"{style.file_name('pair', pair_id)}.{how}")]


def keypoint(
    subject: Subject, pair_id: str, number: int, sources: Sources, out: Path, how: style.Format
) -> list[Path]:
    """The KAP picture of one keypoint, from the run's model asked again."""
    select_rows.of_keypoint(
        select_rows.of_pair(subject.records, pair_id), number
    )  # before a model is loaded
    scene = Stage.of(subject, sources).scene(pair_id, number)
    with style.styled():
        figure = kap_picture(scene)
    name = style.file_name("kap", pair_id, str(number))
    return [style.save(figure, out / f"{name}.{how}")]


def maps(
    models: Sequence[str],
    dataset_name: str,
    split: str,
    of_category: str | None,
    n_images: int,
    sources: Sources,
    out: Path,
    how: style.Format,
) -> list[Path]:
    """Feature maps of models in rows, over images of one category."""
    dataset = feature_rows.open_dataset(dataset_name, split, sources)
    shots = feature_rows.shots_of(dataset, of_category, n_images)
    views = [shot.view for shot in shots]
    rows: list[Row] = []
    for spec in models:
        model = feature_rows.open_model(spec, dataset.name, sources)
        rows += feature_rows.rows_of(model, dataset, views, sources)
    with style.styled():
        figure = maps_picture(shots, rows)
    name = style.file_name("maps", dataset.name, views[0].category)
    return [style.save(figure, out / f"{name}.{how}")]
