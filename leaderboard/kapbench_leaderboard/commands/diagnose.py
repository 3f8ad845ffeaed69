"""`kapbench diagnose`: where the score of a run is lost, and what another run repairs."""

import shutil
import sys
from pathlib import Path
from typing import Literal, get_args

import click

from kapbench.cli.options import data_root, output_format, runs_root, shown_path
from kapbench.cli.run_filter import RunFilter, of_categories, of_dataset
from kapbench.errors import any_of
from kapbench.progress import Progress
from kapbench_leaderboard.commands.figure_options import look_options, print_paths
from kapbench_leaderboard.commands.output_option import output_option, print_or_write
from kapbench_leaderboard.commands.select_runs import named_runs
from kapbench_leaderboard.figures.presentation import PresentationName
from kapbench_leaderboard.figures.sources import Sources
from kapbench_leaderboard.tables.choices import FORMATS, Format

By = Literal["category", "keypoint", "split"]
Picture = Literal["bars", "waterfall"]
NARROWEST = 80
PICTURES = (".png", ".pdf", ".svg")
_OTHER_PICTURES = (".gif", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".eps", ".ps")


@click.command()
@click.argument("runs", nargs=-1, required=True)
@runs_root
@of_dataset
@of_categories
@click.option("--by", type=click.Choice(get_args(By)), help="Also divide the losses by this.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="NAME",
    help="Use this rule of KAP or of PCK. Repeat it for one of each.  [default: one of each]",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True),
    help="Use this threshold, a share of the object's size.  [default: the rules' first]",
)
@click.option("--no-notes", is_flag=True, help="Leave out the notes on what the numbers mean.")
@output_format(*FORMATS)
@output_option(
    "output",
    click.Path(path_type=Path, dir_okay=False),
    "Write to this file: the numbers, or a figure if its name ends in .png, .pdf or .svg.",
)
@click.option(
    "--figure",
    "picture",
    type=click.Choice(get_args(Picture)),
    help="What -o FILE.png draws: one stacked bar for each run, or the steps from the first run's "
    "KAP to the second's.  [default: the steps for two runs, else bars]",
)
@click.option(
    "--worst",
    "worst_type",
    metavar="TYPE",
    help="Draw the pairs of one run where this type of error costs most, e.g. 'near miss', to "
    "-o FILE.png, else into the folder pictures.",
)
@click.option(
    "--n",
    "n_pairs",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="With --worst: the number of pairs.",
)
@look_options
@data_root
@click.option(
    "--load-dataset",
    metavar="SPEC",
    help="With --worst: load the run's data set by this, if its name is not registered.",
)
def diagnose(
    runs: tuple[str, ...],
    runs_root: Path,
    dataset: str | None,
    categories: tuple[str, ...],
    by: By | None,
    rules: tuple[str, ...],
    alpha: float | None,
    no_notes: bool,
    how: Format,
    output: Path | None,
    picture: Picture | None,
    worst_type: str | None,
    n_pairs: int,
    presentation: PresentationName,
    titled: bool,
    data_root: Path | None,
    load_dataset: str | None,
) -> None:
    """Show where the score of a run is lost.

    RUNS are run folders, folders that hold runs, names of models, labels, or entries of a
    leaderboard. Of one run: what each type of error costs in KAP, where wrong matches lie, and how
    well absent keypoints are noticed and visible ones are found. Of several, which must be
    comparable: the same side by side, and the paired differences from the first.

    \b
    Examples:
      kapbench diagnose lite0
      kapbench diagnose lite0 --dataset spair --by category
      kapbench diagnose lite0 sphere.lite0                 # what did the sphere repair?
      kapbench diagnose lite0 --rule kap-v1 --rule pck-v1 --alpha 0.05
      kapbench diagnose leaderboard/results/spair -o losses.pdf --style talk
      kapbench diagnose lite0 --worst 'mirror counterpart' -o worst.png
      kapbench diagnose lite0 --format json -o lite0.json
    """
    from kapbench_leaderboard.diagnosis.load import Choice, diagnosed
    from kapbench_leaderboard.entries.as_runs import entry_runs

    is_picture = output is not None and output.suffix.lower() in PICTURES
    _refuse_together(how, output, by, picture=picture, worst_type=worst_type)
    selected = named_runs(
        runs, runs_root, entry_runs, RunFilter(dataset, categories, one_dataset=True)
    )
    choice = Choice(rules, alpha, by)
    if worst_type is not None:
        from kapbench_leaderboard.diagnosis.pictures import write_worst

        sources = Sources(load_dataset, data_root=data_root)
        drawn = write_worst(
            selected, choice, worst_type, n_pairs, sources, output, presentation, titled=titled
        )
        print_paths(list(drawn))
        return
    with Progress(show=sys.stderr.isatty()).stage("diagnosed", len(selected)) as advance:
        named = diagnosed(selected, choice, advance)
    if is_picture and output is not None:
        from kapbench_leaderboard.diagnosis.pictures import write_picture

        click.echo(shown_path(write_picture(named, picture, output, presentation, titled=titled)))
        return
    from kapbench_leaderboard.diagnosis.pages import page_of
    from kapbench_leaderboard.diagnosis.render import render

    on_screen = how == "text" and output is None and sys.stdout.isatty()
    width = max(NARROWEST, shutil.get_terminal_size().columns) if on_screen else NARROWEST
    text = render(page_of(named), how, width=width, with_notes=not no_notes)
    print_or_write(text, output)


def _refuse_together(
    how: Format,
    output: Path | None,
    by: By | None,
    *,
    picture: Picture | None,
    worst_type: str | None,
) -> None:
    suffix = "" if output is None else output.suffix.lower()
    is_figure = suffix in PICTURES
    if worst_type is not None and picture is not None:
        raise click.UsageError("--worst and --figure are two figures. Leave one of them out.")
    if picture is not None and not is_figure:
        raise click.UsageError("--figure needs a file: add -o FILE.png, FILE.pdf or FILE.svg.")
    if output is not None and not is_figure and (worst_type or suffix in _OTHER_PICTURES):
        raise click.UsageError(
            f"A figure is written to a file that ends in {any_of(PICTURES)}, and not to {output}."
        )
    if by is not None and (is_figure or worst_type is not None):
        raise click.UsageError(
            f"--by {by} divides the tables, and a figure shows all keypoints. Leave out --by, or write "
            "the tables: -o FILE.csv --format csv."
        )
    if how != "text" and (is_figure or worst_type is not None):
        raise click.UsageError(f"--format {how} is a format of numbers, and this writes a figure.")
