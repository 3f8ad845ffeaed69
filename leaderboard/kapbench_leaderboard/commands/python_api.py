"""What `kapbench.compare`, `kapbench.table` and `kapbench.to_latex` call, found by entry point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from kapbench.errors import KapbenchError, counted, name_first, unknown
from kapbench.running.result_set import ResultSet
from kapbench.running.results import RunCard
from kapbench_leaderboard.commands.comparison_text import (
    check_alpha,
    comparison_tables,
    comparison_text,
    groups_of,
    rule_names,
    run_resamples,
)
from kapbench_leaderboard.commands.later_scores import runs_with_later_scores
from kapbench_leaderboard.commands.select_runs import named_runs, random_runs
from kapbench_leaderboard.comparison.groups import Group, why_apart, without_rules
from kapbench_leaderboard.comparison.pairwise import Compared, pairwise
from kapbench_leaderboard.comparison.part_resamples import part_resamples
from kapbench_leaderboard.comparison.resamples import Resamples, make
from kapbench_leaderboard.entries.as_runs import entry_runs
from kapbench_leaderboard.tables.build import labels
from kapbench_leaderboard.tables.choices import GROUP_BY, OF_PARTS, VIEWS, GroupBy, Style, View
from kapbench_leaderboard.tables.frame import frame

Run: TypeAlias = ResultSet | str | Path


@dataclass(frozen=True)
class Chosen:
    """Run cards by folder or entry; results without a folder stand under a name of their own."""

    cards: dict[Path, RunCard]
    in_memory: dict[Path, ResultSet]

    @classmethod
    def of(cls, runs: Sequence[Run], root: Path) -> "Chosen":
        cards: dict[Path, RunCard] = {}
        in_memory: dict[Path, ResultSet] = {}
        for run in runs:
            if isinstance(run, str | Path):
                cards |= named_runs([str(run)], root, entry_runs)
            elif run.folder is not None:
                cards[run.folder.resolve()] = run.card
            elif not any(run is other for other in in_memory.values()):
                place = Path(f"result {len(in_memory) + 1}, which was kept in memory")
                cards[place], in_memory[place] = run.card, run
        return cls(cards, in_memory)

    def resamples(
        self,
        place: Path,
        card: RunCard,
        rules: Sequence[str] | None,
        alpha: float,
        view: View | None = None,
    ) -> Resamples:
        if place in self.in_memory:
            of_view = part_resamples if view in OF_PARTS else make
            return of_view(self.in_memory[place].records, card, rules, alpha)
        return run_resamples(place, card, rules, alpha, view)

    def known_rules(self, rules: Sequence[str] | None, alpha: float) -> list[str] | None:
        """Raises KapbenchError: a run has none of the rules, or no run has one, or the alpha."""
        cards = list(self.cards.values())
        check_alpha(alpha, cards)
        names = None if rules is None else rule_names(rules, cards)
        left_out = without_rules(cards, names) if names else []
        if left_out:
            raise KapbenchError(
                f"{counted(len(left_out), 'run')} of {name_first([c.model.name for c in left_out])} "
                "cannot be shown, since none of the rules scored it",
                place=", ".join(names or ()),
                fix="Leave it out, or choose a rule that scored every run",
            )
        return names

    def controls(self, root: Path) -> list[RunCard]:
        on_disk = {p: card for p, card in self.cards.items() if p not in self.in_memory}
        return random_runs(on_disk, root)


def compare(
    runs: Sequence[Run],
    *,
    baseline: Run | None,
    by: str | None,
    rules: Sequence[str] | None,
    alpha: float,
    names: Mapping[str, str],
    runs_root: Path,
) -> pd.DataFrame:
    """`kapbench.compare`."""
    view = _paired_view(by)
    chosen = Chosen.of([*runs, *([] if baseline is None else [baseline])], runs_root)
    rules = chosen.known_rules(rules, alpha)
    cards = runs_with_later_scores(chosen.cards, view, rules, alpha)
    of_baseline = None
    if baseline is not None:
        stored = _one(Chosen.of([baseline], runs_root))
        of_baseline = next(cards[place] for place, c in chosen.cards.items() if c == stored)
    groups = groups_of(list(cards.values()), rules, (), names)
    _refuse_alone(groups, of_baseline)
    places = {id(card): place for place, card in cards.items()}
    frames = []
    for members in groups:
        compared = [
            Compared(label, card, chosen.resamples(places[id(card)], card, rules, alpha, view))
            for label, card in zip(labels(members.cards, members.names), members.cards, strict=True)
        ]
        base = next((run for run in compared if run.card == of_baseline), None)
        others = [run for run in compared if run is not base]
        frames.append(pairwise(members, others, base, alpha))
    made = pd.concat(frames, ignore_index=True)
    if made.empty:
        raise KapbenchError(
            f"None of the rules of these runs has scores at alpha {alpha:g}",
            fix="Choose another alpha, or name other rules",
        )
    return made


def table(
    runs: Sequence[Run],
    *,
    by: str | None,
    rules: Sequence[str] | None,
    alpha: float,
    group_by: str | None,
    intervals: bool,
    names: Mapping[str, str],
    runs_root: Path,
) -> pd.DataFrame:
    """`kapbench.table`."""
    chosen, view = Chosen.of(runs, runs_root), _view(by)
    rules = chosen.known_rules(rules, alpha)
    tables = comparison_tables(
        list(runs_with_later_scores(chosen.cards, view, rules, alpha).values()),
        rules=rules,
        by=view,
        alpha=alpha,
        controls=chosen.controls(runs_root),
        names=names,
        group_by=_group_by(group_by),
    )
    for other in tables[1:]:
        if other.group is not tables[0].group:
            raise KapbenchError(
                f"These runs cannot share a table: {why_apart(tables[0].group, other.group)}",
                fix="Make a table of each data set and set of rules",
            )
    return frame(tables, intervals=intervals)


def latex(
    runs: Sequence[Run],
    *,
    by: str | None,
    rules: Sequence[str] | None,
    alpha: float,
    group_by: str | None,
    paired: bool,
    label: str | None,
    names: Mapping[str, str],
    intervals: bool | None,
    notes: bool,
    runs_root: Path,
) -> str:
    """`kapbench.to_latex`."""
    if paired and group_by is not None:
        raise KapbenchError(
            "paired=True compares single runs, and group_by averages over runs",
            fix="Leave one of them out",
        )
    chosen = Chosen.of(runs, runs_root)
    return comparison_text(
        chosen.cards,
        rules=chosen.known_rules(rules, alpha),
        by=_view(by),
        alpha=alpha,
        how="latex",
        paired=paired,
        controls=chosen.controls(runs_root),
        names=names,
        group_by=_group_by(group_by),
        style=Style(label, intervals, notes),
        sample=chosen.resamples,
    )


def _one(chosen: Chosen) -> RunCard:
    if len(chosen.cards) > 1:
        raise KapbenchError(
            f"The baseline names {len(chosen.cards)} runs, and one is needed",
            place=", ".join(map(str, chosen.cards)),
            fix="Give a ResultSet, or the folder of one run",
        )
    return next(iter(chosen.cards.values()))


def _refuse_alone(groups: Sequence[Group], baseline: RunCard | None) -> None:
    """KapbenchError where a run would have no row, since it is comparable with no other."""
    n_runs = sum(len(members.cards) for members in groups)
    if n_runs < 2:
        raise KapbenchError(
            f"A comparison needs two runs, and {n_runs} {'is' if n_runs == 1 else 'are'} given",
            fix="Name another run",
        )
    other = next((g for g in groups if baseline is not None and baseline in g.cards), None)
    for members in groups:
        if other is not None and members is not other:
            alone = members.cards[0]
        elif len(members.cards) == 1:
            alone = members.cards[0]
            other = next(each for each in groups if each is not members)
        else:
            continue
        raise KapbenchError(
            f"The run of {alone.model.name} is not comparable with the others: "
            f"{why_apart(other, members)}",
            place=f"{alone.dataset.name}, {alone.dataset.split} split",
            fix="Leave it out, or add a run on the same pairs by the same rules",
        )


def _view(by: str | None) -> View | None:
    for view in VIEWS:
        if view == by:
            return view
    if by is None:
        return None
    raise unknown("table", by, VIEWS, place="by")


def _paired_view(by: str | None) -> View | None:
    if by in (None, "concept"):
        return _view(by)
    raise unknown("set of paired differences", str(by), ["concept"], place="by")


def _group_by(name: str | None) -> GroupBy | None:
    for each in GROUP_BY:
        if each == name:
            return each
    if name is None:
        return None
    raise unknown("way to group runs", name, GROUP_BY, place="group_by")
