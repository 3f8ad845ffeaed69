"""The figure of the pairs where one type of error costs most."""

import numpy as np
import pytest
from figure_content import refuse_unreadable, words
from matplotlib.patches import Circle
from submissions import DOTS, made_by

from kapbench.errors import KapbenchError
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.costly_pairs import costly_pairs
from kapbench_leaderboard.figures.marks import CORRECT, TRUTH, TWIN, WRONG
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.select_rows import of_pair
from kapbench_leaderboard.figures.sources import Output, Sources
from kapbench_leaderboard.figures.worst_of_type import (
    N_KEYPOINTS,
    Panel,
    draw_panels,
    draw_worst_of_type,
)

SOURCES = Sources(dataset=f"{DOTS}:Dots", dataset_options={"n_images": 6})
KEY = "sd-dino"


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> RunView:
    return RunView.load(made_by("Greys", tmp_path_factory.mktemp("runs")))


def wrong(run: RunView, *, absent: bool) -> RunView:
    """Dots 0 and 1 are matched at each other; or they are absent, and the other one is visible."""
    records = run.records.copy()
    twins = (records["keypoint"] < 2).to_numpy()
    records.loc[twins, f"x@{KEY}"], records.loc[twins, f"y@{KEY}"] = 20.0, 30.0
    records.loc[twins, f"error_px@{KEY}"] = 30.0
    records.loc[twins, f"twin_error_px@{KEY}"] = 1.0
    records.loc[twins, "inside@cvpr24@0.10"] = records.loc[twins, "map_min@cvpr24"]
    if absent:
        records.loc[twins, "target_visible"] = False
        records.loc[twins, "inside@cvpr24@0.10"] = np.nan
        records.loc[twins, ["target_x", "target_y", f"error_px@{KEY}"]] = np.nan
    return RunView(run.card, records, run.kap, run.pck)


def panels(run: RunView, loss_type: str, n: int) -> list[Panel]:
    dataset = dataset_of(run.card, SOURCES)
    pairs = dataset.pairs()
    out = []
    for costly in costly_pairs(run, loss_type, n):
        pair = find_pair(pairs, costly.pair_id, dataset.name)
        images = dataset.pixels(pair.source), dataset.pixels(pair.target)
        out.append(Panel(costly, of_pair(run.records, costly.pair_id), pair, *images))
    return out


def drawn(run: RunView, loss_type: str, shown: list[Panel]):
    with style.styled():
        return draw_panels(run, loss_type, shown)


def marked(axes, mark) -> list[tuple[float, float]]:
    lines = [
        line
        for line in axes.lines
        if (line.get_marker(), line.get_markerfacecolor())
        == (mark["marker"], mark["markerfacecolor"])
    ]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_a_wrong_match_its_annotated_point_and_the_mirror_counterpart(found):
    run = wrong(found, absent=False)
    shown = panels(run, "mirror counterpart", 3)
    figure = drawn(run, "mirror counterpart", shown)
    images = figure.axes[1:]
    assert len(images) == 2 * len(shown) == 6
    for panel, source, target in zip(shown, images[::2], images[1::2], strict=True):
        points = panel.pair.target.keypoints.xy
        ids = panel.drawn["keypoint"].tolist()
        assert set(ids) <= {0, 1}
        assert 1 <= len(ids) <= N_KEYPOINTS
        assert marked(source, WRONG) == [
            pytest.approx(panel.pair.source.keypoints.xy[k], rel=1e-6) for k in ids
        ]
        assert marked(target, WRONG) == [(20.0, 30.0)] * len(ids)
        assert marked(target, TWIN) == [pytest.approx(points[1 - k]) for k in ids]
        assert {tuple(np.round(xy, 3)) for xy in marked(target, TRUTH)} == {
            tuple(np.round(points[k], 3)) for k in ids
        }
        rings = [p for p in target.patches if isinstance(p, Circle)]
        assert [ring.get_radius() for ring in rings] == pytest.approx([5.6] * 2 * len(ids))
        assert [ring.center for ring in rings] == [
            pytest.approx(points[k]) for k in np.ravel([[k, 1 - k] for k in ids])
        ]
    found_words = words(figure)
    heading = "greys: where 'mirror counterpart' costs most"
    assert any(text.splitlines()[0] == heading for text in found_words)
    assert {"wrong match", "annotated", "mirror counterpart"} <= set(found_words)
    assert "correct match" not in found_words


def test_an_absent_keypoint_has_no_annotated_point(found):
    run = wrong(found, absent=True)
    loss_type = "absent, counterpart visible"
    shown = panels(run, loss_type, 1)
    figure = drawn(run, loss_type, shown)
    target = figure.axes[2]
    assert marked(target, TRUTH) == []
    assert marked(target, WRONG)
    assert len(marked(target, TWIN)) == len([p for p in target.patches if isinstance(p, Circle)])
    assert {"match of an absent keypoint", "mirror counterpart"} <= set(words(figure))
    assert not {"annotated", "wrong match"} & set(words(figure))


def test_a_second_peak_is_a_correct_match_and_the_figure_says_what_it_lacks(found):
    figure = drawn(found, TYPES[0], panels(found, TYPES[0], 1))
    assert marked(figure.axes[2], CORRECT)
    assert "Records do not hold where the second peak lies" in " ".join(words(figure))


def test_what_a_pair_costs_stands_above_it(found):
    run = wrong(found, absent=False)
    shown = panels(run, "mirror counterpart", 2)
    found_words = words(drawn(run, "mirror counterpart", shown))
    for rank, panel in enumerate(shown, 1):
        cost = f": gain alone {100 * panel.costly.cost:.3f} of KAP × 100"
        assert any(f"{rank}. {panel.costly.pair_id}" in w and cost in w for w in found_words)


@pytest.mark.parametrize("n", [1, 3])
def test_texts_beside_the_images_lie_apart(found, n):
    figure = drawn(found, TYPES[0], panels(found, TYPES[0], n))
    for axes in figure.axes[1:]:
        for number in axes.texts:  # of keypoints, on the images
            number.set_visible(False)
    refuse_unreadable(figure)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_equal_figures_are_equal_files(found, tmp_path, ending):
    files = [
        draw_worst_of_type(found, "absent, other", SOURCES, Output(tmp_path / str(i), ending), 2)
        for i in range(2)
    ]
    assert [path.name for (path,) in files] == [f"worst-absent-other.{ending}"] * 2
    first, second = (path.read_bytes() for (path,) in files)
    assert first == second


def test_a_type_that_no_pair_has_is_refused(found, tmp_path):
    with pytest.raises(KapbenchError, match="No pair has an error of the type 'near miss'"):
        draw_worst_of_type(found, "near miss", SOURCES, Output(tmp_path), 2)
