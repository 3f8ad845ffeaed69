"""Finished runs to the tables that `kapbench compare` and `kapbench run` print."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kapbench.cli.options import shown_path
from kapbench.errors import KapbenchError, unknown
from kapbench_leaderboard.tables.choices import OF_PARTS, PLAIN, Format, GroupBy, Style, View

if TYPE_CHECKING:
    from kapbench.running.results import RunCard
    from kapbench_leaderboard.comparison.groups import Group
    from kapbench_leaderboard.comparison.resamples import Resamples
    from kapbench_leaderboard.tables.build import Table

    Sample = Callable[[Path, RunCard, Sequence[str] | None, float, View | None], Resamples]

_ONE_MODEL = (
    "There are no paired differences: they need two models on the same pairs and rules, and here is "
    "one."
)


def run_resamples(
    place: Path,
    card: "RunCard",
    rules: Sequence[str] | None,
    alpha: float,
    view: View | None = None,
) -> "Resamples":
    """Of a run folder, or of an entry, which stores those of its first rules.

    Args:
        view: Of OF_PARTS: those of `part_resamples`, from the records.
    """
    from kapbench.running.results import open_records
    from kapbench_leaderboard.comparison.part_resamples import part_resamples
    from kapbench_leaderboard.comparison.resamples import make
    from kapbench_leaderboard.entries.as_runs import entry_records, entry_resamples

    is_entry = place.suffix == ".json"
    if view in OF_PARTS:
        records = entry_records(place) if is_entry else open_records(place)
        return part_resamples(records, card, rules, alpha)
    if is_entry:
        return entry_resamples(place, rules, alpha)
    return make(open_records(place), card, rules, alpha)


def comparison_text(
    runs: "Mapping[Path, RunCard]",
    *,
    rules: Sequence[str] | None = None,
    by: View | None = None,
    alpha: float = 0.10,
    how: Format = "text",
    paired: bool = False,
    baseline: Collection[Path] = (),
    width: int = 80,
    colour: bool = False,
    advance: Callable[[int], None] | None = None,
    controls: "Sequence[RunCard]" = (),
    names: Mapping[str, str] | None = None,
    group_by: GroupBy | None = None,
    style: Style = PLAIN,
    sample: "Sample" = run_resamples,
) -> str:
    """Tables of finished runs, one for each comparability group.

    Args:
        runs: By run folder, or by the path of an entry.
        rules: Names of the rules to show; None: one for KAP and one for PCK.
        by: None: the headline scores, or a column for each rule where several of a kind are named.
        paired: Add ranks and paired differences; this reads the records of the runs.
        baseline: Those of the runs that the others are compared with; none: the best of a group.
        advance: Called after each run that was resampled.
        controls: Other runs of the control `random`, whose scores stand beside the runs.
        names: What tables call models, by their old names.
        group_by: "label": a row for the runs of a model that share a label, with their mean.
        sample: Makes the resamples of a run for some rules, an alpha and a view.

    Raises:
        KapbenchError: runs of a row cannot be compared; an old name that no run has; a baseline of
            several runs.
    """
    from kapbench_leaderboard.commands.later_scores import runs_with_later_scores
    from kapbench_leaderboard.tables.render import render

    runs = runs_with_later_scores(runs, by, rules, alpha)
    with_bold = how == "latex" and group_by is None
    sampled = runs if paired else _with_records(runs, rules, alpha, by) if with_bold else {}
    resamples = resamples_of(sampled, rules, alpha, by, sample, advance)
    tables = comparison_tables(
        list(runs.values()),
        rules=rules,
        by=by,
        alpha=alpha,
        resamples=resamples if paired else None,
        baseline={runs[place].provenance.records_sha256 for place in baseline},
        controls=controls,
        names=names,
        group_by=group_by,
    )
    text = render(tables, how, width=width, colour=colour, style=style, resamples=resamples)
    return text + (_left_out(runs, rules or ()) if how == "text" else "")


def comparison_tables(
    cards: "Sequence[RunCard]",
    *,
    rules: Sequence[str] | None = None,
    by: View | None = None,
    alpha: float = 0.10,
    resamples: "Mapping[str, Resamples] | None" = None,
    baseline: Collection[str] = (),
    controls: "Sequence[RunCard]" = (),
    names: Mapping[str, str] | None = None,
    group_by: GroupBy | None = None,
) -> "list[Table]":
    """As `comparison_text`, before they are written.

    Args:
        resamples: By the hash of a run's records: adds ranks and paired differences.
        baseline: Hashes of the records of the runs that others are compared with.
    """
    from kapbench_leaderboard.tables import build
    from kapbench_leaderboard.tables.differences import paired_tables
    from kapbench_leaderboard.tables.over_runs import tables_over_runs

    if by == "rule" and rules is None:
        rules = list(dict.fromkeys(rule.name for card in cards for rule in card.rules))
    view: View = by or ("rule" if _several_of_a_kind(rules or (), cards) else "summary")
    groups = groups_of(cards, rules, controls, names or {})
    if group_by is not None:
        return tables_over_runs(groups, view, alpha)
    tables = build.tables(groups, view, alpha, build.ranked(groups, resamples or {}))
    if resamples is None:
        return tables
    tables = [_with_one_model_noted(table) for table in tables]
    return tables + [t for g in groups for t in paired_tables(g, resamples, alpha, baseline)]


def _with_one_model_noted(table: "Table") -> "Table":
    from dataclasses import replace

    from kapbench.running.results import reads_annotation

    if sum(not reads_annotation(card.model) for card in table.group.cards) > 1:
        return table
    return replace(table, notes=(*table.notes, _ONE_MODEL))


def groups_of(
    cards: "Sequence[RunCard]",
    rules: Sequence[str] | None,
    controls: "Sequence[RunCard]",
    names: Mapping[str, str],
) -> "list[Group]":
    """Comparability groups that know the new names. KapbenchError: an old name that no run has."""
    from dataclasses import replace

    from kapbench_leaderboard.comparison.groups import group
    from kapbench_leaderboard.tables.build import old_names

    known = {name for card in cards for name in old_names(card)}
    for name, new in names.items():
        if name not in known:
            raise unknown("run", name, known, place="the new names of models")
        if not new.strip():
            raise KapbenchError(
                f"The new name of '{name}' is empty",
                place="the new names of models",
                fix="Write the name that the table shall show, as in --name lite0='Lite 0'",
            )
    return [replace(each, names=tuple(names.items())) for each in group(cards, rules, controls)]


def _left_out(runs: "Mapping[Path, RunCard]", rules: Sequence[str]) -> str:
    """Lines that name the runs that none of the rules scored."""
    from kapbench_leaderboard.comparison.groups import without_rules

    left_out = without_rules(runs.values(), rules) if rules else []
    if not left_out:
        return ""
    places = [shown_path(path) for path, card in runs.items() if card in left_out]
    heading = f"Not scored by {' or '.join(rules)} and therefore left out:"
    return "\n".join(["", heading, *(f"  {place}" for place in places), ""])


def _several_of_a_kind(rules: Sequence[str], cards: "Sequence[RunCard]") -> bool:
    """Whether rules share a metric: a table of splits has room for one rule of KAP and one of PCK."""
    metrics = [rule.metric for card in cards for rule in card.rules if rule.name in rules]
    return len(dict.fromkeys(rules)) > len(set(metrics))


def resamples_of(
    runs: "Mapping[Path, RunCard]",
    rules: Sequence[str] | None,
    alpha: float,
    view: View | None,
    sample: "Sample" = run_resamples,
    advance: Callable[[int], None] | None = None,
) -> "dict[str, Resamples]":
    """By the hash of a run's records, for the runs that have one of the rules."""
    from kapbench_leaderboard.comparison.groups import selected_rules

    resamples = {}
    for place, card in runs.items():
        if selected_rules(card, rules):
            resamples[card.provenance.records_sha256] = sample(place, card, rules, alpha, view)
        if advance is not None:
            advance(1)
    return resamples


