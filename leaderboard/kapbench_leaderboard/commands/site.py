"""`kapbench site`: the leaderboard as static pages."""

from pathlib import Path

import click

from kapbench.cli.options import shown_path
from kapbench_leaderboard.commands.output_option import output_option

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--results", type=_FOLDER, required=True, help="Folder of accepted results.")
@output_option("out", _FOLDER, "Folder to write. A site in it is replaced.", required=True)
@click.option(
    "--explore",
    multiple=True,
    metavar="MODEL",
    help="Also write a page of synthetic pairs for this model, which is loaded and run. Repeat it for "
    "more.",
)
def site(results: Path, out: Path, explore: tuple[str, ...]) -> None:
    """Write the leaderboard as static pages.

    The pages open from disk in any browser, without a server or a network.

    \b
    Examples:
      kapbench site --results leaderboard/results -o site
      kapbench site --results leaderboard/results -o site --explore lite0 --explore sphere.lite0
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from kapbench_leaderboard.site.build import build

    columns = (SpinnerColumn(), TextColumn("{task.completed} pages"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pages", total=None)
        n_pages = build(results, out, lambda n: bar.advance(task, n), explore)
    click.echo(f"Wrote {n_pages} pages. Open {shown_path(out / 'index.html')}.")
