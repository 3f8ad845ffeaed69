"""Points of curves and worst pairs against plain definitions; what is read of records and refused."""

import numpy as np
import pandas as pd
import pytest
from boards import drawn
from toy_backbone import ToyData, ToyEncoder

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.comparison import curves
from kapbench_leaderboard.entries.schema import find_entries, load_entry
from kapbench_leaderboard.entries.untrusted_files import curve_columns, read_records


class Windowed(ToyEncoder):
    window = 7


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    drawn(folder, {"good": 0.6}, categories=("cat", "cow"), n_resamples=20)
    (path,) = find_entries(folder)
    return load_entry(path).run


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    pair = np.repeat(np.arange(40), 5)
    visible = rng.random(len(pair)) < 0.7
    inside, outside, best = (rng.integers(0, 9, (3, len(pair))) / 8).astype(np.float32)  # ties
    return pd.DataFrame(
        {
            "pair_id": [f"{p:02d}" for p in pair],
            "category": np.where(pair < 15, "cat", "cow"),
            "keypoint": np.int16(0),
            "target_visible": visible,
            "size_px": 100.0,
            "error_px@sd-dino": np.where(visible, rng.exponential(10, len(pair)), np.nan),
            "best@cvpr24": best,
            "map_min@cvpr24": np.float32(0),
            "map_max@cvpr24": np.float32(1),
            "inside@cvpr24@0.10": np.where(visible, inside, np.float32(np.nan)),
            "outside@cvpr24@0.10": np.where(visible, outside, np.float32(np.nan)),
        }
    )


@pytest.fixture
def stored(tmp_path, rows):
    path = tmp_path / "records.parquet"
    rows.to_parquet(path, index=False)
    return path


def test_precision_is_that_of_the_first_threshold_that_reaches_a_recall(rows):
    rule = load_rule("kap-cvpr24")
    samples = kap_samples(rows, rule, 0.10)
    total = int(samples.label.sum())
    for recall, precision in curves.precision_curve(rows, rule, 0.10).points:
        for threshold in np.unique(samples.score)[::-1]:
            taken = samples.score >= threshold
            true = int(samples.label[taken].sum())
            if true / total >= recall:
                assert precision == true / int(taken.sum())
                break


def test_nothing_to_recall_has_no_points(rows):
    absent = rows.assign(**{"target_visible": False, "inside@cvpr24@0.10": np.float32(np.nan)})
    assert len(curves.precision_curve(absent, load_rule("kap-cvpr24"), 0.10).points) == 0


def test_pck_is_the_share_strictly_within_alpha_in_each_category(rows, run):
    rule = load_rule("pck-sd-dino")
    shown = rows[rows["target_visible"]]
    for alpha, value in curves.pck_curve(rows, rule, run).points:
        right = shown["error_px@sd-dino"] / 100 < alpha
        assert value == pytest.approx(right.groupby(shown["category"]).mean().mean())


def test_worst_pairs_have_the_fewest_right_then_the_largest_error(rows, run):
    plain = []
    for name, pair in rows[rows["target_visible"]].groupby("pair_id"):
        error = pair["error_px@sd-dino"] / 100
        if len(pair) >= 3:
            plain.append(((error < 0.1).mean(), -error.mean(), name))
    found = curves.worst_pairs(rows, run)
    assert [p.pair_id for p in found] == [name for *_, name in sorted(plain)[: len(found)]]
    assert len(found) == 10
    assert all(p.n >= 3 for p in found)


def test_a_model_s_own_window_is_used_by_curves_and_worst_pairs(tmp_path):
    """The records have no column of the rule's own window."""
    found = evaluate(Windowed(), ToyData("val"), rule="pck-geoaware-soft", cache=tmp_path)
    rule = found.card.rule("pck-geoaware-soft")
    assert found.card.decode(rule) == rule.decode_supervised != rule.decode
    worst = curves.worst_pairs(found.records, found.card)
    error = found.records["error_px@geoaware-soft7"] / found.records["size_px"]
    by_pair = error.groupby(found.records["pair_id"].astype(str)).mean()
    assert worst
    assert all(pair.error == pytest.approx(by_pair[pair.pair_id]) for pair in worst)
    assert len(curves.curves(found.records, found.card)) == 1


def test_of_records_only_what_is_drawn_is_read(stored, rows, run):
    read = read_records(stored, run, curve_columns(run))
    assert set(read) == set(rows) - {"keypoint"}
    for one, other in zip(curves.curves(read, run), curves.curves(rows, run), strict=True):
        np.testing.assert_array_equal(one.points, other.points)


def test_records_without_a_column_are_refused_by_its_name(tmp_path, rows, run):
    path = tmp_path / "records.parquet"
    rows.drop(columns="best@cvpr24").to_parquet(path, index=False)
    with pytest.raises(KapbenchError, match=r"no column best@cvpr24"):
        read_records(path, run, curve_columns(run))


def test_damaged_records_are_refused(tmp_path, run):
    path = tmp_path / "records.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(KapbenchError, match="records cannot be read") as caught:
        read_records(path, run, curve_columns(run))
    assert caught.value.place == path
