"""One stacked bar a model, to 100: KAP, then what each type of error costs."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from kapbench_leaderboard.figures.loss_values import LossBar
from kapbench_leaderboard.figures.style import COLUMN_IN


def draw_loss_bars(
    bars: Sequence[LossBar], subject: str, width_in: float = COLUMN_IN, notes: Sequence[str] = ()
) -> Figure:
    """Models by KAP, the best first; controls below, set apart.

    Args:
        bars: Of runs that may be compared, in any order.
        subject: The title: `loss_values.subject`.
        width_in: `COLUMN_IN`, or `PAGE_IN` for two columns of a paper.
        notes: Whole sentences below the figure, e.g. about columns that the records lack.
    """
    raise NotImplementedError
