"""`kapbench fetch`: a data set from its makers' server to the data root."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from kapbench.cli.options import FILE, data_root

if TYPE_CHECKING:
    from kapbench.datasets.fetching.fetch import Fetched, Report
    from kapbench.datasets.fetching.pair_lists import PairListSource


@click.command()
@click.argument("name")
@data_root
@click.option("--url", help="Download from this address instead of the makers' own.")
@click.option(
    "--archive",
    type=FILE,
    help="Unpack this file, which you downloaded by hand, e.g. SPair-71k.tar.gz.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=FILE,
    help="A further file that you downloaded by hand, e.g. a list of pairs. Repeat it for more.",
)
def fetch(
    name: str,
    data_root: Path | None,
    url: str | None,
    archive: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Download a data set into the data folder, check its hash and unpack it.

    The same command resumes a download that was stopped.

    \b
    Examples:
      kapbench fetch spair
      kapbench fetch spair --data-root /data
      kapbench fetch spair --archive SPair-71k.tar.gz
      kapbench fetch tss --archive TSS_CVPR2016.zip --file test_pairs_tss.csv
      kapbench fetch ap-10k                      # prints what to download by hand, and from where
      kapbench fetch cub.demystifying            # a list of pairs for a data set that is here
    """
    from kapbench import paths
    from kapbench.datasets.fetching import fetch as fetching
    from kapbench.datasets.fetching import sources
    from kapbench.datasets.fetching.pair_lists import PAIR_LISTS

    if name in PAIR_LISTS:
        if archive is not None or files:
            raise click.UsageError(
                f"{name} is one file. If you downloaded it by hand, move it to "
                f"{PAIR_LISTS[name].path(paths.data_root(data_root))}"
            )
        _fetch_pair_list(PAIR_LISTS[name], paths.data_root(data_root), url)
        return
    source, root = sources.source(name), paths.data_root(data_root)
    click.echo(f"{source.title}\n  licence: {source.licence}\n  cite:    {source.citation}")
    places = {"downloading": url or source.url or str(source.page)}
    places |= {f"downloading {Path(file).name}": address for address, file in source.more}
    with _progress(places, root) as report:
        fetched = fetching.fetch(source, root, report, url=url, archive=archive, files=files)
    click.echo(_result(fetched))
    for address, file in source.by_hand:
        if not (fetched.folder / file).exists():
            click.echo(f"  {file} is missing: download it from {address} into {fetched.folder}")


def _fetch_pair_list(pair_list: "PairListSource", root: Path, url: str | None) -> None:
    from kapbench.datasets.fetching.pair_lists import fetch_pair_list

    here = replace(pair_list, url=url or pair_list.url)
    click.echo(f"{here.title}\n  licence: {here.licence}\n  cite:    {here.citation}")
    with _progress({"downloading": here.url}, root) as report:
        path = fetch_pair_list(here, root, report)
    click.echo(f"{path}\n  sha256 {here.sha256}: equal to the hash that kapbench expects")


@contextmanager
def _progress(places: Mapping[str, str], root: Path) -> Iterator["Report"]:
    """Shows a bar for each step, with size and time left, on standard error.

    Args:
        places: The address that each downloading step gets its file from.
    """
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    in_bytes = (bars.DownloadColumn(), bars.TransferSpeedColumn())
    in_files = (bars.MofNCompleteColumn(), bars.TextColumn("files"))
    bars_by_step: dict[str, bars.Progress] = {}

    def report(step: str, done: int, total: int | None) -> None:
        if step not in bars_by_step:
            for earlier in bars_by_step.values():
                earlier.stop()
            if step in places:
                click.echo(_announcement(places[step], root, done, total))
            bars_by_step[step] = bars.Progress(
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                *(in_files if step.startswith("unpacking") else in_bytes),
                bars.TimeRemainingColumn(),
                console=console,
            )
            bars_by_step[step].add_task(step, total=total)
            bars_by_step[step].start()
        (task,) = bars_by_step[step].task_ids
        bars_by_step[step].update(task, completed=done, total=total)

    try:
        yield report
    finally:
        for progress in bars_by_step.values():
            progress.stop()


def _announcement(place: str, root: Path, done: int, total: int | None) -> str:
    size = "size unknown" if total is None else f"{total / 1e6:,.1f} MB"
    resumed = f", of which {done / 1e6:,.1f} MB are already here" if done else ""
    return f"{size}{resumed}, from {urlsplit(place).hostname} to {root}"


def _result(fetched: "Fetched") -> str:
    if fetched.hash_from is None:
        return f"The data set is already in {fetched.folder} ({fetched.coverage})."
    check = {
        "pinned": "equal to the hash that kapbench expects",
        "recorded": "equal to the hash of the first download",
        "first": "kapbench knows no hash to compare it with; it is recorded for later downloads",
    }[fetched.hash_from]
    return f"{fetched.folder} ({fetched.coverage})\n  sha256 {fetched.sha256}: {check}"
