"""A finished run in a few lines: for a prompt, and for a notebook."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from kapbench.errors import counted
from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.score_table import Score
from kapbench.shown_text import escape_hidden

_MOST_RULES = 4  # of a prompt; `ResultSet.scores` has all


def lines_of(card: RunCard, folder: Path | None) -> list[str]:
    """The model, its data, the headline score of some rules with its 95 % interval, and the folder."""
    shown = list(_headlines(card))
    lines = [f"ResultSet: {_heading(card)}"]
    lines += [f"  {rule.name}: {_score(rule, row)}" for rule, row in shown[:_MOST_RULES]]
    if len(shown) > _MOST_RULES:
        lines.append(f"  and {counted(len(shown) - _MOST_RULES, 'more rule')}: see .scores")
    lines.append(f"  {'kept in memory' if folder is None else folder}")
    return [escape_hidden(line) for line in lines]


def html_of(card: RunCard, folder: Path | None) -> str:
    """A table of the headline score of every rule; all texts are escaped."""
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("rule", "score", "95 % interval", "n")
    )
    body = "".join(_html_row(rule, row) for rule, row in _headlines(card))
    place = "kept in memory" if folder is None else str(folder)
    return (
        f"<table><caption>{_text(_heading(card))}<br><small>{_text(place)}</small></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _heading(card: RunCard) -> str:
    model, data = card.model, card.dataset
    label = "" if card.label is None else f" [{card.label}]"
    name = f"{model.name}@{model.revision}{label} on {data.name}@{data.revision}"
    limited = "" if data.limit is None else f", for debugging only (limit {data.limit})"
    return f"{name}, split {data.split}, {counted(data.n_pairs, 'pair')}{limited}"


def _headlines(card: RunCard) -> Iterator[tuple[RuleCard, Score]]:
    """At alpha 0.10, or at the rule's largest alpha."""
    for rule in card.rules:
        row = card.headline(rule, 0.10 if 0.10 in rule.alphas else max(rule.alphas))
        if row is not None:
            yield rule, row


def _score(rule: RuleCard, row: Score) -> str:
    return f"{_named(rule, row)} {_value(row)}" + (f" ({_range(row)})" if _range(row) else "")


def _named(rule: RuleCard, row: Score) -> str:
    return f"{rule.metric.upper()}@{row.alpha:.2f}"


def _value(row: Score) -> str:
    return "n/a" if row.value is None else f"{100 * row.value:.1f}"


def _range(row: Score) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{100 * row.low:.1f}–{100 * row.high:.1f}"


def _html_row(rule: RuleCard, row: Score) -> str:
    score = f"{_named(rule, row)} {_value(row)}"
    cells = "".join(f"<td>{_text(text)}</td>" for text in (score, _range(row), f"{row.n:,}"))
    return f'<tr><th scope="row">{_text(rule.name)}</th>{cells}</tr>'


def _text(text: str) -> str:
    return escape(escape_hidden(text))
