"""The marks of keypoints and matches. All but the source's keypoint are hollow: they hide no circle."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle as Ring

from kapbench_leaderboard.figures.style import BLUE, ORANGE, VERMILION, mark, outlined, points

QUERY = mark("*", "white", "black", 9)
CORRECT = mark("o", "none", BLUE, 4.5, 1.2)
WRONG = mark("x", "none", VERMILION, 4.5, 1.4)
ABSENT = mark("D", ORANGE, "black", 3.5, 0.8)
TRUTH = mark("+", "none", "black", 4.5, 1.0)
TWIN = mark("D", "none", ORANGE, 4.5, 1.3)


def draw_ring(axes: Axes, centre: tuple[float, float], radius: float, *, dashed: bool) -> None:
    """The circle of radius α·T: around a keypoint, or dashed around its mirror counterpart."""
    ring = Ring(centre, radius, fill=False, edgecolor="white", linewidth=points(1.2))
    ring.set_linestyle("--" if dashed else "-")
    outlined(ring, 2.2, "black")
    axes.add_patch(ring)


def ring_key(alpha: float) -> Line2D:
    """The circle in a legend."""
    ring = mark("o", "white", "black", 7)
    return Line2D([], [], **ring, linestyle="", label=f"radius α·T, α = {alpha:g}")


def number_beside(axes: Axes, xy: tuple[float, float], number: int) -> None:
    """A keypoint's number, beside its place."""
    offset = points(3)
    text = axes.annotate(str(number), xy, (offset, offset), textcoords="offset points", zorder=7)
    outlined(text)
