"""`kapbench show`: figures of runs, pairs, keypoints and feature maps."""

from functools import partial
from pathlib import Path

import click

from kapbench.cli.options import typed
from kapbench.cli.run_filter import of_categories
from kapbench_leaderboard.commands.figure_options import (
    FigureOptions,
    feature_options,
    figure_options,
    print_paths,
)
from kapbench_leaderboard.commands.show_group import ShowGroup
from kapbench_leaderboard.figures.presentation import PresentationName
from kapbench_leaderboard.figures.sources import Format, Output, Sources

_n_pairs = partial(click.option, "--n", "n_pairs", type=click.IntRange(1), show_default=True)
_n_worst = partial(_n_pairs, help="Draw the N worst pairs.")
_of_category = click.option("--category", metavar="NAME", help="Draw this category only.")


@click.group(cls=ShowGroup)
def show() -> None:
    """Draw figures of runs, pairs, keypoints and feature maps.

    A RUN is a run folder, a folder that holds runs, the name of a model, or a label. --dataset
    chooses among runs of one name. `kapbench show A B --disagree` is `kapbench show disagree A B`.
    Each command prints the files that it wrote.

    \b
    Examples:
      kapbench show report lite0 -o pictures
      kapbench show report lite0 --dataset spair
      kapbench show pair lite0 'car/0000-0>0002-1' --format pdf
      kapbench show lite0 sphere.lite0 --disagree --style talk
      kapbench show features --model lite0 --model sphere --dataset synthetic --category car
    """


@show.command()
@click.argument("runs", nargs=-1, required=True)
@of_categories
@figure_options
def report(
    runs: tuple[str, ...], categories: tuple[str, ...], options: FigureOptions
) -> list[Path]:
    """Write a page about a run, or about comparable runs.

    Runs are comparable if they saw the same pairs and were scored by the same rules. The page,
    report.html, holds tables, score curves, and bars by category, which are written as files too.
    The page of one run also shows its worst pairs, two keypoints and its features, as far as the
    data set and the model are on this machine. Several runs add a scatter of KAP over PCK.

    \b
    Examples:
      kapbench show report lite0
      kapbench show report runs/synthetic.test@1a2b -o pictures
    """
    from kapbench_leaderboard.figures.draw import draw_report

    views, controls = options.load_runs(runs, categories)
    return draw_report(views, options.sources, options.output, controls)


@show.command()
@click.argument("runs", nargs=-1, required=True)
@click.argument("pair_id", metavar="ID")
@of_categories
@figure_options
def pair(
    runs: tuple[str, ...], pair_id: str, categories: tuple[str, ...], options: FigureOptions
) -> list[Path]:
    """Draw a pair and its transferred keypoints, for one run or several.

    ID is the name of a pair in the RUNS. The report lists pairs; records.parquet has every id. A
    number beside a keypoint is its id, in the source and in the target.

    \b
    Examples:
      kapbench show pair lite0 'car/0000-0>0002-1'
      kapbench show pair lite0 sphere.lite0 'car/0000-0>0002-1'
    """
    from kapbench_leaderboard.figures.draw import draw_pair

    views = options.load_one_each(runs, categories)
    return draw_pair(views, pair_id, options.sources, options.output)


@show.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_n_pairs(default=6, help="Draw N pairs for each of the two runs.")
@_of_category
@figure_options
def disagree(
    first: str, second: str, n_pairs: int, category: str | None, options: FigureOptions
) -> list[Path]:
    """Draw the pairs where two runs differ most: where A is better, and where B is.

    A and B are runs of the same pairs. Each pair is drawn twice, as A and as B matched it, side by
    side. Pairs with three mutually visible keypoints or more are ordered by how many more of them
    one run matches correctly. `kapbench show A B --disagree` is the same.

    \b
    Examples:
      kapbench show disagree lite0 sphere.lite0 --n 4
      kapbench show lite0 sphere.lite0 --disagree --category car
    """
    from kapbench_leaderboard.figures.draw import draw_disagreeing

    views = [view.of_category(category) for view in options.load_one_each((first, second))]
    paths = draw_disagreeing(views, options.sources, options.output, n_pairs)
    if len(paths) == 1:
        click.echo("The other way round there is no pair, and no figure.", err=True)
    return paths


