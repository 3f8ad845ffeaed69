"""The training's figure: it shows step 0, and a single validation point."""

import numpy as np

from kapbench_baselines.training.history_plot import draw_history

FROZEN = {"step": 0, "kap": 0.4, "pck": 0.6}


def line(step: int, **scores: float) -> dict[str, float]:
    return {"step": step, "loss": 1 / step, **scores}


def lines_of(axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(each.get_label()): (list(each.get_xdata()), list(each.get_ydata()))
        for each in axes.lines
        if not str(each.get_label()).startswith("_")
    }


def test_step_0_is_a_point_of_its_own_at_step_0():
    history = [FROZEN, line(100), line(200, kap=0.5, pck=0.7)]
    losses, scores = draw_history(history, ["loss"]).axes
    shown = lines_of(scores)
    assert shown["KAP@0.10, frozen backbone"] == ([0], [40])
    assert shown["KAP@0.10"] == ([200], [50])
    assert lines_of(losses)["loss"][0] == [100, 200]
    for axes in (losses, scores):
        low, high = axes.get_xlim()
        assert low < 0 < 200 < high


def test_one_validation_point_is_marked_and_inside_the_axes():
    for history in ([line(50, kap=0.5, pck=0.7)], [FROZEN, line(50, kap=0.5, pck=0.7)]):
        figure = draw_history(history, ["loss"])
        for axes in figure.axes:
            assert np.ptp(axes.get_ylim()) > 0
            for each in axes.lines:
                if len(each.get_xdata()) == 1:
                    assert each.get_marker() not in ("", "None", None)
                    low, high = axes.get_ylim()
                    assert low < each.get_ydata()[0] < high


def test_a_training_without_validation_has_losses_alone():
    losses, scores = draw_history([line(10), line(20)], ["loss"]).axes
    assert lines_of(losses)["loss"][0] == [10, 20]
    assert not scores.lines
    assert scores.get_legend() is None
