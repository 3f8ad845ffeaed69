"""Two models share features and a run only if they are made of the same code and values."""

import importlib.metadata
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tiny_world
import torch

import kapbench
from kapbench import registry
from kapbench.errors import KapbenchError
from kapbench.identity.model_identity import (
    declared_revision,
    identify,
    is_same_revision,
    mark_made_by_name,
)
from kapbench.loading import load_model
from kapbench.types import FeatureMap

MODEL = """
import {imports}

FACTOR = {factor}


def cells(picture):
    return np.full((3, 2, 2), FACTOR, np.float32)


class Model:
    name, revision, conditions_on, similarity = "mine", "1", (), "dot"

    def __init__(self, **values):
        vars(self).update(values)

    def encode(self, pictures):
        {body}
        return [cells(p) for p in pictures]
"""


def made(**values):
    """A model of a class that was typed in: there is no source file."""
    return notebook_class()(**values)


def notebook_class(factor: int = 1, body: str = "pass", **more: object) -> type:
    namespace = {"__name__": "__main__", "np": np, **more}
    exec(MODEL.format(imports="numpy as np", factor=factor, body=body), namespace)
    cls: type = namespace["Model"]
    return cls


def digits(model) -> str:
    return identify(model).info.revision


def test_equal_objects_of_one_class_share_their_identity():
    values = {"alpha": 3, "basis": np.eye(3), "net": torch.nn.Linear(2, 2)}
    assert digits(made(**values)) == digits(made(**values)) != digits(made())
    assert digits(made()).startswith("1+")


