"""What `kapbench reproduce` prints of a repetition, on 80 columns."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import fill

from kapbench.errors import counted
from kapbench_leaderboard.reproduce.compare_scores import Line, what
from kapbench_leaderboard.reproduce.outcome import Outcome
from kapbench_leaderboard.reproduce.report import OTHER_WEIGHTS, number, source_of
from kapbench_leaderboard.reproduce.targets import EntryTarget

_WIDTH = 80
_N_SHOWN, _N_WRONG = 40, 10  # lines of an entry, which has thousands of scores


def text_of(outcome: Outcome) -> str:
    """Published, here and the difference of every number; notes; the verdict."""
    lines = shown_lines(outcome)
    before = "entry" if isinstance(outcome.target, EntryTarget) else "published"
    blocks = [
        fill(source_of(outcome), _WIDTH),
        *(fill(f"note: {n}", _WIDTH) for n in outcome.notes),
    ]
    blocks.append("\n".join(_table(lines, before)))
    if len(lines) < len(outcome.lines):
        blocks.append(fill(_all_scores(outcome), _WIDTH))
    if (points := outcome.equal_points) is not None:
        share = f"{100 * points.share:.2f} %"
        blocks.append(f"Equal predicted points: {points.n_equal:,} of {points.n:,} ({share}).")
    return "\n\n".join([*blocks, verdict(outcome)])


def shown_lines(outcome: Outcome) -> list[Line]:
    """Of a published row, all; of an entry, the rules' own numbers at their first alpha.

    And of an entry some that do not agree.
    """
    if not isinstance(outcome.target, EntryTarget):
        return list(outcome.lines)
    first = {rule.name: rule.alphas[0] for rule in outcome.target.entry.run.rules}
    headline = {
        what(rule.name, rule.metric, rule.headline[0]): (rule.name, rule.headline[1])
        for rule in outcome.target.entry.run.rules
    }
    averages = []
    for line in outcome.lines:
        name, over = headline.get(line.of, ("", ""))
        if name and line.alpha == first[name] and (line.category == over or not line.is_average):
            averages.append(line)
    kept = {line.of: line for line in averages}
    lead = next(iter(kept), "")
    shown = [line for line in averages if line.is_average or line.of == lead]
    wrong = [line for line in outcome.lines if not line.within and line not in shown]
    return (shown or list(outcome.lines))[:_N_SHOWN] + wrong[:_N_WRONG]


def _table(lines: Sequence[Line], before: str) -> Iterator[str]:
    width = max(12, *(len(line.category) for line in lines))
    yield f"{'':{width}}  {before:>9}  {'here':>7}  {'difference':>10}"
    ordered = sorted(lines, key=lambda line: [each.of for each in lines].index(line.of))
    for (of, alpha), group in groupby(ordered, key=lambda line: (line.of, line.alpha)):
        yield f"{of}, α = {alpha:g}"
        for line in group:
            mark = "" if line.within else f"  beyond ±{line.tolerance:.3g}"
            yield (
                f"  {_shown_category(line):{width}}{number(line.published):>9}  {number(line.here):>7}  "
                f"{number(line.difference, sign=True):>10}{mark}"
            )


def _shown_category(line: Line) -> str:
    """An average in the words of tables: pair-weighted."""
    return line.category.replace("_", "-") if line.is_average else line.category


def _all_scores(outcome: Outcome) -> str:
    differing = [line for line in outcome.lines if not line.within]
    known = [line for line in outcome.lines if line.difference is not None]
    widest = max(known, key=lambda line: abs(line.difference or 0.0))
    return (
        f"{counted(len(outcome.lines), 'score')} of the entry, at every α and split: "
        f"{len(differing):,} beyond the tolerance. The largest difference is "
        f"{number(abs(widest.difference or 0.0))} ({widest.of}, α = {widest.alpha:g}, "
        f"{_shown_category(widest)})."
    )


def verdict(outcome: Outcome) -> str:
    beside = OTHER_WEIGHTS if outcome.prepared.other_weights else ""
    if outcome.agrees:
        return f"Verdict: within tolerance{beside}."
    n = sum(not line.within for line in outcome.lines)
    counts = f"{n:,} of {counted(len(outcome.lines), 'number')}"
    return fill(f"Verdict: not within tolerance ({counts}){beside}.", _WIDTH)
