"""KAP over PCK of the reference models, which read the answer, and of models between them."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from kapbench.running.results import RunCard
from kapbench.scoring.rules import KapRule, PckRule
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.figures.style import (
    BLUE,
    GREY,
    TITLE_PT,
    VERMILION,
    Style,
    blank,
    column_in,
    mark,
    outlined,
    points,
)
from kapbench_leaderboard.tables.dataset_names import display_name_of

WEAKNESSES = {
    "oracle": "finds no match for absent parts",
    "twin-trap": "takes the other side of absent parts",
    "never-silent": "always finds a match",
    "side-blind": "confuses left and right",
    "part-blind": "confuses repeated parts",
}
EMPHASISED = "never-silent"  # its scores are written out
_HEIGHT_IN, _AWAY_PT = 2.9, 4.5
_TEXT = "#40464d"
# Where a name may stand beside its mark: the point of the text that is nearest to it.
_SIDES = (
    ("left", "center"),
    ("right", "center"),
    ("left", "top"),
    ("right", "bottom"),
    ("center", "top"),
    ("center", "bottom"),
)
_TOWARDS = {"left": 1.0, "right": -1.0, "center": 0.0, "bottom": 1.0, "top": -1.0}


def draw_reference_scatter(
    runs: Sequence[RunCard], kap: KapRule, pck: PckRule, alpha: float, width_in: float | None = None
) -> Figure:
    """One named mark a run, all on one data set; runs without one of the two scores are left out."""
    figure = blank(width_in or column_in(), _HEIGHT_IN)
    axes = figure.add_axes((0.1, 0.125, 0.885, 0.805))
    scores = [(run, *_scores(run, kap, pck, alpha)) for run in runs]
    known = [(run, x, y) for run, x, y in scores if x is not None and y is not None]
    axes.set(xlim=(-2, 104), ylim=(min(y for *_, y in known) - 5, 104))
    data = runs[0].dataset
    axes.set_xlabel(f"PCK@{alpha:.2f} × 100, {pck.name}")
    axes.set_title(f"KAP@{alpha:.2f} × 100, {kap.name}", loc="left", x=-0.105)
    axes.set_title(f"{display_name_of(data)}: {data.n_pairs:,} pairs", loc="right")
    axes.grid(visible=True)
    taken = [*_chance(axes, runs, kap, alpha), *(_mark(axes, run, x, y) for run, x, y in known)]
    for run, x, y in known:
        if run.model.kind == "oracle":
            taken += _explain(axes, run, x, y)
    for run, x, y in known:
        if run.model.kind != "oracle":
            taken.append(_name(axes, run, (x, y), taken))
    return figure


def _chance(axes: Axes, runs: Sequence[RunCard], kap: KapRule, alpha: float) -> list[Bbox]:
    """A line at the KAP of scores that all tie: the share of positives, which the first run stores."""
    row = runs[0].score(kap.name, "prevalence", alpha, "mean", average="category")
    if row is None or row.value is None:
        return []
    at = 100 * row.value
    axes.axhline(at, color=GREY, linewidth=points(0.8), linestyle=(0, (4, 3)), zorder=1)
    text = axes.text(103.5, at + 0.8, "chance", ha="right", va="bottom", color=GREY)
    outlined(text)
    return [text.get_window_extent()]


def _scores(
    run: RunCard, kap: KapRule, pck: PckRule, alpha: float
) -> tuple[float | None, float | None]:
    """PCK and KAP in percent."""
    rows = (run.headline(rule, alpha) for rule in (pck, kap))
    x, y = (None if row is None or row.value is None else 100 * row.value for row in rows)
    return x, y


def _mark(axes: Axes, run: RunCard, x: float, y: float) -> Bbox:
    """Controls are hollow."""
    if run.model.kind == "oracle":
        style = mark("D", "white", VERMILION, 5, 1.2)
    elif is_control(run):
        style = mark("o", "white", GREY, 4.5, 1.2)
    else:
        style = mark("o", BLUE, BLUE, 4.5, 1.2)
    (line,) = axes.plot(x, y, linestyle="", clip_on=False, zorder=3, **style)
    return line.get_window_extent()


def _explain(axes: Axes, run: RunCard, x: float, y: float) -> list[Bbox]:
    """The name and the weakness of a reference model, left of its mark."""
    weakness = WEAKNESSES.get(run.model.name, "")
    about = _text(axes, weakness, (x, y), ("right", "center"), 1.7, color=_TEXT)
    name = axes.annotate(
        run.model.name,
        xy=(0, 0.5),
        xycoords=about,
        xytext=(points(-3), 0),
        textcoords="offset points",
        ha="right",
        va="center",
        weight="bold",
    )
    outlined(name)
    texts = [about, name]
    if run.model.name == EMPHASISED:
        scores = f"PCK {x:.0f} but KAP {y:.0f}"
        style: Style = {"weight": "bold", "size": points(TITLE_PT + 1), "color": VERMILION}
        texts.append(_text(axes, scores, (x, y), ("right", "bottom"), 2.8, **style))
    return [text.get_window_extent() for text in texts]


def _name(axes: Axes, run: RunCard, at: tuple[float, float], taken: Sequence[Bbox]) -> Bbox:
    """On the first side of the mark where the name fits, else where it covers or leaves least."""

    frame = axes.get_window_extent()

    def badness(box: Bbox) -> float:
        covered = (Bbox.intersection(box, other) for other in taken)
        inside = Bbox.intersection(box, frame)
        return _area(box) - _area(inside) + sum(map(_area, covered))

    colour = GREY if is_control(run) else BLUE
    texts = [_text(axes, run.model.name, at, side, color=colour) for side in _SIDES]
    boxes = [text.get_window_extent() for text in texts]
    best = min(range(len(texts)), key=lambda i: badness(boxes[i]))
    for i, text in enumerate(texts):
        if i != best:
            text.remove()
    return boxes[best]


def _text(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    side: tuple[str, str],
    further: float = 1.0,
    **style: Any,
) -> Annotation:
    """Beside a mark, at `further` times the usual distance from its centre."""
    ha, va = side
    away_pt = points(_AWAY_PT) * further * (1.0 if "center" in side else 0.6)
    xy_pt = away_pt * _TOWARDS[ha], away_pt * _TOWARDS[va]
    made = axes.annotate(text, at, xytext=xy_pt, textcoords="offset points", ha=ha, va=va, **style)
    outlined(made)  # over the lines of the grid
    return made


def _area(box: Bbox | None) -> float:
    return 0.0 if box is None else float(box.width * box.height)
