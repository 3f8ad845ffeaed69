"""What `kapbench show` writes: each function draws figures into files and returns their paths."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench.storage import write_atomically
from kapbench_leaderboard.comparison.groups import group, why_apart
from kapbench_leaderboard.figures import feature_rows, select_rows, style
from kapbench_leaderboard.figures.category_bars import draw_category_bars
from kapbench_leaderboard.figures.feature_figure import Row, draw_feature_maps
from kapbench_leaderboard.figures.kap_examples import Rerun
from kapbench_leaderboard.figures.kap_figure import draw_kap
from kapbench_leaderboard.figures.kap_over_pck import draw_kap_over_pck
from kapbench_leaderboard.figures.report import report
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import RunView, ordered
from kapbench_leaderboard.figures.score_curves import draw_pck_curves, draw_precision_curves
from kapbench_leaderboard.figures.sources import Output, Sources
from kapbench_leaderboard.figures.transfer_figure import draw_transfer

REPORT = "report.html"
N_WORST = 20


def draw_report(
    runs: Sequence[RunView], sources: Sources, output: Output, controls: Sequence[RunCard] = ()
) -> list[Path]:
    """The report of a run, or of several that may be compared; its bars and curves as files too.

    Args:
        controls: Other runs of the control `random`, whose scores stand beside the runs.

    Raises:
        KapbenchError: the runs saw different pairs, or were scored by different rules.
    """
    _refuse_apart(runs)
    runs = ordered(runs)
    page = output.folder / REPORT
    write_atomically(page, report(runs, sources, N_WORST, controls))
    with style.styled():
        paths = [style.save(draw_category_bars(runs), output.path("bars"))]
        if len(runs) > 1 and runs[0].kap is not None and runs[0].pck is not None:
            paths.append(style.save(draw_kap_over_pck(runs), output.path("scatter")))
    return [page, *paths, *_draw_curves(runs, output)]


def _refuse_apart(runs: Sequence[RunView]) -> None:
    names = [rule.name for rule in (runs[0].kap, runs[0].pck) if rule is not None]
    groups = group([run.card for run in runs], names)
    if len(groups) == 1 and len(groups[0].cards) == len(runs):
        return
    why = why_apart(groups[0], groups[1]) if len(groups) > 1 else "some lack a rule that is shown"
    raise KapbenchError(
        f"These runs cannot share a figure: {why}",
        place=", ".join(str(run.folder or run.card.model.name) for run in runs),
        fix="Choose runs on one data set (--dataset NAME), of one set of pairs (--category NAME) and "
        "the same rules, or name their folders. Only the folder tells revisions of a data set apart",
    )


def draw_category(run: RunView, sources: Sources, output: Output, n_worst: int) -> list[Path]:
    """Curves of the run's one category, and its worst pairs."""
    curves = _draw_curves([run], output, run.category)
    return [*curves, *draw_worst(run, sources, output, n_worst)]


def _draw_curves(
    runs: Sequence[RunView], output: Output, category: str | None = None
) -> list[Path]:
    prefix = "" if category is None else f"{category}-"
    paths = []
    with style.styled():
        if runs[0].kap is not None:
            figure = draw_precision_curves(runs)
            paths.append(style.save(figure, output.path(f"{prefix}precision")))
        if runs[0].pck is not None:
            paths.append(style.save(draw_pck_curves(runs), output.path(f"{prefix}pck")))
    return paths


def draw_worst(run: RunView, sources: Sources, output: Output, n_worst: int) -> list[Path]:
    """The worst pairs, numbered from the worst: see `select_rows.worst` for the order."""
    names = select_rows.worst(run.records, run.card, n_worst, run.pck_rule)
    files = {name: output.path(f"worst-{i:02d}", name) for i, name in enumerate(names, 1)}
    return _draw_pairs(run, files, sources)


def draw_pair(run: RunView, pair_id: str, sources: Sources, output: Output) -> list[Path]:
    """Raises KapbenchError: the run or its data set has no such pair."""
    return _draw_pairs(run, {pair_id: output.path("pair", pair_id)}, sources)


def _draw_pairs(run: RunView, files: Mapping[str, Path], sources: Sources) -> list[Path]:
    """
    Args:
        files: What to write by the pair's name.
    """
    rows = {name: select_rows.of_pair(run.records, name) for name in files}
    dataset = dataset_of(run.card, sources)
    pairs = dataset.pairs(run.card.dataset.categories)
    for name, path in files.items():
        pair = find_pair(pairs, name, dataset.name)
        with style.styled():
            images = dataset.pixels(pair.source), dataset.pixels(pair.target)
            style.save(draw_transfer(run, rows[name], *images), path)
    return list(files.values())


def draw_keypoint(
    run: RunView, pair_id: str, keypoint: int, sources: Sources, output: Output
) -> list[Path]:
    """The similarity of one keypoint by KAP's rule, computed again by the run's model.

    Raises:
        KapbenchError: no such pair or keypoint; the run's data or model cannot be loaded.
    """
    rows = select_rows.of_pair(run.records, pair_id)
    select_rows.of_keypoint(rows, keypoint)  # fail before a model is loaded
    example = Rerun.of(run, sources).example(pair_id, keypoint)
    with style.styled():
        return [style.save(draw_kap(example), output.path("kap", pair_id, str(keypoint)))]


def draw_features(
    models: Sequence[str],
    data: str,
    split: str,
    category: str | None,
    n_images: int,
    sources: Sources,
    output: Output,
) -> list[Path]:
    """Feature maps of models in rows, over images of one category of a data set."""
    dataset = feature_rows.open_dataset(data, split, sources)
    tiles = feature_rows.choose_tiles(dataset, category, n_images)
    views = [tile.view for tile in tiles]
    rows: list[Row] = []
    for spec in models:
        model = feature_rows.open_model(spec, dataset.name, sources)
        rows += feature_rows.rows_of(model, dataset, views, sources)
    with style.styled():
        figure = draw_feature_maps(tiles, rows)
    return [style.save(figure, output.path("maps", dataset.name, views[0].category))]
