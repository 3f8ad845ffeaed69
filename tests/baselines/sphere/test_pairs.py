"""SD+DINO with the sphere: the published similarity, and from a training to a score."""

from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from built import of_sphere
from click.testing import CliRunner
from original_sphere import CHANNELS, GRID, Inputs, original_inputs
from pictures import picture
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench.models import contract
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap
from kapbench_baselines.diffusion.sd_dino import SdDino
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.pairs import SpherePairs, over_sd_dino
from kapbench_baselines.sphere.train_command import sphere as train_sphere

TOY = Path(__file__).parents[2] / "support/toy_backbone.py"
CELLS = [0, 17, 35]
# pck_spair_pascal_sphere.py of VICO-UoE/SphericalMaps @620fe28 with --SPH, by its `dist` (l2 for
# SD+DINO, cos for DINOv2 alone): every seventh similarity of these source cells, and their best
# target cells.
PUBLISHED = {
    "neg_l2": [
        [-1.883947, -1.583011, -1.812468, -1.961822, -1.846806, -1.888517],
        [-1.837512, -1.945865, -1.909841, -1.947565, -1.861090, -1.880911],
        [-1.700590, -2.066818, -1.922448, -1.713265, -1.787274, -1.866560],
    ],
    "dot": [
        [-0.041590, 0.285906, 0.086631, -0.069301, 0.052251, -0.031758],
        [0.015683, -0.067007, -0.024386, -0.053854, 0.020667, -0.039984],
        [0.169383, -0.188757, -0.026799, 0.161509, 0.092296, -0.051589],
    ],
}
BEST = {"neg_l2": [16, 5, 6], "dot": [16, 5, 5]}


def test_its_options_are_those_of_sd_dino():
    """Beside `weights` and `sphere_weight`, which are the sphere's; SD's own have another name."""
    own, of_sd_dino = (signature(f).parameters for f in (over_sd_dino, SdDino))
    defaults = {
        name: p.default for name, p in own.items() if name not in ("weights", "sphere_weight")
    }
    defaults["weights"] = defaults.pop("backbone_weights")
    assert defaults == {name: p.default for name, p in of_sd_dino.items()}


class Drawn:
    """SD+DINO's answers on drawn features; pictures are numbered 0 and 1."""

    name, revision, conditions_on = "sd_dino", "1", ()

    def __init__(self, inputs: Inputs, compared_by: Any) -> None:
        self.inputs, self.compared_by = inputs, compared_by

    def tokens(self, shown: Picture) -> FeatureMap:
        values = self.inputs.tokens[int(shown.image_id)].reshape(CHANNELS, GRID, GRID)
        return FeatureMap(values.numpy(), Grid.letterbox(shown.size, GRID, 840))

    def match(self, source: Picture, target: Picture, queries: np.ndarray) -> SimilarityMap:
        halves = [
            functional.normalize(x, dim=1) for x in (self.inputs.diffusion, self.inputs.tokens)
        ]
        ours, theirs = torch.cat([0.5 * half for half in halves], dim=1)
        grid = self.tokens(target).grid
        ours = ours[:, grid.cell_of(queries)]
        if self.compared_by == "neg_l2":
            values = -torch.cdist(ours.T, theirs.T)
        else:
            values = functional.normalize(ours, dim=0).T @ functional.normalize(theirs, dim=0)
        return SimilarityMap(values.reshape(-1, GRID, GRID).numpy(), grid, queries)


