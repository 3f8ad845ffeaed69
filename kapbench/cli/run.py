"""`kapbench run`: score a model on a data set, beside the random control."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.board import board
from kapbench.cli.options import data_root, offline, runs_root, shown_path, typed
from kapbench.cli.spread import Names, Spread, spread_options

if TYPE_CHECKING:
    from kapbench.protocols import Dataset, Model
    from kapbench.running.progress import Progress
    from kapbench.running.runner import Finished
    from kapbench.scoring.rules import Rule
    from kapbench.types import Coverage

CONTROL = "random"
ALPHA = 0.10  # of the table


@click.command()
@click.option(
    "--model", required=True, help="A name, features:DIR, similarity:DIR or FILE.py:Class."
)
@click.option(
    "--dataset", "dataset_name", required=True, help="A name, see `kapbench list datasets`."
)
@click.option("--split", default="test", show_default=True)
@click.option("--category", "categories", multiple=True, help="Only this one; may be repeated.")
@click.option("--rule", "rules", multiple=True, help="A name or a .json file; may be repeated.")
@click.option("--weights", help="Trained weights, of models that take some.")
@click.option("--backbone", help="Encoder under the model, of models that take one.")
@click.option("--sphere-weight", type=click.FloatRange(0, 1), help="Share of the sphere's cosine.")
@click.option("-o", "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the model.")
@click.option("--dataset-option", "dataset_options", multiple=True, metavar="KEY=VALUE")
@data_root
@runs_root
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the feature cache. Default: $KAPBENCH_CACHE, else the user cache folder.",
)
@click.option("--no-cache", is_flag=True, help="Keep features only while the run lasts.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--force", is_flag=True, help="Score again what is finished; with --no-cache, encode again too."
)
@click.option(
    "--control/--no-control", default=True, show_default=True, help="Score the random control too."
)
@spread_options
@offline
@click.option("-q", "--quiet", is_flag=True, help="No progress, no coverage line.")
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
      kapbench run --model dift --dataset spair --shard 3/8       # then without, to join
      kapbench run --model dift --dataset spair --executor slurm --shards 8 --slurm gpus_per_node=1
    """
    from kapbench.evaluation import load_dataset

    spread = Spread(shard, executor, shards, scheduler, slurm)
    given = {"weights": weights, "backbone": backbone, "sphere_weight": sphere_weight}
    dataset = load_dataset(
        dataset_name,
        **{"split": split, "data_root": data_root}
        | typed("datasets", dataset_name, dataset_options),
    )
    job = RunJob(dataset, rules, categories, quiet=quiet, **running)
    named = {key: value for key, value in given.items() if value is not None}
    job.say(f"{dataset.name}, {split}: {job.coverage()}")
    for remark in (*_without_kap(dataset), *getattr(dataset, "remarks", ())):
        job.say(f"note: {remark}")
    options_of_model = named | typed("models", model, options)
    if spread.wanted:
        names = Names(model, dataset_name, options_of_model, split, data_root, dataset_options)
        if not spread.over(job, names):
            return
    done = job.score(model, options_of_model)
    shown = {done.folder: done.card}
    if control and done.card.model.name != CONTROL and (beside := job.control()) is not None:
        shown[beside.folder] = beside.card
    click.echo(board()(shown, rules=job.rule_names or None, alpha=job.alpha), nl=False)
    click.echo(f"run folder: {shown_path(done.folder)}")


@dataclass
class RunJob:
    """What a model and its control have in common."""

    dataset: "Dataset"
    rules: tuple[str, ...]
    categories: tuple[str, ...]
    runs_root: Path
    cache: Path | None
    no_cache: bool
    workers: int
    batch_size: int
    device: str
    force: bool
    quiet: bool

    @functools.cached_property
    def rules_asked(self) -> "list[Rule]":
        from kapbench.running.plan import rules_named

        return rules_named(self.rules, self.dataset)

    @property
    def rule_names(self) -> list[str]:
        """Names of the rules asked for; a rule file's name is inside it."""
        return [rule.name for rule in self.rules_asked] if self.rules else []

    @property
    def alpha(self) -> float:
        """What the table shows: the usual alpha, or the rules' first where none has that."""
        alphas = [alpha for rule in self.rules_asked for alpha in rule.alphas]
        return ALPHA if ALPHA in alphas else alphas[0]

    def say(self, message: str) -> None:
        if not self.quiet:
            click.echo(message, err=True)

    def progress(self) -> "Progress":
        from kapbench.running.progress import Progress

        return Progress(show=not self.quiet, log=lambda line: click.echo(line, err=True))

    def coverage(self) -> "Coverage":
        """What will be evaluated, of what the split is meant to have."""
        whole = self.dataset.coverage
        if not self.categories:
            return whole
        chosen = tuple(c for c in whole.categories if c in self.categories)
        n_pairs = len(self.dataset.pairs(self.categories))
        return replace(whole, categories=chosen, n_pairs=n_pairs)

    def score(self, name: str, options: dict[str, Any]) -> "Finished":
        from kapbench.evaluation import load_model

        model = load_model(name, device=self.device, dataset=self.dataset.name, **options)
        return self._run(model, self.rules_asked, force=self.force)

    def control(self) -> "Finished | None":
        """The random control on the same pairs; None where no rule asked for can score it."""
        from kapbench.evaluation import load_model

        model = load_model(CONTROL)
        rules = [rule for rule in self.rules_asked if not _needs_features(rule)]
        return self._run(model, rules, force=False) if rules else None

    def _run(self, model: "Model", rules: "Sequence[Rule]", *, force: bool) -> "Finished":
        from kapbench.datasets.roots import cache_root
        from kapbench.evaluation import pick_device
        from kapbench.running.runner import run as run_model

        self.say(f"scoring {model.name}")
        return run_model(
            model,
            self.dataset,
            rules,
            runs_root=self.runs_root,
            cache_root=None if self.no_cache else self.cache or cache_root(),
            categories=self.categories or None,
            workers=self.workers,
            batch_size=self.batch_size,
            device=pick_device(self.device),
            force=force,
            progress=self.progress(),
        )


def _without_kap(dataset: "Dataset") -> tuple[str, ...]:
    from kapbench.running.plan import kap_is_defined

    said = "KAP is not defined here: no keypoint is ever absent, or T is the image's; PCK alone"
    return () if kap_is_defined(dataset) else (said,)


def _needs_features(rule: "Rule") -> bool:
    return rule.metric == "pck" and rule.decode.offset == "pixel"
