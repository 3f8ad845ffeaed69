"""`kapbench run`: score a model on a data set, beside the random control."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kapbench.cli.distributed import Machines, machine_options
from kapbench.cli.grouped_help import GroupedCommand
from kapbench.cli.options import Spec, dataset_options, shown_path
from kapbench.cli.results_table import CONTROL, control_request, finished_ceiling, print_table
from kapbench.cli.run_options import HEADINGS, RunOptions, running_options

if TYPE_CHECKING:
    from kapbench.protocols import Dataset
    from kapbench.types import Coverage


ALREADY_FINISHED = (
    "This run was already finished, so nothing was computed again. If you changed something that the "
    "model's revision does not cover, change the revision, or use --force."
)


class RunCommand(GroupedCommand):
    """Points from an option that does not exist to `-o`, which takes the arguments of a model."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            key = error.option_name.lstrip("-").replace("-", "_")
            advice = f"{error.message} An argument of the model is written -o {key}=VALUE."
            raise click.NoSuchOption(error.option_name, advice, ctx=ctx) from error


@click.command(cls=RunCommand, headings=HEADINGS)
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    help="A name of `kapbench list models`, features:DIR, similarity:DIR, or FILE.py:CLASS.",
)
@click.option(
    "--dataset",
    required=True,
    metavar="NAME",
    help="A name of `kapbench list datasets`, e.g. spair, or coco:FILE, manifest:FILE, or "
    "FILE.py:CLASS.",
)
@click.option(
    "-o",
    "--option",
    "model_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the model, e.g. weights=FILE or backbone=lite0. Repeat it for more. (In "
    "`compare`, `show` and `site`, -o is the output instead.)",
)
@dataset_options
@running_options
@machine_options
def run(
    model: str,
    dataset: str,
    model_options: tuple[str, ...],
    dataset_options: tuple[str, ...],
    chosen: RunOptions,
    machines: Machines,
) -> None:
    """Score a model on a data set under one or more rules of KAP and PCK.

    Writes a run folder (run.json and records.parquet) and prints its table. The same command
    resumes a run that was stopped.

    \b
    Examples:
      kapbench run --model sphere --dataset synthetic
      kapbench run --model lite0 --dataset spair --category cat --category dog
      kapbench run --model features:DIR --dataset spair --rule kap-cvpr24
      kapbench run --model sphere --dataset cub -o weights=FILE -o backbone=lite0
      kapbench run --model my_adapter.py:MyModel --dataset synthetic -o layers=3
      kapbench run --model lite0 --dataset spair --reverse
      kapbench run --model lite0 --dataset spair --corrupt fog:3
      kapbench run --model dift --dataset spair --shard 3/8   # join: without it
      kapbench run --model dift --dataset spair --executor slurm --shards 8
    """
    from kapbench.running.run import run as score
    from kapbench.running.run import run_opened
    from kapbench.running.run_folder import check_writable

    model_spec, dataset_spec = Spec(model, model_options), Spec(dataset, dataset_options)
    machines.check()
    chosen.check(model_spec)
    check_writable(chosen.runs_root)
    opened = chosen.open_dataset(dataset_spec)
    by_names = chosen.request(model_spec, dataset_spec, opened)
    request = replace(by_names, dataset=opened)
    progress = replace(chosen.progress(), says_remarks=False)
    coverage = _coverage(opened, chosen)
    chosen.say(f"{opened.name}, split {opened.split}: {coverage}")
    for note in _notes(opened):
        chosen.say(f"note: {note}")
    if machines.distributed and not machines.score(by_names, opened, progress):
        return
    chosen.say(f"Scoring {model}")
    opened_run = request.open()
    if opened_run.finished and not chosen.force:
        chosen.say(ALREADY_FINISHED)
    result = run_opened(opened_run, progress)
    results = [result]
    if chosen.control:
        control = control_request(request)
        if control is not None and result.card.model.name != CONTROL:
            chosen.say(f"Scoring {CONTROL}, the control")
            results.append(score(control, progress))
        results += filter(None, [finished_ceiling(request)])
    print_table(results, request.rules, named=bool(chosen.rules))
    if chosen.quiet:
        return
    assert result.folder is not None
    folder = shown_path(result.folder)
    click.echo(
        f"run folder: {folder}\npictures: kapbench show report {shlex.quote(folder)} -o pictures"
    )


def _coverage(dataset: "Dataset", chosen: RunOptions) -> "Coverage":
    """What will be scored, of what the split should have."""
    coverage = dataset.coverage
    if chosen.categories:
        present = tuple(name for name in coverage.categories if name in chosen.categories)
        n_pairs = len(dataset.pairs(chosen.categories))
        coverage = replace(coverage, categories=present, n_pairs=n_pairs)
    if chosen.limit is not None:
        coverage = replace(coverage, n_pairs=min(chosen.limit, coverage.n_pairs))
    return coverage


def _notes(dataset: "Dataset") -> Iterator[str]:
    from kapbench.protocols import remarks_on
    from kapbench.running.plan import kap_is_defined

    if not kap_is_defined(dataset):
        yield (
            "KAP is not defined on this data set, because no keypoint is ever absent from a target "
            "or distances are relative to the image. Only PCK is scored."
        )
    yield from remarks_on(dataset)