@pytest.mark.parametrize("compared_by", PUBLISHED)
def test_the_similarity_is_the_published_one(compared_by: str) -> None:
    inputs = original_inputs()
    model = SpherePairs(Drawn(inputs, compared_by), inputs.mapper, GRID, "w", 0.2)
    source, target = (replace(picture(60, 60, i), image_id=str(i)) for i in (0, 1))
    queries = np.array([[10 * (c % GRID) + 5.0, 10 * (c // GRID) + 5.0] for c in CELLS])
    found = model.match(source, target, queries).values.reshape(3, -1)
    # The original adds 1e-6 to every difference before it takes the norm.
    np.testing.assert_allclose(found[:, ::7], PUBLISHED[compared_by], atol=5e-5)
    assert found.argmax(axis=1).tolist() == BEST[compared_by]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Random SD+DINO, and a mapper over DINOv2-B's width in the released layout."""
    pytest.importorskip("diffusers", reason="needs the extra sd")
    return of_sphere(tmp_path_factory.mktemp("sd_dino"), "sphere.sd_dino")


def built(files: dict[str, Any], **options: Any) -> Any:
    return load_model("sphere.sd_dino", device="cpu", **files | options)


def test_a_contract_is_kept(files: dict[str, Any]) -> None:
    assert contract.broken(built(files)) == []


def test_both_parts_are_those_of_sd_dino_and_of_the_mapper(files: dict[str, Any]) -> None:
    model = built(files)
    source, target = picture(64, 48, 0), picture(64, 48, 1)
    queries = np.array([[5.0, 6.0], [40.0, 30.0]])
    features = model.backbone.match(source, target, queries).values.reshape(2, -1)
    dino = model.backbone.token_encoder.encode([source, target])
    with torch.inference_mode():
        points = [model.mapper(torch.from_numpy(m.values).flatten(1).T[None])[0] for m in dino]
    cells = dino[0].grid.cell_of(queries)
    of_points = -torch.cdist(points[0][cells], points[1]).numpy()
    expected = 0.8 * 2 * features + 0.2 * of_points
    found = model.match(source, target, queries).values.reshape(2, -1)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # tokens are kept in fp16


def test_a_run_is_repeated_by_its_options(files: dict[str, Any]) -> None:
    one = built(files, sphere_weight=0.4, alpha=0.3)
    again = built(files, **one.options)
    assert one.options["sphere_weight"] == 0.4
    assert again.revision == one.revision
    assert len({one.revision, built(files).revision, built(files, alpha=0.3).revision}) == 3
    assert "sphere_weight" not in built(files).options
    assert (one.name, one.supervision) == ("sphere.sd_dino", "viewpoint and masks")


def test_what_is_missing_or_does_not_fit(files: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KapbenchError, match="needs weights, which are not shipped") as caught:
        load_model("sphere.sd_dino", device="cpu")
    assert "--backbone sd_dino" in str(caught.value)
    with pytest.raises(KapbenchError, match="'sd_dino' is a model of pairs") as caught:
        load_model("sphere", device="cpu", weights=files["weights"], backbone="sd_dino")
    assert "--model sphere.sd_dino" in str(caught.value)
    with pytest.raises(KapbenchError, match="sphere weight is 2"):
        built(files, sphere_weight=2)
    shipped = Path(str(checkpoint.__file__)).with_name("weights") / "spair-lite0.safetensors"
    with pytest.raises(KapbenchError, match="weights are for backbone 'lite0'"):
        built(files, weights=str(shipped))


@pytest.mark.slow
def test_from_training_to_a_score(files: dict[str, Any], tmp_path: Path) -> None:
    """Trained for two steps on DINOv2's tokens of 448 px; run on SD+DINO with 60×60 of 840 px."""
    own = ["--backbone", "sd_dino", "--backbone-weights", files["dino_weights"]]
    where = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    data = ["--dataset", f"{TOY}:ToyData", "--normed-tokens"]
    size = ["--preset", "paper", "--steps", "2", "--batch", "2", "--crops", "1"]
    arguments = [*own, *where, *data, *size, "--validate-every", "0"]
    done = CliRunner().invoke(train_sphere, arguments)
    assert done.exit_code == 0, done.output
    weights = tmp_path / "out" / "weights.safetensors"
    mapper, card, _ = checkpoint.load(weights)
    assert (card.backbone, mapper.normed, card.shape["token_grid"]) == ("dinov2.vitb14", True, 60)
    model = built(files, weights=str(weights), dino_px=840)
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule=["kap-cvpr24", "pck-sd-dino"],
        intervals=False,
    )
    assert 0 <= found.headline("kap-cvpr24") <= 1
    assert found.card.model.name == "sphere.sd_dino"
