"""`kapbench site`: the leaderboard as static pages."""

from pathlib import Path

import click

from kapbench.cli.options import shown_path
from kapbench.cli.report_hook import plugin

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--results", type=_FOLDER, required=True, help="Folder of accepted results.")
@click.option(
    "--out", type=_FOLDER, required=True, help="Folder to write; an old site is replaced."
)
def site(results: Path, out: Path) -> None:
    """Write the leaderboard as pages that open from disk: no server, no network.

    \b
    Examples:
      kapbench site --results leaderboard/results --out site
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} pages"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pages", total=None)
        n_pages = plugin("site")(results, out, lambda n: bar.advance(task, n))
    click.echo(f"{n_pages} pages: open {shown_path(out / 'index.html')}")
