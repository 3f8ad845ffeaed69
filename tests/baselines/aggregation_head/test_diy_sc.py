"""DIY-SC against the numbers of its own programs, and how its evaluation decodes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_vits import tiny_dinov2
from toy_backbone import ToyData, ToyEncoder

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_model
from kapbench.models.wrapper import WrappedEncoder
from kapbench.protocols import model_info
from kapbench.scoring.rules import PckRule, load_rule
from kapbench.scoring.soft_argmax import in_window
from kapbench.storage import file_hash
from kapbench_baselines.aggregation_head import diy_sc
from kapbench_baselines.aggregation_head.network import AggregationNetwork, released

CELLS = 60
# Printed by AggregationNetwork(feature_dims=[8], projection_dim=128) of DIY-SC-torchhub @f18e930
# (diy_sc/projection_network.py) on the weights and features of `original_inputs`: channels 0-5 of
# the first map's first cell, 40-45 of the second map's cell (33, 7).
FIRST = [0.21319270, 0.86018586, 0.0, 0.58486193, 0.04515158, 0.0]
SECOND = [0.0, 0.0, 0.0, 0.17088848, 0.08258373, 0.23944040]
# Printed by calculate_keypoint_transformation of DIY-SC @e1121c0 (utils/utils_correspondence.py)
# with SOFT_EVAL, for these cells of the first map: predicted x, y of 840 px, by the window.
QUERIES = [0, 1237, 2210, 3599]
PREDICTED = {
    5: [[806.0508, 664.4340], [189.6096, 220.4903], [383.0576, 610.5203], [729.3016, 828.5391]],
    7: [[804.8018, 664.9601], [184.6503, 231.9595], [393.9641, 606.6381], [727.0942, 820.7565]],
}


def original_inputs():
    """A head [8] → 128 and two feature maps, drawn in the order of the tensors' names."""
    rng = np.random.default_rng(0)
    shapes = {k: v.shape for k, v in AggregationNetwork([8], 128).state_dict().items()}
    state = {
        k: torch.from_numpy(np.asarray(rng.normal(0, 0.3, shapes[k]), np.float32))
        for k in sorted(shapes)
    }
    maps = rng.normal(size=(2, 8, CELLS, CELLS)).astype(np.float32)
    return released(state, Path("head.pth")), torch.from_numpy(maps)


@pytest.fixture(scope="module")
def refined():
    network, maps = original_inputs()
    with torch.inference_mode():
        return network(maps)


def test_the_head_gives_the_original_numbers(refined):
    np.testing.assert_allclose(refined[0, :6, 0, 0], FIRST, atol=1e-6)
    np.testing.assert_allclose(refined[1, 40:46, 33, 7], SECOND, atol=1e-6)


@pytest.mark.parametrize("window", [5, 7])
def test_the_window_soft_argmax_gives_the_original_points(refined, window):
    source, target = torch.nn.functional.normalize(refined.flatten(2), dim=1)
    maps = (source[:, QUERIES].T @ target).numpy()
    cells = in_window(maps.reshape(-1, CELLS, CELLS), maps.argmax(axis=1), window, temperature=0.02)
    np.testing.assert_allclose(14 * cells + 7, PREDICTED[window], atol=2e-3)


class Windowed(ToyEncoder):
    """Declares a window, as DIY-SC does."""

    def __init__(self, window):
        super().__init__()
        self.window = window


def rule():
    loaded = load_rule("pck-geoaware-soft")
    assert isinstance(loaded, PckRule)
    return loaded


def test_a_rule_takes_the_models_window_only_where_it_leaves_it_open():
    soft, hard = rule(), load_rule("pck-geoaware")
    assert soft.decode_for(False).window == 5
    assert soft.decode_for(True).window == 7
    assert soft.decode_for(False, 7) == soft.decode_supervised
    assert soft.decode_for(True, 5) == soft.decode
    other = soft.decode_for(False, 3)
    assert (other.key, other.window) == ("geoaware-soft5-window3", 3)
    assert hard.decode_for(False, 7) == hard.decode
    one_window = soft.model_copy(update={"decode_supervised": None})
    assert one_window.decode_for(False, 7) == soft.decode


def test_the_window_is_in_the_run_card_and_in_the_records(tmp_path):
    plain, own = (
        evaluate(
            model,
            ToyData("val"),
            rule="pck-geoaware-soft",
            cache=tmp_path / "cache",
            runs=tmp_path / "runs",
        )
        for model in (ToyEncoder(), Windowed(7))
    )
    assert (plain.card.model.window, own.card.model.window) == (None, 7)
    assert "window" not in plain.card.model.model_dump()  # as run cards from before it
    assert own.card.plan_hash != plain.card.plan_hash
    assert "x@geoaware-soft5" in plain.records
    assert "x@geoaware-soft7" in own.records
    assert "x@geoaware-soft5" not in own.records
    assert not np.allclose(plain.records["x@geoaware-soft5"], own.records["x@geoaware-soft7"])


def test_what_stands_on_a_model_keeps_its_window():
    info = model_info(Windowed(7))
    assert model_info(WrappedEncoder(Windowed(7), info)).window == 7


@pytest.mark.parametrize("wrong", [0, 2.5, "7"])
def test_a_window_that_is_no_radius(wrong):
    with pytest.raises(KapbenchError, match="window is"):
        model_info(Windowed(wrong))


@pytest.mark.parametrize("inside", ["", "ckpts/0368_dino_spair_fdim_128"])
def test_a_head_is_found_in_its_folder_and_declares_how_it_was_made(inside, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="needs the extra hf")
    folder = tmp_path / "release" / inside
    folder.mkdir(parents=True)
    torch.save(AggregationNetwork([768], 128).state_dict(), folder / "best.pth")
    digits = file_hash(folder / "best.pth")[:8]
    monkeypatch.setitem(diy_sc.CHECKPOINTS, 128, ("0368_dino_spair_fdim_128", digits))
    model = load_model(
        "diy_sc.128",
        device="cpu",
        weights=str(tmp_path / "release"),
        backbone_weights=str(tiny_dinov2(tmp_path, "dinov2.vitb14")),
        image_px=56,
    )
    info = model_info(model)
    assert (info.window, info.supervision, info.supervised) == (7, "viewpoint", False)
