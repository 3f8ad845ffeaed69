"""`kapbench runs`: remove finished runs."""

import shutil
from contextlib import suppress
from pathlib import Path

import click

from kapbench.cli.options import runs_root, shown_path
from kapbench.cli.run_filter import RunFilter, of_categories, of_dataset
from kapbench.errors import KapbenchError, counted
from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.commands.select_runs import named_runs

# What a run folder may hold; a folder that holds anything else is not removed.
_CONTENTS = {"run.json", "records.parquet", "sessions.json", ".lock", "parts"}
_FOLDERS_ABOVE = 3  # of a run: DATA@REVISION/MODEL@REVISION/RULES


@click.group()
def runs() -> None:
    """Remove finished runs.

    `kapbench list runs` lists them.

    \b
    Examples:
      kapbench runs rm lite0 --dataset synthetic
    """


@runs.command()
@click.argument("names", metavar="RUNS...", nargs=-1, required=True)
@runs_root
@of_dataset
@of_categories
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(
    names: tuple[str, ...],
    runs_root: Path,
    dataset: str | None,
    categories: tuple[str, ...],
    yes: bool,
) -> None:
    """Remove run folders, after a question.

    RUNS are run folders, folders that hold runs, names of models, or labels. Features in the cache
    stay; `kapbench cache evict` removes them.

    \b
    Examples:
      kapbench runs rm lite0
      kapbench runs rm baseline ablation --yes
    """
    selected = named_runs(names, runs_root, only=RunFilter(dataset, categories))
    for folder in selected:
        _refuse_other_contents(folder)
    for folder, card in selected.items():
        line = f"{card.model.name} on {card.dataset.name}: {shown_path(folder)}"
        click.echo(escape_hidden(line), err=True)
    if not yes:
        click.confirm(f"Remove {counted(len(selected), 'run folder')}?", abort=True, err=True)
    for folder in selected:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise KapbenchError(
                f"The run folder cannot be removed: {error.strerror or error}",
                place=folder,
                fix="Make the disk and the folder writable, then repeat the command",
            ) from error
        with suppress(OSError):  # other runs, or other files, are in it
            for parent in list(folder.parents)[:_FOLDERS_ABOVE]:
                parent.rmdir()
        click.echo(f"removed: {shown_path(folder)}")


def _refuse_other_contents(folder: Path) -> None:
    others = sorted({path.name for path in folder.iterdir()} - _CONTENTS)
    if folder.is_symlink() or others:
        raise KapbenchError(
            f"The run folder also holds {', '.join(others) or 'a link'}",
            place=folder,
            fix="Move that elsewhere, or remove the folder yourself",
        )
