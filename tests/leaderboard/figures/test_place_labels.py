"""Names beside marks that lie close together."""

from itertools import combinations

from matplotlib.text import Annotation

from kapbench_leaderboard.figures.place_labels import Label, place_labels
from kapbench_leaderboard.figures.style import blank


def test_names_of_close_marks_do_not_overlap_and_stay_inside():
    figure = blank(4, 3)
    axes = figure.add_axes((0.1, 0.1, 0.85, 0.85), xlim=(0, 100), ylim=(0, 100))
    marks = [(40, 40), (41, 41), (43, 40), (98, 97), (99, 99)]
    labels = [Label(f"a.model.with.a.name.{i}", xy, "black") for i, xy in enumerate(marks)]
    place_labels(axes, labels, 8)
    figure.draw_without_rendering()
    texts = [each for each in axes.get_children() if isinstance(each, Annotation)]
    assert [each.get_text() for each in texts] == [label.name for label in labels]
    boxes = [super(Annotation, each).get_window_extent() for each in texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
