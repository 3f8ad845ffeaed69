"""`kapbench train sphere`, end to end on the toy data: it trains, resumes, and can then be run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_vits import tiny_dinov2

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.settings import named
from kapbench_baselines.sphere.train_command import seen_by, sphere
from kapbench_baselines.training.options import TrainingRequest, TrainingSetup
from kapbench_baselines.training.tensor_files import read_tensors

TOY = Path(__file__).parents[2] / "support/toy_backbone.py"


def train(tmp_path: Path, *more: str) -> Result:
    arguments = ["--backbone", f"{TOY}:ToyEncoder", "--dataset", f"{TOY}:ToyData"]
    arguments += ["--steps", "4", "--batch", "4", "--validate-every", "2", "--crops", "1"]
    arguments += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out"), *more]
    return CliRunner().invoke(sphere, arguments)


def test_trained_weights_can_be_run(tmp_path: Path) -> None:
    done = train(tmp_path, "--precision", "fp32")
    assert done.exit_code == 0, done.output
    assert "step 2: reconstruction" in done.output
    assert "val KAP" in done.output
    weights = tmp_path / "out" / "weights.safetensors"
    assert f"weights: {weights}" in done.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "weights.safetensors",
        "state.safetensors",
        "history.json",
        "curve.png",
        "card.md",
    }
    _, card, _ = checkpoint.load(weights)
    assert (card.n_images, card.categories) == (8, ("cat", "dog"))
    assert 0 <= card.scores["kap"] <= 1
    text = (tmp_path / "out" / "card.md").read_text()
    for said in ("# sphere over toy", "8 images", "viewpoint and masks", "frozen toy KAP@0.10"):
        assert said in text
    assert f"KAP@0.10 {100 * card.scores['kap']:.1f}" in text
    assert "| sphere_weight | 0.2 |" in text
    model = load_model("sphere", weights=str(weights), backbone=f"{TOY}:ToyEncoder")
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule="kap-cvpr24",
        cache=tmp_path / "cache",
        intervals=False,
    )
    # Validation reads the backbone's maps in fp16, as the cache keeps them.
    assert found.headline("kap-cvpr24") == pytest.approx(card.scores["kap"], abs=5e-3)


def test_weights_over_an_adapters_file_say_which_backbone_to_give(tmp_path: Path) -> None:
    assert train(tmp_path, "--steps", "2", "--validate-every", "0").exit_code == 0
    weights = str(tmp_path / "out" / "weights.safetensors")
    _, card, _ = checkpoint.load(Path(weights))
    assert card.backbone_spec == "toy_backbone.py:ToyEncoder"  # and no folder of this machine
    with pytest.raises(KapbenchError, match="backbone 'toy', which is not installed") as caught:
        load_model("sphere", weights=weights)
    assert "-o backbone=toy_backbone.py:ToyEncoder" in str(caught.value)
    assert load_model("sphere", weights=weights, backbone=f"{TOY}:ToyEncoder").name == "sphere.toy"


def test_nothing_to_validate_on_is_said_before_training(tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    text = TOY.read_text()
    own.write_text(
        text
        + """

class Split(ToyData):
    def __init__(self, split="trn"):
        super().__init__(split, categories=("cat", "dog") if split == "trn" else ("cow", "hen"))