@show.command()
@click.argument("runs", nargs=-1, required=True)
@_of_category
@figure_options
def samples(runs: tuple[str, ...], category: str | None, options: FigureOptions) -> list[Path]:
    """Draw the samples of KAP: scores of positives and negatives, and precision over recall.

    A visible keypoint gives a positive, its best score inside the circle, and a negative, its best
    score outside. An absent keypoint gives a negative, its best score anywhere. A row is a run.

    \b
    Examples:
      kapbench show samples lite0
      kapbench show samples lite0 sphere.lite0 --category car --rule kap-v1
    """
    from kapbench_leaderboard.figures.draw import draw_samples

    views, _ = options.load_runs(runs)
    return draw_samples([view.of_category(category) for view in views], options.output)


@show.command()
@click.argument("run")
@click.argument("pair_id", metavar="ID")
@click.argument("number", metavar="K", type=click.IntRange(0))
@of_categories
@figure_options
def keypoint(
    run: str, pair_id: str, number: int, categories: tuple[str, ...], options: FigureOptions
) -> list[Path]:
    """Draw how KAP evaluates a keypoint.

    K is the number of a keypoint in the pair ID of the RUN. The report lists pairs; records.parquet
    has every id. The figure shows the model's similarity over the target, the circle of the rule,
    and the best match inside and outside it. The similarity is computed again, so the run's model
    is needed.

    \b
    Examples:
      kapbench show keypoint lite0 'car/0000-0>0002-1' 0
    """
    from kapbench_leaderboard.figures.draw import draw_keypoint

    view = options.load_run(run, categories)
    return draw_keypoint(view, pair_id, number, options.sources, options.output)


@show.command()
@click.argument("run")
@_n_worst(default=20)
@_of_category
@figure_options
def worst(run: str, n_pairs: int, category: str | None, options: FigureOptions) -> list[Path]:
    """Draw the worst pairs of a run, the worst first.

    Pairs with three mutually visible keypoints or more are ordered by the share of correct
    keypoints, then by the mean error.

    \b
    Examples:
      kapbench show worst lite0 --n 5
      kapbench show worst lite0 --category car
    """
    from kapbench_leaderboard.figures.draw import draw_worst

    selected = options.load_run(run).of_category(category)
    return draw_worst(selected, options.sources, options.output, n_pairs)


@show.command()
@click.argument("run")
@click.argument("name")
@_n_worst(default=5)
@figure_options
def category(run: str, name: str, n_pairs: int, options: FigureOptions) -> list[Path]:
    """Draw the score curves and the worst pairs of a category.

    NAME is a category of the RUN.

    \b
    Examples:
      kapbench show category lite0 car
    """
    from kapbench_leaderboard.figures.draw import draw_category

    selected = options.load_run(run).of_category(name)
    return draw_category(selected, options.sources, options.output, n_pairs)


@show.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="SPEC",
    help="Encoder to draw the features of, e.g. lite0. Repeat it for more.",
)
@click.option(
    "--dataset", required=True, metavar="SPEC", help="Data set of the images, e.g. spair."
)
@click.option("--split", default="test", show_default=True, help="Split of the images.")
@click.option("--category", metavar="NAME", help="Needed if the data set has several categories.")
@click.option(
    "--images",
    "n_images",
    default=5,
    show_default=True,
    type=click.IntRange(1, 8),
    help="Number of images.",
)
@feature_options
def features(
    models: tuple[str, ...],
    dataset: str,
    split: str,
    category: str | None,
    n_images: int,
    model_options: tuple[str, ...],
    dataset_options: tuple[str, ...],
    folder: Path,
    how: Format,
    presentation: PresentationName,
    titled: bool,
    data_root: Path | None,
    cache: Path | None,
    device: str,
) -> None:
    """Draw feature maps of models in colour.

    The images are of one category. A row of the figure is a model. Its colours are the first three
    principal components of its features, with one basis for all images. No run is needed.

    \b
    Examples:
      kapbench show features --model lite0 --model sphere --dataset synthetic --category car
    """
    from kapbench_leaderboard.figures.draw import draw_features

    sources = Sources(
        dataset,
        None,
        data_root,
        cache,
        device,
        typed("datasets", dataset, dataset_options),
        typed("models", models[0], model_options),
    )
    output = Output(folder, how, presentation, titled)
    print_paths(draw_features(models, dataset, split, category, n_images, sources, output))
