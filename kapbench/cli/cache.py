"""`kapbench cache`: what the feature cache holds, whether it is whole, and room in it."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.options import output_format
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.features.cache_admin import Group

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{name}i": 1024**power for power, name in enumerate(_UNITS) if name}


def size(text: str) -> int:
    """Bytes of 50GB, 500 MB, 1.5TiB. click.BadParameter where it is no size."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?\s*", text.lower())
    if found is None:
        raise click.BadParameter(f"'{text}' is no size: write 50GB, 500MB or 1.5TiB")
    return round(float(found[1]) * _UNITS[found[2]])


def _folder(command: Any) -> Any:
    return click.option(
        "--cache", "root", type=click.Path(path_type=Path, file_okay=False),
        envvar="KAPBENCH_CACHE", callback=_or_the_users,
        show_default="$KAPBENCH_CACHE, else the user cache folder", help="Folder of the cache.",
    )(command)  # fmt: skip


def _or_the_users(_ctx: click.Context, _option: click.Parameter, given: Path | None) -> Path:
    from kapbench.paths import cache_root

    return given or cache_root()


@click.group("cache")
def cache() -> None:
    """Features are encoded once and kept: look at them, check them, make room.

    \b
    Examples:
      kapbench cache ls
      kapbench cache verify
      kapbench cache evict --limit 50GB --dry-run
    """


@cache.command("ls")
@_folder
@output_format("text", "json")
def ls(root: Path, how: str) -> None:
    """What the cache holds, by who made it, largest first."""
    from kapbench.features.cache_admin import groups

    found = groups(root)
    if how == "json":
        click.echo(json.dumps([asdict(group) for group in found], indent=1))
        return
    if not found:
        click.echo(f"nothing is cached in {root}", err=True)
        return
    _print(found)
    n_files, n_bytes = sum(g.n_files for g in found), sum(g.n_bytes for g in found)
    click.echo(f"{n_files:,} files, {shown(n_bytes)} in {root}")


@cache.command("verify")
@_folder
@click.option("--remove", "removing", is_flag=True, help="Remove what is damaged.")
def verify(root: Path, removing: bool) -> None:
    """Compare all features with the hash they were written with.

    A run does so as well, and encodes again what is damaged.
    """
    from kapbench.features.cache_admin import damaged, items, remove
    from kapbench.progress import Progress

    found = [item for item in items(root) if item.group.startswith("features/")]
    progress = Progress(show=True, log=click.echo)
    wrong = []
    with progress.stage("files", len(found)) as advance:
        for path in damaged(found, advance):
            wrong.append(path)
            progress.say(f"damaged: {path}")
            if removing:
                remove(path)
    if wrong and not removing:
        raise KapbenchError(
            f"{len(wrong):,} of {len(found):,} files are damaged", place=root,
            fix="add --remove; a run that needs them encodes them again",
        )  # fmt: skip
    removed = f", {len(wrong):,} damaged ones removed" if wrong else " and whole"
    click.echo(f"{len(found):,} files read{removed}: {root}")


@cache.command("evict")
@_folder
@click.option("--limit", type=size, required=True, metavar="SIZE", help="E.g. 50GB.")
@click.option("--dry-run", is_flag=True, help="Say what would go, remove nothing.")
def evict(root: Path, limit: int, dry_run: bool) -> None:
    """Remove the least recently used, down to SIZE.

    What is gone is made again by what needs it. Not beside a run: it may need what goes.
    """
    from kapbench.features.cache_admin import items, remove, to_evict

    found = list(items(root))
    gone = to_evict(found, limit)
    if not dry_run:
        for item in gone:
            remove(item.path)
    before, freed = sum(i.n_bytes for i in found), sum(i.n_bytes for i in gone)
    would = "would be removed" if dry_run else "removed"
    click.echo(
        f"{len(gone):,} of {len(found):,} files {would}, {shown(freed)}; "
        f"{shown(before - freed)} left in {root}"
    )


def shown(n_bytes: int) -> str:
    from rich.filesize import decimal

    return decimal(n_bytes)


def _print(found: "list[Group]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("made by", "files", "size", "last used", "folder", box=None, pad_edge=False)
    for column in table.columns[1:3]:
        column.justify = "right"
    for group in found:
        day = datetime.fromtimestamp(group.used, UTC).strftime("%Y-%m-%d")
        table.add_row(group.maker, f"{group.n_files:,}", shown(group.n_bytes), day, group.group)
    Console(highlight=False).print(table)
