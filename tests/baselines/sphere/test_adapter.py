"""The encoder `sphere`: what its features mean, and whom it works with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_world import TinyDataset, TinyEncoder
from torch.nn import functional

from kapbench import evaluate
from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.cached_map import to_cells
from kapbench.protocols import Encoder
from kapbench.types import Picture
from kapbench_baselines.aggregation_head.network import AggregationNetwork
from kapbench_baselines.geoaware.supervised import with_head
from kapbench_baselines.sphere import adapter, checkpoint
from kapbench_baselines.sphere.adapter import SphereEncoder, sphere
from kapbench_baselines.training.card import Card
from kapbench_baselines.training.trained_weights import save

FILE = """
import numpy as np
from kapbench.types import FeatureMap, Grid

class Colours:
    name, revision, conditions_on, similarity = "colours", "1", (), "dot"

    def encode(self, pictures):
        return [FeatureMap(p.pixels[::8, ::8].transpose(2, 0, 1) / 255.0,
                           Grid.stretched(p.size, 6, 6)) for p in pictures]

class Distances(Colours):
    similarity = "neg_l2"

class NoEncoder:
    name, revision, conditions_on = "pairs", "1", ()

    def match(self, source, target, queries): ...
"""


@pytest.fixture
def colours(tmp_path: Path) -> str:
    (tmp_path / "colours.py").write_text(FILE)
    return str(tmp_path / "colours.py")


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.manual_seed(0)
    card = Card(
        method="sphere",
        backbone="colours",
        backbone_revision="1",
        backbone_spec=None,
        categories=("cat",),
        dataset="toy",
        dataset_revision="r",
        split="trn",
        n_images=1,
        supervision="viewpoint and boxes",
        seed=0,
        steps=1,
        shape={"channels": 3, "width": 8, "heads": 2, "depth": 1, "token_grid": 3},
        settings={"sphere_weight": 0.2},
    )
    save(tmp_path / "w.safetensors", checkpoint.build(card), card)
    return str(tmp_path / "w.safetensors")


def picture(seed: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(1, 255, (48, 48, 3), dtype=np.uint8)
    return Picture(pixels, f"toy/{seed}")


def cells(model: Any, shown: Picture) -> torch.Tensor:
    return torch.from_numpy(np.asarray(model.encode([shown])[0].values)).float().flatten(1)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_dot_product_is_the_fused_cosine(colours: str, weights: str, share: float) -> None:
    model = sphere(weights, f"{colours}:Colours", sphere_weight=share)
    assert isinstance(model, Encoder)
    one, two = picture(0), picture(1)
    found = cells(model, one).T @ cells(model, two)
    kept = [to_cells(model.backbone.encode([p])[0]).feature_map() for p in (one, two)]
    features = [functional.normalize(torch.from_numpy(m.values).flatten(1), dim=0) for m in kept]
    points = [torch.from_numpy(model.sphere(m)).flatten(1) for m in kept]
    expected = (1 - share) * features[0].T @ features[1] + share * points[0].T @ points[1]
    assert torch.allclose(found, expected, atol=1e-5)


def test_stacked_features_and_points_are_of_unit_length(colours: str, weights: str) -> None:
    model = sphere(weights, f"{colours}:Colours")
    assert torch.allclose(cells(model, picture()).norm(dim=0), torch.ones(36), atol=1e-5)
    points = model.sphere(model.backbone.encode([picture()])[0])
    assert points.shape == (3, 6, 6)
    assert np.allclose(np.linalg.norm(points, axis=0), 1, atol=1e-5)


def test_the_revision_changes_with_all_that_shapes_the_output(colours: str, weights: str) -> None:
    one = sphere(weights, f"{colours}:Colours")
    assert sphere(weights, f"{colours}:Colours").revision == one.revision
    assert sphere(weights, f"{colours}:Colours", sphere_weight=0.3).revision != one.revision
    other = SphereEncoder(one.backbone, one.mapper, one.token_grid, "other weights")
    assert other.revision != one.revision


def test_a_run_is_repeated_by_what_its_card_tells_of_the_options() -> None:
    one = load_model("sphere", device="cpu", dataset="spair", sphere_weight=0.5)
    assert one.options == {"sphere_weight": 0.5}
    again = load_model("sphere", device="cpu", dataset="spair", **one.options)
    own = load_model("sphere", device="cpu", dataset="spair")
    assert again.revision == one.revision != own.revision
    assert own.options == {}  # as in entries from before it had any
    said = load_model("sphere", device="cpu", dataset="spair", sphere_weight=own.sphere_weight)
    assert (said.options, said.revision) == ({}, own.revision)


def test_a_backbone_that_knows_images_by_name_is_cached_by_name(colours: str, weights: str) -> None:
    one = sphere(weights, f"{colours}:Colours")
    assert not one.reads_image_id
    one.backbone.reads_image_id = True  # as saved features do
    assert SphereEncoder(one.backbone, one.mapper, one.token_grid, "w").reads_image_id


def test_a_sweep_of_the_sphere_weight_encodes_each_image_once(
    colours: str, weights: str, tmp_path: Path
) -> None:
    encoder, data = TinyEncoder(), TinyDataset()
    mapper = sphere(weights, f"{colours}:Colours").mapper
    over = [SphereEncoder(encoder, mapper, 3, "w", share) for share in (0.2, 0.5)]
    head = AggregationNetwork([3], 128)
    for model in (encoder, *over, with_head(encoder, head, "w", "cpu")):
        evaluate(model, data, rule="pck-v1", cache=tmp_path, intervals=False)
    assert sorted(encoder.seen) == [view.image_id for view in data.views()]


def test_what_cannot_be_a_backbone(colours: str, weights: str) -> None:
    with pytest.raises(KapbenchError, match="compared by neg_l2"):
        sphere(weights, f"{colours}:Distances")
    with pytest.raises(KapbenchError, match="no encode"):
        sphere(weights, f"{colours}:NoEncoder")
    with pytest.raises(KapbenchError, match="sphere weight is 2"):
        sphere(weights, f"{colours}:Colours", sphere_weight=2)


def test_weights_of_another_backbone(colours: str, weights: str, tmp_path: Path) -> None:
    text = FILE.replace('"colours", "1"', '"colours", "2"')
    (tmp_path / "newer.py").write_text(text)
    with pytest.raises(KapbenchError, match="this colours is @2"):
        sphere(weights, f"{tmp_path / 'newer.py'}:Colours")


def test_no_shipped_weights_for_an_unknown_data_set() -> None:
    with pytest.raises(KapbenchError, match="No trained weights are shipped for data set 'mine'"):
        sphere(dataset="mine")
    with pytest.raises(KapbenchError, match="Give -o weights"):
        sphere()


def test_a_backbone_behind_the_dot_takes_the_weights_shipped_for_it() -> None:
    named = load_model("sphere.lite0", device="cpu", dataset="spair.small")
    assert named.name == "sphere.lite0"
    assert named.revision == load_model("sphere", device="cpu", dataset="spair").revision
    other = load_model("sphere.lite0", device="cpu", dataset="synthetic")
    assert other.revision != named.revision


def test_a_backbone_behind_the_dot_that_none_are_shipped_for(weights: str) -> None:
    with pytest.raises(KapbenchError, match="shipped for data set 'spair' over pixels") as caught:
        load_model("sphere.pixels", device="cpu", dataset="spair")
    assert "kapbench train sphere --backbone pixels --dataset spair" in str(caught.value)
    with pytest.raises(KapbenchError, match="weights are for backbone 'colours', not for 'lite0'"):
        load_model("sphere.lite0", device="cpu", weights=weights)
    with pytest.raises(KapbenchError, match="Unknown model 'litte0'") as caught:
        load_model("sphere.litte0", device="cpu", dataset="spair")
    assert "Did you mean lite0" in str(caught.value)


@pytest.mark.parametrize("file", sorted(p.name for p in adapter.SHIPPED.iterdir()))
def test_shipped_weights_are_small_and_come_with_a_card(file: str) -> None:
    found = adapter.SHIPPED / file
    if not file.endswith(".safetensors"):
        assert file.endswith(".md")
        return
    assert len(found.read_bytes()) < 1_500_000
    assert (adapter.SHIPPED / file.replace(".safetensors", ".md")).is_file()
    _, card, _ = checkpoint.load(Path(str(found)))
    assert file == f"{card.dataset.split('.')[0]}-{card.backbone}.safetensors"
