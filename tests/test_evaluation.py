"""The Python door: where data and caches are looked for, and what is offered to whom."""

from pathlib import Path

import pytest
import tiny_spair

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench.paths import cache_root, data_root

DOTS = f"{Path(__file__).parent / 'support/dots.py'}:Dots"


@pytest.mark.parametrize(
    ("variable", "root"), [("KAPBENCH_CACHE", cache_root), ("KAPBENCH_DATA", data_root)]
)
def test_roots_come_from_the_environment_else_from_the_user(monkeypatch, variable, root):
    monkeypatch.setenv(variable, "~/here")
    assert root() == Path.home() / "here"
    monkeypatch.setenv(variable, "")
    assert "kapbench" in root().name


def test_a_data_root_is_offered_to_data_sets_that_are_kept_under_one(tmp_path):
    tiny_spair.make(tmp_path)
    assert load_dataset("spair", data_root=tmp_path).coverage.complete
    assert load_dataset(DOTS, data_root=tmp_path).name == "dots"  # takes no root
    with pytest.raises(KapbenchError, match="Unknown option 'root'"):
        load_dataset(DOTS, root=tmp_path)  # asked for by name


def test_a_data_set_that_may_not_make_its_images_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))
    with pytest.raises(KapbenchError, match="not rendered yet") as caught:
        load_dataset("synthetic.small", build=False)
    assert Path(caught.value.place).is_relative_to(tmp_path)


@pytest.mark.parametrize("spec", ["spair", "synthetic.small", DOTS])
def test_no_categories_are_none_and_not_all(tmp_path, spec):
    tiny_spair.make(tmp_path)
    data = load_dataset(spec, data_root=tmp_path)
    assert (list(data.pairs([])), list(data.views([]))) == ([], [])
    assert len(data.pairs(None)) == len(data.pairs(data.categories)) > 0


def test_options_of_a_model_that_is_made_already_are_refused():
    pixels = load_model("pixels")
    with pytest.raises(KapbenchError, match="wokers: options belong to a model"):
        evaluate(pixels, DOTS, rule="pck-v1", wokers=2)
