"""What an adapter declares of itself is checked at the door, with the attribute named."""

import math
from pathlib import Path

import numpy as np
import pytest
from tiny_world import TinyDataset, TinyEncoder

from kapbench.errors import KapbenchError
from kapbench.protocols import check_dataset, model_info

WRONG = [
    ("name", None),
    ("name", "two\nlines"),
    ("name", "nul\0"),
    ("name", "n" * 201),
    ("name", "half \ud800"),
    ("revision", 1),
    ("supervision", None),
    ("supervision", 3),
    ("conditions_on", "mask"),
    ("conditions_on", ([],)),
    ("conditions_on", None),
    ("similarity", np.zeros(2)),
    ("similarity", ["dot"]),
    ("trained_on", 1),
    ("options", [("a", 1)]),
    ("options", None),
    ("reads_image_id", "yes"),
    ("padding", -1),
    ("padding", 1.5),
    ("padding", True),
    ("parts", [1, 2]),
    ("parts", (0,)),
    ("window", 0),
    ("window", True),
]
OPTIONS = [np.float32(0.5), np.arange(3), math.nan, math.inf, 2**70, Path("a"), {1, 2}, "\ud800"]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=str)
def test_a_wrong_attribute_is_named(name, value):
    model = TinyEncoder()
    setattr(model, name, value)
    with pytest.raises(KapbenchError) as error:
        model_info(model)
    assert name in error.value.thing


@pytest.mark.parametrize("value", OPTIONS, ids=repr)
def test_an_option_that_run_json_cannot_hold_is_named(value):
    model = TinyEncoder()
    model.options = {"sound": [1, 0.5, None, {"a": "b"}], "odd": value}
    with pytest.raises(KapbenchError, match="The option 'odd' is"):
        model_info(model)
    model.options = {"nested": {"a": [value]}}
    with pytest.raises(KapbenchError, match="The option 'nested' is"):
        model_info(model)


def test_options_that_run_json_holds():
    model = TinyEncoder()
    model.options = {"sound": [1, 0.5, None, {"a": "b"}], "pair": (1, 2)}
    assert model_info(model).options["pair"] == (1, 2)


def test_a_data_set_whose_name_is_no_text_of_one_line():
    with pytest.raises(KapbenchError, match=r"name is 'two\\nlines'"):
        check_dataset(TinyDataset(name="two\nlines"))
