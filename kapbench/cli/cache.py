"""`kapbench cache`: list, check and shrink the feature cache."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.options import cache_folder, output_format, refuse_missing
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.features.cache_admin import Group

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{name}i": 1024**power for power, name in enumerate(_UNITS) if name}


def size(text: str) -> int:
    """Bytes of 50GB, 500 MB or 1.5TiB. Raises click.BadParameter for another text."""
    parsed = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?\s*", text.lower())
    if parsed is None:
        raise click.BadParameter(f"'{text}' is not a size: write 50GB, 500MB or 1.5TiB")
    return round(float(parsed[1]) * _UNITS[parsed[2]])


@click.group("cache")
def cache() -> None:
    """List, check or shrink the feature cache, where encoded images are kept.

    \b
    Examples:
      kapbench cache ls
      kapbench cache verify
      kapbench cache evict --limit 50GB --dry-run
    """


@cache.command("ls")
@cache_folder
@output_format("text", "json")
def ls(cache_root: Path, how: str) -> None:
    """List what the cache holds for each model, the largest first."""
    from kapbench.features.cache_admin import LEFT_OVER, groups

    refuse_missing(cache_root, "cache_root")
    cached = groups(cache_root)
    if how == "json":
        click.echo(json.dumps([asdict(group) for group in cached], indent=1))
        return
    if not cached:
        click.echo(f"The cache is empty: {cache_root}", err=True)
        return
    _print(cached)
    whole = [group for group in cached if group.group != LEFT_OVER]
    n_files, n_bytes = sum(g.n_files for g in whole), sum(g.n_bytes for g in whole)
    click.echo(f"{n_files:,} files, {format_size(n_bytes)} in {cache_root}")


@cache.command("verify")
@cache_folder
@click.option("--remove", "removing", is_flag=True, help="Remove the damaged files.")
def verify(cache_root: Path, removing: bool) -> None:
    """Compare every file of features with the hash that was stored with it.

    A run does so as well, and encodes the images of damaged files again.
    """
    from kapbench.features.cache_admin import damaged, items, remove
    from kapbench.progress import Progress

    refuse_missing(cache_root, "cache_root")
    cached = [item for item in items(cache_root) if item.group.startswith("features/")]
    progress = Progress(show=True, log=click.echo)
    n_damaged = 0
    with progress.stage("files", len(cached)) as advance:
        for path in damaged(cached, advance):
            n_damaged += 1
            progress.say(f"damaged: {path}")
            if removing:
                remove(path)
    if n_damaged and not removing:
        raise KapbenchError(
            f"{n_damaged:,} of {len(cached):,} files are damaged",
            place=cache_root,
            fix="Remove them with --remove; a run that needs them encodes their images again",
        )
    result = f"{n_damaged:,} damaged ones removed" if n_damaged else "none is damaged"
    click.echo(f"{len(cached):,} files checked, {result}: {cache_root}")


@cache.command("evict")
@cache_folder
@click.option(
    "--limit",
    type=size,
    metavar="SIZE",
    help="Remove the least recently used files until SIZE is left, e.g. 50GB.",
)
@click.option(
    "--model",
    metavar="NAME[@REV]",
    help="Remove the features of this model, of all its revisions or of one; `kapbench cache ls` "
    "lists them. With --limit, only until SIZE is left.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
def evict(cache_root: Path, limit: int | None, model: str | None, dry_run: bool) -> None:
    """Remove files from the cache: the least recently used ones, or those of a model.

    What interrupted commands left half-written is removed as well, here and in TMPDIR.

    Whatever needs a removed file makes it again. Do not use this while a run is in progress: it may
    need the files that are removed.

    \b
    Examples:
      kapbench cache evict --limit 50GB --dry-run
      kapbench cache evict --model my_model
      kapbench cache evict --model my_model@1-3fa2b7c9
    """
    from kapbench.features.cache_admin import items, left_over, of_model, remove, to_evict
    from kapbench.processes.unfinished import remove as remove_left_over

    if limit is None and model is None:
        raise click.UsageError("Give --limit SIZE, --model NAME, or both.")
    refuse_missing(cache_root, "cache_root")
    left = left_over(cache_root)
    if left:
        if not dry_run:
            for item in left:
                remove_left_over(item.path)
        done = "would be removed" if dry_run else "removed"
        size = format_size(sum(item.n_bytes for item in left))
        click.echo(f"{len(left):,} left over by interrupted commands {done}, {size}", err=True)
    cached = list(items(cache_root))
    candidates = cached if model is None else of_model(cache_root, model)
    others = sum(i.n_bytes for i in cached) - sum(i.n_bytes for i in candidates)
    evicted = candidates if limit is None else to_evict(candidates, limit - others)
    if not dry_run:
        for item in evicted:
            remove(item.path)
    before, freed = sum(i.n_bytes for i in cached), sum(i.n_bytes for i in evicted)
    removed = "would be removed" if dry_run else "removed"
    click.echo(
        f"{len(evicted):,} of {len(cached):,} files {removed}, {format_size(freed)}; "
        f"{format_size(before - freed)} left in {cache_root}"
    )


def format_size(n_bytes: int) -> str:
    from rich.filesize import decimal

    return decimal(n_bytes)


def _print(groups: "list[Group]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "files", "size", "last used", "folder", box=None, pad_edge=False)
    for column in table.columns[1:3]:
        column.justify = "right"
    for group in groups:
        day = datetime.fromtimestamp(group.used, UTC).strftime("%Y-%m-%d")
        table.add_row(
            group.maker, f"{group.n_files:,}", format_size(group.n_bytes), day, group.group
        )
    Console(highlight=False).print(table)
    for group in groups:
        if group.serves:
            click.echo(f"{group.maker}: its features also serve {', '.join(group.serves)}")
