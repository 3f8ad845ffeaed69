"""What every page is made with: templates, links, and the boards that the navigation names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.site.boards import VIEWS, Accepted, Board, rule_text
from kapbench_leaderboard.site.evidence import BoardEvidence, evidence
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.record_facts import RecordFacts
from kapbench_leaderboard.tables import format_cells

# Below these widths each row of a table is shown as a block; a test measures the width of pages.
NARROW, NARROW_QUOTED, NARROW_DENSE = "50rem", "74rem", "74rem"
FEW = 9  # columns that fit side by side with horizontal headings
HEAT_STEPS = 9
Page = tuple[str, str | bytes]  # path below the site, content


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("kapbench_leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        number=format_cells.number,
        interval=format_cells.interval,
        heading=format_cells.heading,
        reasons=format_cells.reasons,
        notes=format_cells.notes,
        marked=format_cells.marked,
        rule_text=rule_text,
        views=VIEWS,
        heat_ends=heat_ends,
        heat_step=heat_step,
        few=FEW,
    )
    return made


@dataclass(frozen=True)
class Site:
    """The accepted entries, their boards, and the templates that pages are rendered from.

    `facts`: of the entries that have records, by the run's plan. `explored`: models that have a page of
    synthetic pairs.
    """

    entries: Sequence[Accepted]
    boards: Sequence[Board]
    facts: Mapping[str, RecordFacts]
    explored: Sequence[str] = ()
    environment: Environment = field(default_factory=_environment)

    @property
    def ranked(self) -> Sequence[Board]:
        """Boards that the navigation names; where all are samples, all."""
        return [b for b in self.boards if not b.is_sample] or self.boards

    @property
    def samples(self) -> Sequence[Board]:
        """The other boards."""
        names = {board.name for board in self.ranked}
        return [board for board in self.boards if board.name not in names]

    @cached_property
    def evidence(self) -> Mapping[str, BoardEvidence]:
        """By the name of the board."""
        return {board.name: evidence(board, self.facts) for board in self.boards}

    def page(self, template: str, path: str, values: Mapping[str, object]) -> Page:
        """One page. `values` needs a `title`, and adds to what every template reads."""
        links = Links("../" * path.count("/"))
        of_boards = {"boards": self.boards, "ranked": self.ranked, "samples": self.samples}
        shared = {"links": links, "here": path, "narrow": NARROW, **of_boards}
        text = self.environment.get_template(template).render({**shared, **values})
        return path, text


def narrow_width(tables: Iterable[object]) -> str:
    """Below which width the tables of a page are shown as blocks: `Table`s, or any with `columns`."""
    n_columns = (len(getattr(table, "columns", ())) for table in tables)
    return NARROW_DENSE if any(n > FEW for n in n_columns) else NARROW


def heat_ends(values: Iterable[float | None]) -> tuple[float, float]:
    """The lowest and highest of the known values, which get the first and the last colour."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def heat_step(value: float, ends: tuple[float, float]) -> int:
    """Number of a value's colour, 0 … HEAT_STEPS − 1; values beyond the ends get the outer ones."""
    low, high = ends
    share = (value - low) / (high - low) if high > low else 0.5
    return min(max(int(share * HEAT_STEPS), 0), HEAT_STEPS - 1)


def _plain(value: object) -> object:
    """What a template shows: text with its hidden characters written out, line breaks apart."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return escape_hidden(value, allowed="\n")
