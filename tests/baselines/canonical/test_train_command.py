"""`kapbench train dve|asic`, end to end on the toys: train, resume, run, refuse."""

import pytest
from click.testing import CliRunner
from toy_backbone import TOY, words

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench_baselines.canonical.train_command import asic, dve
from kapbench_baselines.training import trained_weights as files

COMMANDS = {"dve": dve, "asic": asic}


@pytest.fixture(params=COMMANDS)
def method(request):
    return request.param


def train(method, tmp_path, *more):
    given = words(tmp_path, "--warps", "1", *more)
    return CliRunner().invoke(COMMANDS[method], given)


def load(method, tmp_path, **more):
    path = str(tmp_path / "out" / "weights.safetensors")
    return load_model(method, weights=path, backbone=f"{TOY}:ToyEncoder", **more)


def test_trained_weights_can_be_run(method, tmp_path):
    done = train(method, tmp_path)
    assert done.exit_code == 0, done.output
    assert "val KAP" in done.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "weights.safetensors",
        "state.safetensors",
        "history.json",
        "curve.png",
        "card.md",
    }
    _, card, _ = files.load(tmp_path / "out" / "weights.safetensors", method)
    model = load(method, tmp_path)
    assert (model.name, model.conditions_on) == (f"{method}.toy", ("category",))
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule="kap-cvpr24",
        cache=tmp_path / "cache",
        intervals=False,
    )
    assert found.headline("kap-cvpr24") == pytest.approx(
        card.scores["kap"], abs=3e-2
    )  # the backbone in fp16 there


@pytest.mark.slow
def test_resumed_training_ends_in_the_same_weights(method, tmp_path):
    assert train(method, tmp_path).exit_code == 0
    whole = (tmp_path / "out" / "weights.safetensors").read_bytes()
    assert train(method, tmp_path, "--resume").exit_code == 0
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == whole
    other = train(method, tmp_path, "--seed", "1")
    assert "other settings, data or seed" in str(other.exception)


def test_a_category_that_was_not_trained_on(method, tmp_path):
    assert train(method, tmp_path, "--category", "cat").exit_code == 0
    with pytest.raises(KapbenchError, match="dog"):
        evaluate(
            load(method, tmp_path),
            load_dataset(f"{TOY}:ToyData", split="val"),
            rule="kap-cvpr24",
            cache=tmp_path / "cache",
        )


def test_without_weights_it_says_how_to_make_some(method):
    with pytest.raises(KapbenchError, match="needs weights") as caught:
        load_model(method, dataset="spair")
    assert f"kapbench train {method} --backbone lite0 --dataset spair" in str(caught.value)


def test_weights_of_the_other_method_are_refused(tmp_path):
    assert train("dve", tmp_path).exit_code == 0
    with pytest.raises(KapbenchError, match="weights of dve, not of asic"):
        load("asic", tmp_path)


def test_a_loss_that_asic_has_not(tmp_path):
    done = train("asic", tmp_path, "--without", "colour")
    assert "Unknown loss 'colour'" in str(done.exception)
    assert not (tmp_path / "out").exists()


def over_pixels(method, tmp_path):
    given = words(tmp_path, "--warps", "1")
    given[given.index("--backbone") + 1] = "pixels"
    return CliRunner().invoke(COMMANDS[method], given)


def test_dve_over_pixels(tmp_path):
    """Its pairs are known from the warps: no feature is compared with another."""
    done = over_pixels("dve", tmp_path)
    assert done.exit_code == 0, done.output
    model = load_model("dve", weights=str(tmp_path / "out" / "weights.safetensors"))
    assert (model.name, model.similarity) == ("dve.pixels", "dot")
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule="pck-v1",
        cache=tmp_path / "cache",
        intervals=False,
    )
    assert 0 <= found.headline("pck-v1") <= 1


def test_asic_pairs_features_by_their_cosine(tmp_path):
    said = str(over_pixels("asic", tmp_path).exception)
    assert "compared by neg_l2; asic's matching needs cosines" in said