def _linear(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (3, 4),
        (3, 3.0),
        ("a", "b"),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (np.zeros(3), np.zeros(3, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (torch.zeros(2), torch.ones(2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16)),
        (_linear(0), _linear(1)),
        (lambda x: x + 1, lambda x: x + 2),
        (notebook_class(1)(), notebook_class(2)()),
        (torch.device("cpu"), torch.device("meta")),
    ],
    ids=lambda value: type(value).__name__,  # a printed object has its address, which varies
)
def test_objects_with_other_values_differ(one, other):
    assert digits(made(value=one)) == digits(made(value=one)) != digits(made(value=other))


@pytest.mark.parametrize(
    "changed",
    [
        {"factor": 2},  # a constant of the notebook that a function of the notebook reads
        {"body": "self.seen = 1"},
        {"body": "helper()", "helper": lambda: 0},
    ],
)
def test_classes_with_other_code_differ(changed):
    assert digits(notebook_class()()) != digits(notebook_class(**changed)())


def test_a_function_that_the_code_calls_is_part_of_it():
    def class_with(helper) -> type:
        return notebook_class(body="helper()", helper=helper)

    one, other = class_with(lambda: 0)(), class_with(lambda: 1)()
    assert digits(one) == digits(class_with(lambda: 0)()) != digits(other)


def test_sets_and_dictionaries_have_no_order():
    one, other = made(a={"x", "y", "z"}, b={"p": 1, "q": 2}), made(a={"z", "y", "x"})
    other.b = {"q": 2, "p": 1}
    assert digits(one) == digits(other)


def test_an_object_may_hold_itself():
    model = made()
    model.me, model.all = model, [model]
    assert digits(model) == digits(model)


def test_a_file_counts_by_its_content(tmp_path):
    paths = [tmp_path / name for name in ("one.bin", "two.bin")]
    for path in paths:
        path.write_bytes(b"weights")
    one, other = (made(weights=str(path)) for path in paths)
    assert digits(one) == digits(other)
    paths[1].write_bytes(b"others")
    assert digits(one) != digits(other)


def test_a_folder_counts_by_what_it_holds(tmp_path):
    model = made(weights=tmp_path)
    before = digits(model)
    (tmp_path / "weights.bin").write_bytes(b"1")
    assert digits(model) != before


def test_a_structure_that_is_nested_too_deeply_cannot_be_compared():
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    assert identify(made(value=nested)).unknown == "a structure that is nested too deeply"


def test_what_cannot_be_compared_is_not_kept(tmp_path):
    said: list[str] = []
    progress = kapbench.progress.Progress(log=said.append)

    def evaluate(model):
        return tiny_world.evaluate(tmp_path, model, progress=progress)

    def encoder():
        model = tiny_world.TinyEncoder()
        model.stream = (n for n in range(3))
        return model

    one, other = evaluate(encoder()), evaluate(encoder())
    assert one.folder != other.folder
    assert not other.resumed
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert sum("builtins.generator" in message for message in said) == 2


def test_declared_options_stand_for_what_cannot_be_compared():
    def model(alpha):
        return made(stream=(n for n in range(3)), options={"alpha": alpha})

    assert identify(model(1)).unknown is None
    assert digits(model(1)) == digits(model(1)) != digits(model(2))


def test_two_objects_with_other_arguments_share_neither_cache_nor_run(tmp_path):
    class Scaled(tiny_world.TinyEncoder):
        scale = 1.0

        def encode(self, pictures):
            maps = super().encode(pictures)
            return [FeatureMap(m.values + self.scale * m.values[::-1] ** 2, m.grid) for m in maps]

    def evaluate(scale):
        model = Scaled()
        model.scale = scale
        return tiny_world.evaluate(tmp_path, model)

    one, other = evaluate(0.0), evaluate(5.0)
    assert one.folder != other.folder
    assert not one.records.equals(other.records)
    assert evaluate(5.0).resumed
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2


def test_what_a_run_changes_in_an_object_is_overlooked_and_what_the_user_changes_is_not(tmp_path):
    model = tiny_world.TinyEncoder()
    before = digits(model)
    tiny_world.evaluate(tmp_path, model)
    assert model.seen
    assert digits(model) == before
    model.wrong = "overflow"
    assert digits(model) != before


def test_models_of_kapbench_keep_their_revision():
    model = load_model("pixels")
    assert identify(model).info.revision == model.revision


def test_a_model_of_kapbench_over_one_of_the_caller_is_identified():
    from kapbench.models.mixed_precision import in_precision

    one, other = (in_precision(tiny_world.TinyEncoder(wrong=w), "bf16", "cpu") for w in ("", "nan"))
    assert digits(one) != digits(other)


ADAPTER = """
import numpy as np
from kapbench.types import FeatureMap, Grid


class Model:
    name, revision, conditions_on, similarity = "mine", "1", (), "dot"

    def __init__(self, alpha: int = 3, weights: str = "", dataset: str = ""):
        self.alpha = alpha

    def encode(self, pictures):
        grids = [Grid.stretched(p.size, 3, 3) for p in pictures]
        return [FeatureMap(np.ones((3, 3, 3), np.float32), g) for g in grids]
"""


def adapter(folder: Path, text: str = ADAPTER, name: str = "adapter") -> str:
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return f"{folder / name}.py:Model"


def test_options_of_an_adapter_are_part_of_its_revision(tmp_path):
    spec = adapter(tmp_path)
    plain = load_model(spec).revision
    assert load_model(spec, alpha=3).revision == plain  # the default
    assert load_model(spec, alpha=4).revision != plain
    assert load_model(spec, dataset="spair").revision != plain
    assert declared_revision(load_model(spec, alpha=4).revision) == "1"


def test_weights_of_an_adapter_count_by_their_content(tmp_path):
    spec, weights = adapter(tmp_path), tmp_path / "weights.bin"
    weights.write_bytes(b"1")
    before = load_model(spec, weights=str(weights)).revision
    moved = weights.rename(tmp_path / "moved.bin")
    assert load_model(spec, weights=str(moved)).revision == before
    moved.write_bytes(b"2")
    assert load_model(spec, weights=str(moved)).revision != before


def test_weights_that_are_the_default_count_by_their_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = adapter(tmp_path, ADAPTER.replace('weights: str = ""', 'weights: str = "net.bin"'))
    without = load_model(spec).revision
    Path("net.bin").write_bytes(b"1")
    before = load_model(spec).revision
    assert before == load_model(spec, weights="net.bin").revision != without
    Path("net.bin").write_bytes(b"2")
    assert load_model(spec).revision != before


@pytest.mark.parametrize(
    "statement",
    ["import near_module", "from near_module import VALUE", "from near_package.inner import VALUE"],
)
def test_modules_that_an_adapter_imports_are_part_of_its_revision(tmp_path, statement):
    """Also those that it imports inside a function, when it has added its folder to the path."""
    spec = adapter(tmp_path, ADAPTER + f"\n    def later(self):\n        {statement}\n")
    (tmp_path / "near_package").mkdir()
    paths = [tmp_path / "near_module.py", tmp_path / "near_package" / "inner.py"]
    for path in paths:
        path.write_text("VALUE = 1")
    before = load_model(spec).revision
    for path in paths:
        path.write_text("VALUE = 2")
    assert load_model(spec).revision != before


def test_an_imported_module_imports_others(tmp_path):
    spec = adapter(tmp_path, "import first_of_two\n" + ADAPTER)
    (tmp_path / "first_of_two.py").write_text("def f():\n    import second_of_two")
    second = tmp_path / "second_of_two.py"
    second.write_text("VALUE = 1")
    sys.path.insert(0, str(tmp_path))
    try:
        before = load_model(spec).revision
        second.write_text("VALUE = 2")
        assert load_model(spec).revision != before
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("first_of_two", None)


def test_a_module_that_was_edited_after_its_import_is_refused(tmp_path):
    spec = adapter(tmp_path, "import edited_later\n" + ADAPTER)
    module = tmp_path / "edited_later.py"
    module.write_text("VALUE = 1")
    sys.path.insert(0, str(tmp_path))
    try:
        before = load_model(spec).revision
        module.write_text("VALUE = 2222")
        with pytest.raises(KapbenchError, match="edited after it was imported") as caught:
            load_model(spec)
        assert "importlib.reload" in str(caught.value.fix)
        importlib.reload(sys.modules["edited_later"])
        assert load_model(spec).revision != before
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("edited_later", None)


def plug_in(monkeypatch, folder: Path, version: str, module: str) -> None:
    """Registers `plugged` as an installed distribution of this version would."""
    info = folder / f"plugged-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugged\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[kapbench.models]\nplugged = {module}:Model\n")
    distribution = importlib.metadata.PathDistribution(info)
    own = tuple(importlib.metadata.entry_points(group="kapbench.models"))
    entries = (*own, *distribution.entry_points)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: entries if "models" in group else ()
    )


