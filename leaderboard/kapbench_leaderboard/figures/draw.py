"""What `kapbench show` writes: each function draws figures into files and returns their paths."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
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
from kapbench_leaderboard.figures.pairs_of_runs import better_pairs, transfers_of
from kapbench_leaderboard.figures.report import report
from kapbench_leaderboard.figures.run_view import RunView, ordered
from kapbench_leaderboard.figures.sample_scores import draw_sample_scores
from kapbench_leaderboard.figures.score_curves import draw_pck_curves, draw_precision_curves
from kapbench_leaderboard.figures.sources import Output, Sources
from kapbench_leaderboard.figures.transfer_figure import draw_transfer, draw_transfers
from kapbench_leaderboard.tables.build import labels
from kapbench_leaderboard.tables.dataset_names import display_name

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
    with _styled(output):
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
    with _styled(output):
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
    return _draw_pairs([run], files, sources, output)


def draw_pair(
    runs: Sequence[RunView], pair_id: str, sources: Sources, output: Output
) -> list[Path]:
    """One pair as each run matched it, in one figure.

    Raises:
        KapbenchError: a run or its data set has no such pair, or the runs may not be compared.
    """
    _refuse_apart(runs)
    return _draw_pairs(runs, {pair_id: output.path("pair", pair_id)}, sources, output)


def _draw_pairs(
    runs: Sequence[RunView], files: Mapping[str, Path], sources: Sources, output: Output
) -> list[Path]:
    """
    Args:
        runs: Of one pair each figure shows the matches of all.
        files: What to write by the pair's name.
    """
    transfers = transfers_of(runs, list(files), sources)
    for path, shown in zip(files.values(), transfers, strict=True):
        with _styled(output):
            style.save(draw_transfer(shown), path)
    return list(files.values())


def draw_disagreeing(
    runs: Sequence[RunView], sources: Sources, output: Output, n_pairs: int
) -> list[Path]:
    """Two figures: pairs where the first run is better than the second, and the other way round.

    A figure without such a pair is not written.

    Raises:
        KapbenchError: the runs saw different pairs, or neither is better on any pair.
    """
    _refuse_apart(runs)
    paths = []
    first, second = labels([run.card for run in runs])
    for names, (better, worse) in (((first, second), runs), ((second, first), runs[::-1])):
        chosen = better_pairs(better, worse, n_pairs)
        if not chosen:
            continue
        shown = transfers_of(runs, [pair.pair_id for pair in chosen], sources)
        rows = [f"{i}. {pair.pair_id}" for i, pair in enumerate(chosen, 1)]
        heading = f"Where {names[0]} matches more keypoints than {names[1]}"
        with _styled(output):
            figure = draw_transfers(shown, rows, heading=heading)
            paths.append(style.save(figure, output.path("better", names[0], "than", names[1])))
    if not paths:
        raise KapbenchError(
            f"{first} and {second} match equally many keypoints of every pair",
            place="--disagree",
            fix="Choose other runs, or another rule or α: --rule NAME, --alpha NUMBER",
        )
    return paths


def draw_samples(runs: Sequence[RunView], output: Output) -> list[Path]:
    """The samples of KAP of each run, and its precision over recall, in one figure.

    Raises:
        KapbenchError: the runs saw different pairs, or have no rule for KAP.
    """
    _refuse_apart(runs)
    category = runs[0].category
    with _styled(output):
        figure = draw_sample_scores(ordered(runs))
        return [style.save(figure, output.path("samples", *([category] if category else [])))]


def _styled(output: Output) -> AbstractContextManager[None]:
    return style.styled(output.presentation, titled=output.titled)


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
    with _styled(output):
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
    with _styled(output):
        subject = f"{display_name(dataset.name)}, {split}, {views[0].category}"
        figure = draw_feature_maps(tiles, rows, subject)
    return [style.save(figure, output.path("maps", dataset.name, views[0].category))]
