"""The table that `run` and `sweep` print, and its two controls: random, and the oracle as ceiling."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kapbench.cli.report_hook import runs_table
from kapbench.running.board_plugin import board_function

if TYPE_CHECKING:
    from kapbench.running.request import RunRequest
    from kapbench.running.result_set import ResultSet
    from kapbench.scoring.rules import Rule

CONTROL, CEILING = "random", "oracle"
ALPHA = 0.10


def control_request(request: "RunRequest", model: str = CONTROL) -> "RunRequest | None":
    """The run of a control on the same pairs; None where no rule can score similarity maps."""
    rules = tuple(rule for rule in request.rules if not _needs_features(rule))
    if not rules:
        return None
    return replace(
        request,
        model=model,
        rules=rules,
        model_options={},
        precision="fp32",
        force=False,
        label=None,
        isolated=False,
        option_texts=(),
    )


def finished_ceiling(request: "RunRequest") -> "ResultSet | None":
    """The oracle's run on the same pairs by the same rules, where it was scored before."""
    from kapbench.running.result_set import ResultSet
    from kapbench.running.results import CARD

    ceiling = control_request(request, CEILING)
    folder = ceiling and ceiling.open().folder
    return ResultSet.load(folder) if folder and (folder / CARD).exists() else None


def print_table(results: Iterable["ResultSet"], rules: "Sequence[Rule]", named: bool) -> None:
    """
    Args:
        named: Whether the user named the rules, so that all of them are shown.
    """
    cards = {result.folder: result.card for result in results if result.folder is not None}
    click.echo(runs_table()(cards, rules=_names(rules, named), alpha=_alpha(rules)), nl=False)


def print_drops(results: Iterable["ResultSet"], rules: "Sequence[Rule]", named: bool) -> None:
    """How far the scores of corrupted runs drop; `named` as of `print_table`."""
    write = board_function("drops_text")
    text = write(list(results), rules=_names(rules, named), alpha=_alpha(rules))
    click.echo(text, nl=False)


def _names(rules: "Sequence[Rule]", named: bool) -> list[str] | None:
    return [rule.name for rule in rules] if named else None


def _alpha(rules: "Sequence[Rule]") -> float:
    alphas = [alpha for rule in rules for alpha in rule.alphas]
    return ALPHA if ALPHA in alphas else alphas[0]


def _needs_features(rule: "Rule") -> bool:
    return rule.metric == "pck" and rule.decode.offset == "pixel"
