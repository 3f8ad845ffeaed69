"""`kapbench run`: score a model on a data set, beside the random control."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.distributed import Names, Spread, spread_options
from kapbench.cli.options import shown_path, typed
from kapbench.cli.report_hook import runs_table
from kapbench.cli.run_options import CONTROL, RunJob, check_names, running_options

if TYPE_CHECKING:
    from kapbench.protocols import Dataset


@click.command()
@click.option(
    "--model", required=True, help="A name, features:DIR, similarity:DIR or FILE.py:Class."
)
@click.option(
    "--dataset", "dataset_name", required=True, help="A name, see `kapbench list datasets`."
)
@click.option("--split", default="test", show_default=True)
@click.option("--weights", help="Trained weights, of models that take some.")
@click.option("--backbone", help="Encoder under the model, of models that take one.")
@click.option("--sphere-weight", type=click.FloatRange(0, 1), help="Share of the sphere's cosine.")
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the model, by its name; may be repeated.",
)
@click.option(
    "--dataset-option",
    "dataset_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the data set, by its name; may be repeated.",
)
@running_options
@spread_options
def run(
    model: str,
    dataset_name: str,
    split: str,
    categories: tuple[str, ...],
    rules: tuple[str, ...],
    weights: str | None,
    backbone: str | None,
    sphere_weight: float | None,
    options: tuple[str, ...],
    dataset_options: tuple[str, ...],
    data_root: Path | None,
    quiet: bool,
    control: bool,
    shard: str | None,
    executor: str,
    shards: int | None,
    scheduler: str | None,
    slurm: tuple[str, ...],
    **running: Any,
) -> None:
    """Score a model on a data set under every rule that one pass serves.

    Writes a run folder (run.json and records.parquet) and prints its table. A run that was
    stopped is resumed by the same command.

    \b
    Examples:
      kapbench run --model sphere --dataset synthetic
      kapbench run --model lite0 --dataset spair --category cat --category dog
      kapbench run --model features:DIR --dataset spair --rule kap-cvpr24
      kapbench run --model my_adapter.py:MyModel --dataset synthetic -o layers=3
      kapbench run --model lite0 --dataset synthetic --dataset-option marking=1
      kapbench run --model dift --dataset spair --shard 3/8       # then without, to join
      kapbench run --model dift --dataset spair --executor slurm --shards 8 --slurm gpus_per_node=1
    """
    from kapbench.loading import load_dataset

    spread = Spread(shard, executor, shards, scheduler, slurm)
    given = {"weights": weights, "backbone": backbone, "sphere_weight": sphere_weight}
    named = {key: value for key, value in given.items() if value is not None}
    options_of_model = named | typed("models", model, options)
    check_names(model, options_of_model, rules, running["device"])
    dataset = load_dataset(
        dataset_name,
        **{"split": split, "data_root": data_root}
        | typed("datasets", dataset_name, dataset_options),
    )
    job = RunJob(dataset, rules, categories, quiet=quiet, **running)
    job.say(f"{dataset.name}, {split}: {job.coverage()}")
    for remark in (*_without_kap(dataset), *getattr(dataset, "remarks", ())):
        job.say(f"note: {remark}")
    if spread.wanted:
        names = Names(model, dataset_name, options_of_model, split, data_root, dataset_options)
        if not spread.over(job, names):
            return
    done = job.score(model, options_of_model)
    shown = {done.folder: done.card}
    if control and done.card.model.name != CONTROL and (beside := job.control()) is not None:
        shown[beside.folder] = beside.card
    if control and (ceiling := job.ceiling()) is not None:
        shown[ceiling[0]] = ceiling[1]
    click.echo(runs_table()(shown, rules=job.rule_names or None, alpha=job.alpha), nl=False)
    click.echo(f"run folder: {shown_path(done.folder)}")
    click.echo(f"pictures: kapbench show report {shlex.quote(shown_path(done.folder))} -o pictures")


def _without_kap(dataset: "Dataset") -> tuple[str, ...]:
    from kapbench.running.plan import kap_is_defined

    said = "KAP is not defined here: no keypoint is ever absent, or T is the image's; PCK alone"
    return () if kap_is_defined(dataset) else (said,)
