"""Half precision: another model by name, nearly the same by its maps."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.mixed_precision import Autocast, in_precision
from kapbench.protocols import Encoder, Prepares
from kapbench.types import FeatureMap, Grid, Picture

PICTURE = Picture(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8), "a")


class Layer:
    """One convolution, and what else an adapter may carry."""

    name, revision, conditions_on, similarity = "layer", "1", (), "dot"
    supervision, options = "masks", {"depth": 1}

    def __init__(self):
        torch.manual_seed(0)
        self.net, self.kinds = nn.Conv2d(3, 8, 4, 4), []

    def prepare(self, picture):
        return picture.pixels

    def encode(self, pictures):
        with torch.inference_mode():
            x = torch.from_numpy(np.stack([p.pixels for p in pictures])).permute(0, 3, 1, 2) / 255
            found = self.net(x)
        self.kinds.append(found.dtype)
        values = found.float().numpy()
        return [
            FeatureMap(v, Grid.stretched(p.size, 6, 6))
            for v, p in zip(values, pictures, strict=True)
        ]


@pytest.mark.parametrize(
    ("precision", "kind", "near"), [("bf16", torch.bfloat16, 0.02), ("fp16", torch.float16, 3e-3)]
)
def test_products_are_in_half_precision_and_maps_are_near(precision, kind, near):
    plain = Layer()
    model = in_precision(plain, precision, "cpu")
    [half], [whole] = model.encode([PICTURE]), Layer().encode([PICTURE])
    assert plain.kinds == [kind]
    assert half.values.dtype == np.float32
    assert not np.array_equal(half.values, whole.values)
    np.testing.assert_allclose(half.values, whole.values, atol=near)


def test_it_is_another_model_with_all_that_the_encoder_says_of_itself():
    model = in_precision(Layer(), "bf16", "cpu")
    assert isinstance(model, Encoder)
    assert isinstance(model, Prepares)
    assert (model.name, model.revision) == ("layer", "bf16-1")
    assert model.options == {"depth": 1, "precision": "bf16"}
    assert model.supervision == "masks"
    assert not model.reads_image_id
    assert copy.copy(model).revision == model.revision


def test_fp32_is_the_model_itself():
    model = Layer()
    assert in_precision(model, "fp32", "cpu") is model


def test_wrong_words():
    with pytest.raises(KapbenchError, match="Unknown precision 'fp8'") as error:
        load_model("pixels", precision="fp8")
    assert "bf16" in error.value.fix
    with pytest.raises(KapbenchError, match="random is not an encoder"):
        load_model("random", precision="bf16")
    assert isinstance(load_model("pixels", precision="fp16", device="cpu"), Autocast)
