"""Which models of a board are significantly better than which others, as a square table."""

from collections.abc import Sequence
from dataclasses import dataclass

from kapbench_leaderboard.comparison.median_gaps import Gap
from kapbench_leaderboard.comparison.standings import Standings
from kapbench_leaderboard.comparison.strength_words import size_words
from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.evidence import BoardEvidence
from kapbench_leaderboard.site.pairs import Compared
from kapbench_leaderboard.tables.columns import NAME

BETTER, WORSE, EVEN = "better", "worse", "not different"
_FEWEST = 3  # models: of two, their own page says all
_SIGNS = {BETTER: "▲", WORSE: "▼", EVEN: "○"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """By one metric: the model of the row against that of the column. `title`: with the difference."""

    metric: str
    word: str
    title: str

    @property
    def sign(self) -> str:
        return _SIGNS[self.word]


@dataclass(frozen=True)
class Square:
    """By row and column: `cells`, None on the diagonal; `pairs`, the page of both if there is one."""

    board: Board
    labels: Sequence[str]
    cells: Sequence[Sequence[Sequence[Verdict] | None]]
    pairs: Sequence[Sequence[Compared | None]]


def matrix(board: Board, known: BoardEvidence, pairs: Sequence[Compared]) -> Square | None:
    """None of fewer than three models, and where no two can be compared by a test.

    Args:
        pairs: That have a page.
    """
    tests = {metric: known.tests[metric] for metric in NAME if metric in known.tests}
    tests = {m: t for m, t in tests.items() if any(g.p == g.p for g in t.gaps.values())}
    if not tests or len(known.models) < _FEWEST:
        return None
    labels = [model.label for model in known.models][: _n_paged(board, pairs)]
    numbers = range(len(labels))
    cells = [
        [None if i == j else [_verdict(m, t, i, j) for m, t in tests.items()] for j in numbers]
        for i in numbers
    ]
    of_two = {frozenset(pair.labels): pair for pair in pairs if pair.board is board}
    links = [[of_two.get(frozenset((one, other))) for other in labels] for one in labels]
    return Square(board, labels, cells, links)


def _n_paged(board: Board, pairs: Sequence[Compared]) -> int:
    """Models that have pages, which are the board's best."""
    return len({label for pair in pairs if pair.board is board for label in pair.labels})


def _verdict(metric: str, tests: Standings, i: int, j: int) -> Verdict:
    gap: Gap = tests.gap(i, j)
    side = "above" if gap.interval.value > 0 else "below"
    word = EVEN if not gap.is_significant else BETTER if side == "above" else WORSE
    title = f"{NAME[metric]}: {size_words(gap.interval)} points {side}"
    return Verdict(NAME[metric], word, title if word != EVEN else f"{title}, not significant")
