"""The options that `run` and `sweep` share, and the request that they make."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.grouped_help import gathered
from kapbench.cli.options import (
    Spec,
    cache_folder,
    data_root,
    key_values,
    offline,
    runs_root,
    typed,
)
from kapbench.datasets.altering.corruption_names import NAMES, parse_corruption, parse_corruptions
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench.protocols import Dataset
    from kapbench.running.request import RunRequest

HEADINGS = {
    "What to score": "--model --dataset --split --category --rule --option --dataset-option "
    "--reverse --corrupt --limit --label",
    "Where things are": "--data-root --runs --cache --no-cache --offline",
    "How it runs": "--device --precision --batch-size --workers --isolated --model-seconds --force "
    "--steal-lock --control --quiet",
    "Many machines": "--shard --shards --executor --scheduler --slurm",
}


@dataclass(frozen=True)
class RunOptions:
    """What the user chose for every run of the command."""

    split: str
    categories: tuple[str, ...]
    rules: tuple[str, ...]  # names and files
    data_root: Path | None
    runs_root: Path
    cache_root: Path
    no_cache: bool
    device: str
    precision: str
    batch_size: int | None
    workers: int
    force: bool
    steal_lock: bool
    control: bool
    quiet: bool
    limit: int | None
    label: str | None
    isolated: bool
    model_seconds: float | None
    reverse: bool
    corrupt: tuple[str, ...]  # fog:3, for a sweep also fog:1,3,5

    def check(self, model: Spec) -> None:
        """KapbenchError for a wrong model, option, rule or device, before a data set is opened."""
        from kapbench.isolated.load import check_isolated
        from kapbench.loading import check_model, pick_device
        from kapbench.models.saved_maps_folder import check_saved_maps_folder
        from kapbench.scoring.rules import load_rule

        if self.isolated:  # none of the model's code is loaded in this process
            check_isolated(model.name)
            key_values("models", model.name, model.options)
        else:
            check_model(model.name, typed("models", model.name, model.options))
            check_saved_maps_folder(model.name)
            if self.model_seconds is not None:
                raise KapbenchError(
                    "--model-seconds has no effect on a model that is not isolated",
                    place="--model-seconds",
                    fix="Add --isolated, or leave --model-seconds out",
                )
        for rule in self.rules:
            load_rule(rule)
        pick_device(self.device)

    def open_dataset(self, dataset: Spec) -> "Dataset":
        from kapbench.loading import load_dataset

        options: dict[str, Any] = {"split": self.split, "data_root": self.data_root}
        return load_dataset(dataset.name, **options | self.dataset_options(dataset))

    def dataset_options(self, dataset: Spec) -> dict[str, Any]:
        """Those of the data set, and the alterations that the command asks for.

        Raises:
            KapbenchError: a wrong option; more than one corruption; an alteration that is asked for
                in both ways.
        """
        from kapbench.datasets.altering.alter import altering_options

        if len(self.corrupt) > 1:
            raise KapbenchError(
                "A run has one corruption", place="--corrupt", fix="Use kapbench sweep for several"
            )
        corrupt = self.corrupt[0] if self.corrupt else None
        if corrupt is not None:
            parse_corruption(corrupt)
        altering = altering_options(reverse=self.reverse, corrupt=corrupt)
        options = typed("datasets", dataset.name, dataset.options)
        for name in options.keys() & altering.keys():
            raise KapbenchError(
                f"--{name} is given, and {name} is an option of the data set as well",
                place=f"data set {dataset.name}",
                fix="Give one of the two",
            )
        return options | altering

    def request(self, model: Spec, dataset: Spec, opened: "Dataset") -> "RunRequest":
        """The run of a model on an opened data set. KapbenchError for a wrong rule or option."""
        from kapbench.isolated.load import SECONDS
        from kapbench.running.plan import rules_named
        from kapbench.running.request import RunRequest

        return RunRequest(
            model.name,
            dataset.name,
            rules_named(self.rules, opened),
            runs_root=self.runs_root,
            cache_root=None if self.no_cache else self.cache_root,
            split=self.split,
            categories=self.categories or None,
            model_options={} if self.isolated else typed("models", model.name, model.options),
            dataset_options=self.dataset_options(dataset),
            data_root=self.data_root,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            workers=self.workers,
            force=self.force,
            steal_lock=self.steal_lock,
            limit=self.limit,
            label=self.label,
            command=_in_utf8(shlex.join(["kapbench", *sys.argv[1:]])),
            isolated=self.isolated,
            option_texts=model.options if self.isolated else (),
            model_seconds=self.model_seconds or SECONDS,
        )

    def progress(self) -> "Progress":
        from kapbench.progress import Progress

        return Progress(show=not self.quiet, log=self.say)

    def say(self, message: str) -> None:
        if not self.quiet:
            click.echo(message, err=True)


def _in_utf8(text: str) -> str:
    """The text with bytes of file names that are not UTF-8 written out, as run.json needs it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def checked_label(_ctx: click.Context, _option: click.Parameter, label: str | None) -> str | None:
    if label is not None and not re.fullmatch(r"\w[\w .+-]{0,59}", label):
        raise click.BadParameter(
            "use at most 60 letters, digits, spaces, _ . + and -; a letter or digit first"
        )
    return label


