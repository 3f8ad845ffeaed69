"""`kapbench reproduce`: a published number, or an entry of the board, measured again."""

import json
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.options import (
    FILE,
    cache_folder,
    data_root,
    model_options,
    offline,
    output_format,
    runs_root,
    shown_path,
    typed,
)
from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.commands.isolated_option import isolated_option

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench_leaderboard.published.schema import Quoted
    from kapbench_leaderboard.reproduce.requests import Choices


@click.command()
@click.argument("name", required=False)
@click.option(
    "--list",
    "list_only",
    is_flag=True,
    help="List what can be repeated, and what of it is on this machine. NAME is then a text that "
    "names, sources, models or data sets contain.",
)
@click.option(
    "--all", "show_all", is_flag=True, help="With --list: also numbers that no command repeats."
)
@click.option(
    "--dataset", metavar="TEXT", help="With --list: of data sets whose name contains this."
)
@click.option(
    "--model",
    metavar="TEXT",
    help="With --list: of models whose name contains this. Else the model of an entry, if its own is "
    "not installed.",
)
@output_format("text", "json")
@model_options
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The model's trained weights, as -o weights=FILE. Of an entry, their sha256 is compared with "
    "the one in its card.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    metavar="POINTS",
    help="The difference that agrees, of numbers × 100. Default: that of the number; for an entry 0.05, "
    "or what one keypoint or pair of the score makes, if that is more.",
)
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reproductions"),
    help="Folder for the report, as Markdown and JSON.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboard/results"),
    help="Folder of the board's entries.",
)
@click.option(
    "--published",
    "published_file",
    type=FILE,
    help="A file of published numbers, in place of those that come with kapbench.",
)
@data_root
@runs_root
@cache_folder
@click.option("--no-cache", is_flag=True, help="Keep features only while the run lasts.")
@offline
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where images are encoded and pairs scored; auto takes a GPU where there is one.",
)
@click.option("--batch-size", type=click.IntRange(1), help="Images encoded at once.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, help="Number of processes that score pairs."
)
@click.option("--force", is_flag=True, help="Encode and score again what is finished.")
@isolated_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no messages.")
def reproduce(
    name: str | None,
    list_only: bool,
    show_all: bool,
    dataset: str | None,
    model: str | None,
    how: str,
    options: tuple[str, ...],
    weights: Path | None,
    tolerance: float | None,
    report_folder: Path,
    results: Path,
    published_file: Path | None,
    data_root: Path | None,
    runs_root: Path,
    cache_root: Path,
    no_cache: bool,
    device: str,
    batch_size: int | None,
    workers: int,
    force: bool,
    isolated: bool | None,
    quiet: bool,
) -> None:
    """Measure a published number, or an entry of the board, again.

    NAME is a published number as --list shows it, DATASET/MODEL of an entry, or its path. The run is
    that of `kapbench run`: stopped, it resumes; finished, it is read back. The status is 0 if the
    numbers agree within the tolerance, else 1.

    \b
    Examples:
      kapbench reproduce --list
      kapbench reproduce --list dinov2 --dataset spair
      kapbench reproduce sd-dino.spair.dinov2-b14 --device cuda
      kapbench reproduce diy-sc.images.dino-spair --weights best.pth
      kapbench reproduce synthetic/lite0
    """
    from kapbench_leaderboard.published.load import published

    quoted = published(published_file)
    if list_only:
        _list(quoted, results, name, dataset, model, data_root, show_all=show_all, how=how)
        return
    if name is None:
        raise click.UsageError("Give the NAME of a published number or of an entry, or --list.")
    if dataset or show_all:
        raise click.UsageError("--dataset and --all are for --list; NAME says the data set.")
    from kapbench_leaderboard.reproduce.requests import Choices

    chosen = Choices(
        runs_root=runs_root,
        cache_root=None if no_cache else cache_root,
        data_root=data_root,
        device=device,
        batch_size=batch_size,
        workers=workers,
        force=force,
        model=model,
        texts=_with_weights(options, weights),
        typed=lambda spec, texts: typed("models", spec, texts),
        isolated=isolated,
        command=shlex.join(["kapbench", *sys.argv[1:]]),
    )
    _measure(quoted, name, results, chosen, tolerance, report_folder, how=how, quiet=quiet)


def _with_weights(options: tuple[str, ...], weights: Path | None) -> tuple[str, ...]:
    if weights is None:
        return options
    if any(text.startswith("weights=") for text in options):
        raise click.UsageError("--weights is the same as -o weights=FILE. Leave one of them out.")
    return (*options, f"weights={weights}")


def _list(
    quoted: "Quoted",
    results: Path,
    text: str | None,
    dataset: str | None,
    model: str | None,
    data_root: Path | None,
    *,
    show_all: bool,
    how: str,
) -> None:
    from kapbench_leaderboard.reproduce.availability import Availability
    from kapbench_leaderboard.reproduce.listing import lines_of, listed

    here = Availability(data_root)
    every = listed(quoted, results, here, text=text, dataset=dataset, model=model)
    if how == "json":
        lines = [asdict(each) for each in every if each.repeated or show_all]
        click.echo(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    for line in lines_of(every, show_all=show_all):
        click.echo(escape_hidden(line))
    if not results.is_dir():
        click.echo(
            "`kapbench reproduce DATASET/MODEL` repeats an entry of the board. Entries are in\n"
            "leaderboard/results of a clone: --results FOLDER."
        )


def _measure(
    quoted: "Quoted",
    name: str,
    results: Path,
    chosen: "Choices",
    tolerance: float | None,
    report_folder: Path,
    *,
    how: str,
    quiet: bool,
) -> None:
    from kapbench_leaderboard.reproduce.outcome import measure, prepare
    from kapbench_leaderboard.reproduce.report import make_report, write_report
    from kapbench_leaderboard.reproduce.targets import find_target, known_disagreement
    from kapbench_leaderboard.reproduce.terminal import text_of

    target = find_target(name, quoted, results)
    progress = _progress(quiet)
    progress.say(f"Repeating {target.name}")
    known = known_disagreement(target, quoted)
    for note in known:
        progress.say(f"note: {note}")
    prepared = prepare(target, chosen)
    prepared = replace(prepared, notes=(*known, *prepared.notes))
    progress.say(f"The same run: {prepared.command}")
    progress.say(f"Scoring {prepared.model}")
    outcome = measure(target, prepared, tolerance, progress)
    report = make_report(outcome)
    paths = write_report(report, report_folder)
    if how == "json":
        click.echo(report.model_dump_json(indent=1))
    else:
        click.echo(escape_hidden(text_of(outcome), allowed="\n"))
        click.echo(f"report: {' and '.join(map(shown_path, paths))}")
    if not outcome.agrees:
        raise SystemExit(1)


def _progress(quiet: bool) -> "Progress":
    from kapbench.progress import Progress

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    return Progress(show=not quiet, log=say)
