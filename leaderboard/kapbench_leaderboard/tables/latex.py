"""Tables to LaTeX for a paper that uses booktabs, and graphicx where a table must be shrunk to fit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kapbench.errors import KapbenchError
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.tables import notes as about
from kapbench_leaderboard.tables.bold import NOTE, NOTHING, bold, cannot_be_ranked
from kapbench_leaderboard.tables.build import SKILL, Table
from kapbench_leaderboard.tables.choices import BY_CATEGORY, Style
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.dataset_names import with_alterations
from kapbench_leaderboard.tables.format_cells import (
    caption,
    head,
    heading,
    interval,
    marked,
    metric_title,
    notes,
    number,
    reasons,
    rows_of,
)
from kapbench_leaderboard.tables.over_runs import ABOUT_RUNS
from kapbench_leaderboard.tables.tex_text import tex

_WIDE = 8  # columns from which a table spans both columns of a page
_LONG = 80  # characters of a line of titles from which they are stacked, to fit on a page
_TIGHT = r"\small\setlength{\tabcolsep}{3pt}"
_BROAD = 75  # characters of a row from which a table spans both columns of a page too
_FULL = 85  # characters of a row that are sure to fit on a page in the size of _TIGHT
_SMALL = 0.75  # the width of an interval's characters, beside those of a score
_SHRUNK = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")


def latex(tables: Sequence[Table], style: Style, resamples: Mapping[str, Resamples]) -> str:
    """`table` environments; KAP and PCK by category of the same runs share one.

    By category, the KAP skill stands in a note and has no block. With `resamples`, by the hash of a
    run's records, bold marks the best model of a column and all models that are not significantly
    different from it. What a reader of a paper need not see of the notes stands in comments.

    Raises:
        KapbenchError: the label has characters that a label of LaTeX should not have.
    """
    _check(style.label)
    parts = _parts(tables)
    labels = [None if style.label is None else _numbered(style.label, i) for i in range(len(parts))]
    return "\n".join(
        _environment(blocks, label, style, resamples)
        for blocks, label in zip(parts, labels, strict=True)
    )


def _check(label: str | None) -> None:
    if label is not None and not _LABEL.fullmatch(label):
        raise KapbenchError(
            f"'{label}' cannot be a label of LaTeX",
            place="the label of the table",
            fix="Use letters, digits and : . / _ -, e.g. tab:kap",
        )


def _numbered(label: str, i: int) -> str:
    return label if i == 0 else f"{label}-{i + 1}"


def _parts(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables that share an environment: those of one group by category, whose rows get one order."""
    parts: list[list[Table]] = []
    for table in tables:
        first = parts[-1][0] if parts else None
        if first and first.view == table.view in BY_CATEGORY and table.group is first.group:
            order = {id(row.card): i for i, row in enumerate(first.rows)}
            rows = sorted(table.rows, key=lambda row: order[id(row.card)])
            parts[-1].append(replace(table, rows=tuple(rows)))
        else:
            parts.append([table])
    return parts


def _environment(
    part: Sequence[Table], label: str | None, style: Style, resamples: Mapping[str, Resamples]
) -> str:
    blocks = [table for table in part if not _is_skill_by_category(table)]
    first, n_columns = blocks[0], len(blocks[0].columns)
    titles = [first.of_rows, *_headings(blocks)]
    width = _width(titles, blocks)
    wide = n_columns >= _WIDE or width > _BROAD
    may_be_too_wide = width > _FULL
    kind = "table*" if wide else "table"
    above = first.head if first.view in BY_CATEGORY else head(first)  # blocks name their metrics
    title = caption(above).replace(_versioned(first), _unversioned(first))
    lines = [f"\\begin{{{kind}}}", r"  \centering", f"  \\caption{{{tex(title)}}}"]
    lines += [f"  \\label{{{label}}}"] if label else []
    lines += [f"  {_TIGHT}"] if wide else []
    lines += [f"  {_SHRUNK}"] if may_be_too_wide else []
    lines += [f"  \\begin{{tabular}}{{l{'r' * n_columns}}}", r"    \toprule"]
    lines += [_titles(titles)]
    footnotes = _reasons(blocks)
    bolds = [bold(table, resamples) for table in blocks]
    for table, marks in zip(blocks, bolds, strict=True):
        lines.append(r"    \midrule")
        if table.view in BY_CATEGORY:
            lines.append(
                f"    \\multicolumn{{{n_columns + 1}}}{{l}}{{{tex(metric_title(table))}}} \\\\"
            )
        lines += _rows(table, footnotes, marks)
    lines += [r"    \bottomrule", r"  \end{tabular}" + ("}" if may_be_too_wide else "")]
    skills = [note for t in part if _is_skill_by_category(t) and (note := _skill_note(t))]
    about_bold = [NOTE] if any(map(any, bolds)) else _why_none(blocks, resamples)
    printed = [*_printed(blocks, footnotes), *skills, *about_bold]
    if style.notes:
        lines.append(f"  \\par\\footnotesize {' '.join(map(tex, printed))}")
    every = _merged([*printed, *(note for t in blocks for note in notes(t, footnotes))])
    lines += [f"  % Data set: {_versioned(first)}."]
    lines += [f"  % {note}" for note in every if not style.notes or note not in printed]
    return "\n".join([*lines, f"\\end{{{kind}}}", ""])