def test_the_version_of_an_installed_package_is_part_of_the_revision(tmp_path, monkeypatch):
    adapter(tmp_path, name="plugged_in")
    monkeypatch.syspath_prepend(str(tmp_path))
    revisions = set()
    for version in ("0.1", "0.2"):
        plug_in(monkeypatch, tmp_path, version, "plugged_in")
        revisions |= {load_model("plugged").revision, load_model("plugged", alpha=4).revision}
    assert len(revisions) == 4
    assert {declared_revision(revision) for revision in revisions} == {"1"}
    assert load_model("pixels").revision == kapbench.models.controls.Pixels().revision


@pytest.mark.parametrize(
    ("of_run", "here", "same"),
    [
        ("1-aaaaaaaa", "1-aaaaaaaa", True),
        ("1", "1-aaaaaaaa", True),  # of a run before there were digits
        ("1+bbbbbbbb", "1-aaaaaaaa", True),  # of an object
        ("2+bbbbbbbb", "1-aaaaaaaa", False),
        ("1-bbbbbbbb", "1-aaaaaaaa", False),
    ],
)
def test_runs_of_other_digits(of_run, here, same):
    assert is_same_revision(of_run, here) is same


def test_a_model_that_was_loaded_by_name_gets_no_second_digits(tmp_path):
    model = load_model(adapter(tmp_path))
    assert identify(model).info.revision == model.revision
    copy = tiny_world.TinyEncoder()
    assert identify(copy).info.revision != "1"
    mark_made_by_name(copy)
    assert identify(copy).info.revision == "1"


def test_a_constructor_that_fails_names_its_line(tmp_path):
    text = ADAPTER.replace("self.alpha = alpha", "self.alpha = {}['alpha']")
    with pytest.raises(KapbenchError, match="cannot be made: KeyError: 'alpha'") as caught:
        load_model(adapter(tmp_path, text))
    assert f"{tmp_path / 'adapter.py'}:10, in __init__" in str(caught.value.place)
    assert "--debug" in str(caught.value.fix)
    assert isinstance(caught.value.__cause__, KeyError)
