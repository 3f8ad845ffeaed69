"""From one run's KAP to another's, one step a type of error."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from kapbench_leaderboard.figures.loss_values import LossChange
from kapbench_leaderboard.figures.style import COLUMN_IN


def draw_loss_waterfall(
    change: LossChange, subject: str, width_in: float = COLUMN_IN, notes: Sequence[str] = ()
) -> Figure:
    """Steps by size, the largest first, with the 95 % intervals of the paired differences; a step
    that is not significant is pale.

    Args:
        subject, notes: As of `draw_loss_bars`.
    """
    raise NotImplementedError