def _why_none(blocks: Sequence[Table], resamples: Mapping[str, Resamples]) -> list[str]:
    """The note of a table in which nothing is bold."""
    return [NOTHING] if any(cannot_be_ranked(table, resamples) for table in blocks) else []


def _unversioned(table: Table) -> str:
    """The data set's name; what was changed in it would else be in the revision alone."""
    data = table.group.dataset
    return with_alterations(data.name, data.alterations)


def _versioned(table: Table) -> str:
    """The data set with its revision, which captions leave to a comment."""
    data = table.group.dataset
    return f"{data.name}@{data.revision}"


def _merged(every: Sequence[str]) -> list[str]:
    """Each note once; the highest possible scores of several blocks as one note."""
    distinct = list(dict.fromkeys(every))
    highest = [note for note in distinct if note.startswith(about.HIGHEST)]
    scores = ", ".join(note.removeprefix(about.HIGHEST).removesuffix(".") for note in highest)
    return [
        f"{about.HIGHEST}{scores}." if note in highest else note
        for note in distinct
        if note not in highest[1:]
    ]


def _is_skill_by_category(table: Table) -> bool:
    return table.view == "category" and table.metric == SKILL


def _skill_note(table: Table) -> str | None:
    """The skill in the average over categories, of a table that has no block; None: of no run."""
    if all(row.cells[-1].value is None for row in table.rows):
        return None
    average = [f"{r.label} {number(r.cells[-1])}" for r in table.rows]
    title = f"{metric_title(table)} ({heading(table.columns[-1])})"
    return (
        f"{title}, where 0 is what scores that all tie get and 100 the highest possible KAP: "
        f"{', '.join(average)}."
    )


def _headings(blocks: Sequence[Table]) -> list[str]:
    """Of the first block; "all" where the blocks average categories by other weights."""
    of_blocks = [[heading(column) for column in table.columns] for table in blocks]
    return [names[0] if len(set(names)) == 1 else "all" for names in zip(*of_blocks, strict=True)]


def _width(titles: Sequence[str], blocks: Sequence[Table]) -> float:
    """About how many characters wide the table is: of each column, its widest title or cell."""
    rows = [row for table in blocks for row in rows_of(table)]
    words = [title.split() if _are_stacked(titles) else [title] for title in titles[1:]]
    of_titles = [max(map(len, each), default=0) for each in words]
    of_cells = [max(map(_cell_width, column)) for column in zip(*(r[1] for r in rows), strict=True)]
    labels = max(len(label) for label, _, _ in rows)
    return labels + sum(map(max, of_titles, of_cells))


def _cell_width(cell: Cell) -> float:
    """At least that of a score."""
    span = interval(cell)
    return max(5, len(number(cell))) + (_SMALL * (len(span) + 1) if span else 0)


def _are_stacked(titles: Sequence[str]) -> bool:
    return sum(map(len, titles)) >= _LONG


def _titles(titles: Sequence[str]) -> str:
    """The line of column titles; those of a long line as stacks of their words."""
    if not _are_stacked(titles):
        return _line(titles)
    return _line(titles[:1], [_stacked(title) for title in titles[1:]])


def _stacked(title: str) -> str:
    return r"\shortstack[r]{" + r" \\ ".join(map(tex, title.split())) + "}"


def _reasons(blocks: Sequence[Table]) -> dict[str, int]:
    every = dict.fromkeys(reason for table in blocks for reason in reasons(table))
    return {reason: i + 1 for i, reason in enumerate(every)}


def _rows(table: Table, footnotes: dict[str, int], marks: Sequence[frozenset[int]]) -> list[str]:
    lines: list[str] = []
    controls = False
    for place, (label, row, apart) in enumerate(rows_of(table)):
        if apart and not controls and lines:
            lines.append(r"    \midrule")
        controls = apart
        cells = [
            _cell(cell, footnotes, is_bold=place in rows)
            for cell, rows in zip(row, marks, strict=True)
        ]
        lines.append(_line([label], cells))
    return lines


def _cell(cell: Cell, footnotes: dict[str, int], *, is_bold: bool) -> str:
    number = tex(marked(replace(cell, sd=None), footnotes))
    span = interval(cell)
    number = rf"\textbf{{{number}}}" if is_bold else number
    deviation = "" if cell.sd is None else rf" $\pm$ {100 * cell.sd:.1f}"
    small = rf" {{\scriptsize {tex(span)}}}" if span else ""
    return number + deviation + small


def _line(texts: Sequence[str], made: Sequence[str] = ()) -> str:
    """`texts` are escaped, `made` are LaTeX."""
    return f"    {' & '.join([*map(tex, texts), *made])} \\\\"


def _printed(blocks: Sequence[Table], footnotes: dict[str, int]) -> list[str]:
    """The notes that a reader needs: rules, what ± and ranges mean, what limits the numbers."""
    own = [note for table in blocks for note in _short(table)]
    every = [note for table in blocks for note in notes(replace(table, notes=()), footnotes)]
    ends = [note for note in every if note.startswith("[")]
    starts = [note for note in every if not note.startswith("[")]
    return list(dict.fromkeys([*starts, *own, *ends]))


def _short(table: Table) -> list[str]:
    kept = {
        ABOUT_RUNS,
        *about.limited(table.group.dataset),
        *about.about(table.group, table.view, None),
    }
    return [note for note in table.notes if table.view == "paired" or note in kept]