def _checked_corruptions(
    _ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    for text in texts:
        parse_corruptions(text)
    return texts


running_options = gathered(
    "chosen",
    RunOptions,
    click.option(
        "--split",
        default="test",
        help="The split of the data set whose pairs are scored, e.g. test or val.",
    ),
    click.option(
        "--category",
        "categories",
        multiple=True,
        metavar="NAME",
        help="Score this category only, e.g. cat. Repeat it for more. Default: all categories.",
    ),
    click.option(
        "--rule",
        "rules",
        multiple=True,
        metavar="NAME|FILE",
        help="Score by this rule, e.g. kap-v1, pck-omniprobe, pck-v1-soft-window5-temperature0.04 "
        "or my_rule.json. Repeat it for more. Default: the rules of Spherical Maps, Jamais Vu and "
        "kapbench; `kapbench list rules` shows all.",
    ),
    click.option(
        "--reverse",
        is_flag=True,
        help="Match keypoints from the target to the source. The data set's revision says so, and "
        "such a run cannot be submitted.",
    ),
    click.option(
        "--corrupt",
        multiple=True,
        metavar="NAME:SEVERITY",
        callback=_checked_corruptions,
        help="Corrupt every image, e.g. fog:3; severities are 1 to 5. For sweep, also fog:1,3,5, and "
        "it can be repeated. The data set's revision says so, and such a run cannot be submitted. "
        f"NAME is one of {', '.join(NAMES)}.",
    ),
    data_root,
    runs_root,
    cache_folder,
    click.option("--no-cache", is_flag=True, help="Keep features only while the run lasts."),
    offline,
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        help="Where images are encoded and pairs scored; auto takes a GPU where there is one.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        help="Number format of an encoder's matrix products. The results of bf16 and fp16 are "
        "listed as another model.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Images encoded at once. Default: 4 on a CPU, 32 on a GPU; halved when memory runs "
        "out.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        default=1,
        help="Number of processes that score pairs of an encoder, e.g. one for each core.",
    ),
    click.option(
        "--isolated",
        is_flag=True,
        help="Run the model in a process of its own, which gets pictures and query points and "
        "cannot read annotations from memory; where the system allows it, it has no network and "
        "sees no files but its own.",
    ),
    click.option(
        "--model-seconds",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="With --isolated: the most seconds for loading the model, a batch or a pair. Default: "
        "600.",
    ),
    click.option("--force", is_flag=True, help="Encode and score again what is finished."),
    click.option(
        "--steal-lock",
        is_flag=True,
        help="Write a run folder that a process of another machine has locked. Use it only where "
        "that machine has stopped.",
    ),
    click.option(
        "--control/--no-control",
        default=True,
        help="Score the random control as well, and show the oracle if it was scored before.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Print only the table, with the notes that belong to it: no progress, no messages.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Score only N pairs, evenly over the categories, to try something out. Every table "
        "says so, and such a run cannot be submitted.",
    ),
    click.option(
        "--label",
        callback=checked_label,
        metavar="TEXT",
        help="Your name for the run, which lists and tables show. `compare` and `show` find the run "
        "by it.",
    ),
)
