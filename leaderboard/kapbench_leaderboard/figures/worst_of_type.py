"""The pairs where one type of error costs most, drawn."""

from pathlib import Path

from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Output, Sources


def draw_worst_of_type(
    run: RunView, loss_type: str, sources: Sources, output: Output, n_worst: int
) -> list[Path]:
    """The pairs where `loss_type` costs most, the worst first, in one figure; the file's path.

    Args:
        loss_type: One of `loss_types.TYPES`.

    Raises:
        KapbenchError: no such type; no pair of the run has an error of the type; or the run's data
            set cannot be loaded.
    """
    raise NotImplementedError
