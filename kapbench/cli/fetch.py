"""`kapbench fetch`: a data set from its makers' server to the data root."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from kapbench.cli.options import data_root

if TYPE_CHECKING:
    from kapbench.datasets.fetching.fetch import Fetched, Report


@click.command()
@click.argument("name")
@data_root
@click.option("--url", help="Another address than the makers' own.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file that you have got by hand, instead of a download.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A further file that you have got by hand, e.g. a list of pairs; several times.",
)
def fetch(
    name: str,
    data_root: Path | None,
    url: str | None,
    archive: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Download a data set: checked by hash, resumed after a stop, unpacked safely.

    \b
    Examples:
      kapbench fetch spair
      kapbench fetch spair --data-root /data
      kapbench fetch spair --archive SPair-71k.tar.gz
      kapbench fetch tss --archive TSS_CVPR2016.zip --file test_pairs_tss.csv
      kapbench fetch ap-10k                      # says what a browser must fetch, and from where
    """
    from kapbench import paths
    from kapbench.datasets.fetching import fetch as fetching
    from kapbench.datasets.fetching import sources

    source, root = sources.source(name), paths.data_root(data_root)
    click.echo(f"{source.title}\n  licence: {source.licence}\n  cite:    {source.citation}")
    places = {"downloading": url or source.url or str(source.page)}
    places |= {f"downloading {Path(file).name}": address for address, file in source.more}
    with _progress(places, root) as report:
        found = fetching.fetch(source, root, report, url=url, archive=archive, files=files)
    click.echo(_result(found))
    for address, file in source.by_hand:
        if not (found.folder / file).exists():
            click.echo(f"  without {file}, from {address}: put it into {found.folder}")


@contextmanager
def _progress(places: Mapping[str, str], root: Path) -> Iterator["Report"]:
    """A bar for each step, with size and time left, on standard error.

    Args:
        places: Where each step of downloading gets its file from.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    start, end = (TextColumn("{task.description}"), BarColumn()), (TimeRemainingColumn(),)
    bars = {
        "downloading": (DownloadColumn(), TransferSpeedColumn()),
        "checking": (DownloadColumn(), TransferSpeedColumn()),
        "unpacking": (MofNCompleteColumn(), TextColumn("files")),
    }
    shown: dict[str, Progress] = {}

    def report(step: str, done: int, total: int | None) -> None:
        if step not in shown:
            for earlier in shown.values():
                earlier.stop()
            if step in places:
                click.echo(_announcement(places[step], root, done, total))
            shown[step] = Progress(*start, *bars[step.partition(" ")[0]], *end, console=console)
            shown[step].add_task(step, total=total)
            shown[step].start()
        (task,) = shown[step].task_ids
        shown[step].update(task, completed=done, total=total)

    try:
        yield report
    finally:
        for progress in shown.values():
            progress.stop()


def _announcement(place: str, root: Path, done: int, total: int | None) -> str:
    size = "size unknown" if total is None else f"{total / 1e6:,.1f} MB"
    resumed = f", {done / 1e6:,.1f} MB of them here already" if done else ""
    return f"{size}{resumed}, from {urlsplit(place).hostname} to {root}"


def _result(found: "Fetched") -> str:
    if found.hash_from is None:
        return f"already at {found.folder} ({found.coverage}); nothing fetched"
    said = {
        "pinned": "equal to the one pinned in kapbench",
        "recorded": "equal to that of the first download",
        "first": "none is known to check it against: recorded beside the data, checked from now on",
    }[found.hash_from]
    return f"{found.folder} ({found.coverage})\n  sha256 {found.sha256}: {said}"