"""
    )
    found = train(tmp_path, "--dataset", f"{own}:Split")
    assert isinstance(found.exception, KapbenchError)
    assert "The val split has no pairs of cat, dog" in str(found.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["-0.1", "1.1"])
def test_a_share_beyond_its_range(tmp_path: Path, share: str) -> None:
    found = train(tmp_path, "--sphere-weight", share)
    assert found.exit_code == 2
    assert "--sphere-weight" in found.output


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    assert train(tmp_path).exit_code == 0
    before = (tmp_path / "out" / "weights.safetensors").read_bytes()
    again = train(tmp_path)
    assert again.exit_code == 0, again.output
    assert "is finished: all" in again.output.splitlines()[0]
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == before


def test_too_few_images(tmp_path: Path) -> None:
    found = train(tmp_path, "--category", "wolf")
    assert isinstance(found.exception, KapbenchError)
    assert "There are 0 images to train on" in str(found.exception)


def test_an_unknown_preset_is_answered_with_the_nearest(tmp_path: Path) -> None:
    found = train(tmp_path, "--preset", "papr")
    assert isinstance(found.exception, KapbenchError)
    assert "Did you mean paper" in str(found.exception)


def test_a_loss_can_be_left_out(tmp_path: Path) -> None:
    done = train(tmp_path, "--without", "orientation", "--validate-every", "0")
    assert done.exit_code == 0, done.output
    _, card, _ = checkpoint.load(tmp_path / "out" / "weights.safetensors")
    assert card.settings["losses"]["orientation"] == 0
    assert card.settings["losses"]["viewpoint"] == 0.1
    assert "Unknown loss 'colour'" in str(train(tmp_path, "--without", "colour").exception)


@pytest.mark.slow
def test_the_papers_configuration_runs_end_to_end(tmp_path: Path) -> None:
    """DINOv2-B's width, one random block; its own weights named on the command line.

    Trained on its 32×32 tokens of 448 px, run on its 60×60 of 840 px.
    """
    pytest.importorskip("transformers", reason="needs the extra hf")
    dino = str(tiny_dinov2(tmp_path, "dinov2.vitb14"))
    done = train(
        tmp_path,
        "--preset",
        "paper",
        "--backbone",
        "dinov2.vitb14",
        "--backbone-weights",
        dino,
        "--steps",
        "2",
        "--batch",
        "2",
        "--crops",
        "1",
        "--validate-every",
        "0",
    )
    assert done.exit_code == 0, done.output
    kept = [read_tensors(p, "")[0] for p in (tmp_path / "cache" / "sphere").iterdir()]
    assert {tuple(k["tokens"].shape) for k in kept} == {(1, 32 * 32, 768)}
    weights = tmp_path / "out" / "weights.safetensors"
    mapper, card, _ = checkpoint.load(weights)
    assert card.backbone == "dinov2.vitb14"
    shape = {"channels": 768, "width": 384, "heads": 6, "depth": 1, "token_grid": 60}
    assert card.shape == shape
    released = json.loads(Path(__file__).with_name("released_layout.json").read_text())["tensors"]
    shapes = {k: list(v.shape) for k, v in mapper.state_dict().items()}
    assert {k: v for k, v in shapes.items() if not k.startswith("input_")} == {
        k: v for k, v in released.items() if k.startswith("sphere_mapper.")
    }
    own = {"weights": str(weights), "backbone_weights": dino}
    model = load_model("sphere.dinov2.vitb14", device="cpu", **own)
    assert card.backbone_revision == model.backbone.revision  # that of 840 px
    assert model.revision == load_model("sphere", device="cpu", **own).revision
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule="kap-cvpr24",
        cache=tmp_path / "cache",
        intervals=False,
    )
    assert 0 <= found.headline("kap-cvpr24") <= 1


SIZED = """
class Sized(ToyEncoder):
    def __init__(self, image_px=840):
        super().__init__()
        self.revision = f"{image_px}px"
"""


def setup_of(backbone: str) -> TrainingSetup:
    request = TrainingRequest(
        backbone=backbone,
        backbone_weights=None,
        dataset_name="toy",
        split="trn",
        categories=(),
        steps=None,
        batch=None,
        parts=1,
        rate=None,
        seed=0,
        device="cpu",
        precision="fp32",
        out=None,
        keep="last",
        force=False,
        data_root=None,
        dataset_options=(),
        cache=None,
        validate_every=0,
    )
    return TrainingSetup(
        request, None, (), (), load_model(backbone, device="cpu"), Path(), "cpu", None
    )


def test_the_paper_shows_the_backbone_448_px_in_training_alone(tmp_path: Path) -> None:
    (tmp_path / "sized.py").write_text(TOY.read_text() + SIZED)
    request = setup_of(f"{tmp_path / 'sized.py'}:Sized")
    assert seen_by(request.encoder, named("paper"), request).revision.startswith("448px-")
    assert seen_by(request.encoder, named("lite0"), request) is request.encoder
    assert request.encoder.revision.startswith("840px-")


def test_a_backbone_of_one_size_has_no_paper_preset(tmp_path: Path) -> None:
    request = setup_of(f"{TOY}:ToyEncoder")
    with pytest.raises(
        KapbenchError, match="448 px, but the size of toy cannot be chosen"
    ) as caught:
        seen_by(request.encoder, named("paper"), request)
    assert "--preset lite0" in str(caught.value)
    none = train(tmp_path, "--preset", "paper", "--crops", "0")
    assert "This preset shows crops only" in str(none.exception)
