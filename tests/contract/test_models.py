"""What every registered model owes to whoever runs it."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "baselines"))
from pictures import picture

from kapbench import registry
from kapbench.errors import KapbenchError
from kapbench.evaluation import load_model
from kapbench.protocols import AnnotatedModel, Encoder, PairModel

SIZES = [(64, 48), (48, 64), (50, 50), (10, 10)]
CONDITIONS = {"category", "mask", "azimuth"}


def options_for(name, folder):
    """What a model needs before it can be built offline."""
    if name.startswith("dinov2."):
        pytest.importorskip("transformers", reason="needs the extra hf")
        return {"weights": str(tiny_dinov2(folder, name.endswith("reg"))), "image_px": 56}
    return {}


def tiny_dinov2(folder, registers):
    import transformers

    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    if not (folder / kind).exists():
        config = getattr(transformers, f"{kind}Config")(
            hidden_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14
        )
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / kind)
    return folder / kind


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(params=[n for n in registry.names("models") if not n.endswith(":")], scope="module")
def model(request, folder):
    return load_model(
        request.param, device="cpu", dataset="synthetic", **options_for(request.param, folder)
    )


def test_says_what_it_is(model):
    assert model.name
    assert model.revision
    assert set(model.conditions_on) <= CONDITIONS
    assert getattr(model, "supervision", "none")
    assert isinstance(model, Encoder | PairModel | AnnotatedModel)


def test_encodes_any_size_alone_as_in_a_batch(model):
    if not isinstance(model, Encoder):
        pytest.skip("no encoder")
    shown = [picture(w, h, i) for i, (w, h) in enumerate(SIZES)]
    together = model.encode(shown)
    assert len(together) == len(shown)
    assert model.similarity in ("dot", "neg_l2")
    for alone, one, found in zip(map(one_by_one(model), shown), shown, together, strict=True):
        assert found.values.shape[1:] == (found.grid.height, found.grid.width)
        assert np.isfinite(found.values).all()
        np.testing.assert_allclose(alone.values, found.values, atol=2e-5)
        x0, y0, x1, y1 = found.grid.box
        assert x0 <= 0.5
        assert y0 <= 0.5
        assert x1 >= one.size[0] - 0.5
        assert y1 >= one.size[1] - 0.5


def one_by_one(model):
    return lambda shown: model.encode([shown])[0]


def test_matches_every_query(model):
    if isinstance(model, Encoder) or not isinstance(model, PairModel):
        pytest.skip("no pair model")
    for n in (0, 3):
        queries = np.random.default_rng(0).uniform(0, 48, (n, 2))
        found = model.match(picture(64, 48), picture(48, 64, 1), queries)
        assert found.values.shape == (n, found.grid.height, found.grid.width)
        assert np.isfinite(found.values).all()


def test_is_deterministic(model, folder):
    if not isinstance(model, Encoder):
        pytest.skip("no encoder")
    again = load_model(
        model.name, device="cpu", dataset="synthetic", **options_for(model.name, folder)
    )
    assert again.revision == model.revision
    shown = [picture(40, 30)]
    np.testing.assert_array_equal(model.encode(shown)[0].values, again.encode(shown)[0].values)


def test_refuses_options_it_does_not_know(model, folder):
    options = options_for(model.name, folder)
    with pytest.raises(KapbenchError, match="unknown option 'colour'"):
        load_model(model.name, device="cpu", colour="red", **options)
