"""What every command that runs models has in common: its options, and the running."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kapbench.cli.options import data_root, offline, runs_root

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench.protocols import Dataset, Model
    from kapbench.running.results import RunCard
    from kapbench.running.run import Finished
    from kapbench.scoring.rules import Rule
    from kapbench.types import Coverage

CONTROL, CEILING = "random", "oracle"
ALPHA = 0.10  # of the table
_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--category", "categories", multiple=True, help="Only this one; may be repeated."),
    click.option("--rule", "rules", multiple=True, help="A name or a .json file; may be repeated."),
    data_root,
    runs_root,
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the feature cache. Default: $KAPBENCH_CACHE, else the user cache folder.",
    ),
    click.option("--no-cache", is_flag=True, help="Keep features only while the run lasts."),
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Images encoded at once; default: 4 on a CPU, 32 on a GPU, halved where memory ends.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        show_default=True,
        help="Of an encoder's matrix products; another is another model.",
    ),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
    ),
    click.option(
        "--force",
        is_flag=True,
        help="Score again what is finished; with --no-cache, encode again too.",
    ),
    click.option(
        "--control/--no-control",
        default=True,
        show_default=True,
        help="Score the random control too, and show the oracle where it was scored.",
    ),
    offline,
    click.option("-q", "--quiet", is_flag=True, help="No progress, no coverage line."),
)


def running_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_names(
    model: str, options: dict[str, Any], rules: Sequence[str] = (), device: str = "cpu"
) -> None:
    """KapbenchError for what is mistyped, before a data set is opened or rendered for minutes."""
    from kapbench.loading import check_model, pick_device
    from kapbench.scoring.rules import load_rule

    check_model(model, options)
    for rule in rules:
        load_rule(rule)
    pick_device(device)


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
    batch_size: int | None
    precision: str
    device: str
    force: bool
    quiet: bool
    told: "Progress | None" = None  # who shows it, where not this command's own bar does

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
        if self.told is not None:
            self.told.say(message)
        elif not self.quiet:
            click.echo(message, err=True)

    def progress(self) -> "Progress":
        from kapbench.progress import Progress

        return self.told or Progress(
            show=not self.quiet, log=lambda line: click.echo(line, err=True)
        )

    def coverage(self) -> "Coverage":
        """What will be evaluated, of what the split is meant to have."""
        whole = self.dataset.coverage
        if not self.categories:
            return whole
        chosen = tuple(c for c in whole.categories if c in self.categories)
        n_pairs = len(self.dataset.pairs(self.categories))
        return replace(whole, categories=chosen, n_pairs=n_pairs)

    def score(self, name: str, options: dict[str, Any]) -> "Finished":
        from kapbench.loading import load_model

        model = load_model(
            name, device=self.device, dataset=self.dataset.name, precision=self.precision, **options
        )
        return self._run(model, self.rules_asked, force=self.force)

    def control(self) -> "Finished | None":
        """The random control on the same pairs; None where no rule asked for can score it."""
        from kapbench.loading import load_model

        rules = self._rules_of_maps
        return self._run(load_model(CONTROL), rules, force=False) if rules else None

    def ceiling(self) -> "tuple[Path, RunCard] | None":
        """The oracle's finished run of the same pairs and rules, where one lies in the run folder."""
        from kapbench.loading import load_model
        from kapbench.running.plan import make_plan
        from kapbench.running.results import CARD, load_card
        from kapbench.running.run import run_folder

        if not self._rules_of_maps:
            return None
        model = load_model(CEILING)
        plan = make_plan(model, self.dataset, self._rules_of_maps, self.categories or None)
        folder = run_folder(self.runs_root, model, self.dataset, plan)
        return (folder, load_card(folder)) if (folder / CARD).exists() else None

    @property
    def _rules_of_maps(self) -> "list[Rule]":
        return [rule for rule in self.rules_asked if not _needs_features(rule)]

    def _run(self, model: "Model", rules: "Sequence[Rule]", *, force: bool) -> "Finished":
        from kapbench.loading import pick_device
        from kapbench.paths import cache_root
        from kapbench.running.run import run as run_model

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


def _needs_features(rule: "Rule") -> bool:
    return rule.metric == "pck" and rule.decode.offset == "pixel"