def _with_records(
    runs: "Mapping[Path, RunCard]", rules: Sequence[str] | None, alpha: float, view: View | None
) -> "Mapping[Path, RunCard]":
    """Without the entries whose records lie elsewhere and whose stored resamples do not serve."""
    from kapbench_leaderboard.comparison.resamples import key
    from kapbench_leaderboard.entries.schema import records_path, resamples_path

    def can_be_resampled(place: Path, card: "RunCard") -> bool:
        if place.suffix != ".json" or records_path(place).exists():
            return True
        if view in OF_PARTS:
            return False
        return resamples_path(place).exists() and key(card, rules, alpha) == key(card)

    return {place: card for place, card in runs.items() if can_be_resampled(place, card)}


def rule_names(rules: Sequence[str], cards: "Sequence[RunCard]") -> list[str]:
    """Names among the runs' rules; a rule file is known by the name inside it."""
    from kapbench.scoring.rules import load_rule

    known = {rule.name for card in cards for rule in card.rules}
    names = [load_rule(rule).name if rule.endswith(".json") else rule for rule in rules]
    for name in names:
        if name not in known:
            raise unknown("rule", name, known, place="the rules of these runs")
    return names


def check_alpha(alpha: float, cards: "Sequence[RunCard]") -> None:
    """KapbenchError where none of the runs was scored at this alpha."""
    known = sorted({row.alpha for card in cards for row in card.scores}, reverse=True)
    if alpha not in known:
        raise KapbenchError(
            f"None of these runs was scored at alpha {alpha:g}",
            place="the scores of these runs",
            fix=f"Choose --alpha from {', '.join(f'{a:g}' for a in known)}",
        )
