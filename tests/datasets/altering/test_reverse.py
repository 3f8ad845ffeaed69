"""Reversed pairs: what is swapped, what T is, and where a run says so."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets
import tiny_spair
from click.testing import CliRunner

from kapbench.cli.main import main
from kapbench.datasets.altering.alter import alter, options_of
from kapbench.datasets.altering.altered import alterations_of
from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.isolated.places import folders_of
from kapbench.loading import load_dataset
from kapbench.protocols import Dataset, keypoint_names, remarks_on

DOTS = f"{Path(__file__).parents[2] / 'support/dots.py'}:Dots"


@pytest.mark.parametrize(
    "make", [tiny_datasets.spair, tiny_datasets.pf_pascal, tiny_datasets.pf_willow]
)
def test_source_and_target_are_swapped_and_t_is_that_of_the_new_target(tmp_path, make):
    name, options = make(tmp_path)
    plain, reverse = (load_dataset(name, **options, reverse=is_on) for is_on in (False, True))
    assert isinstance(reverse, Dataset)
    for pair, other in zip(plain.pairs(), reverse.pairs(), strict=True):
        for view, swapped in ((pair.source, other.target), (pair.target, other.source)):
            assert view.image_id == swapped.image_id
            assert np.array_equal(view.keypoints.xy, swapped.keypoints.xy, equal_nan=True)
        box = pair.source.bbox
        of_box = max(box[2] - box[0], box[3] - box[1])
        assert other.size == (of_box if plain.size_from == "box" else max(pair.source.size))
        assert other.pair_id == f"{pair.pair_id}.reverse"
        assert np.array_equal(other.groups, pair.groups)
        assert np.array_equal(other.twins, pair.twins)
    twice = load_dataset(name, **options, reverse=True).revision
    assert twice == reverse.revision == f"{plain.revision}-reverse"


def test_everything_but_the_pairs_is_that_of_the_data_set(tmp_path):
    name, options = tiny_datasets.spair(tmp_path)
    plain, reverse = (load_dataset(name, **options, reverse=is_on) for is_on in (False, True))
    for attribute in ("name", "split", "licence", "citation", "size_from", "has_absent"):
        assert getattr(reverse, attribute) == getattr(plain, attribute)
    assert (reverse.categories, reverse.coverage) == (plain.categories, plain.coverage)
    view = plain.views()[0]
    assert reverse.views()[0].image_id == view.image_id
    assert np.array_equal(reverse.pixels(view), plain.pixels(view))
    assert keypoint_names(reverse, "cat") == keypoint_names(plain, "cat")
    assert remarks_on(reverse)[:-1] == remarks_on(plain)
    assert "reversed" in remarks_on(reverse)[-1]
    assert list(folders_of(reverse)) == list(folders_of(plain))


def test_a_t_that_is_of_another_kind_is_refused():
    class OwnSize(type(load_dataset(DOTS))):
        def pairs(self, categories=None):
            return [dataclasses.replace(p, size=p.size + 1) for p in super().pairs(categories)]

    with pytest.raises(KapbenchError, match="not the longer side of its target's box"):
        evaluate("random", OwnSize(), rule="kap-v1", reverse=True)


def test_a_run_says_that_it_is_reversed_and_is_not_that_of_the_plain_data_set(tmp_path):
    tiny_spair.make(tmp_path)
    arguments = ["--model", "random", "--dataset", "spair", "--data-root", str(tmp_path)]
    arguments += ["--runs", str(tmp_path / "runs"), "--rule", "kap-v1", "--reverse"]
    result = CliRunner().invoke(main, ["run", *arguments])
    assert result.exit_code == 0, result.output
    assert "note: Pairs are reversed" in result.output
    assert "-reverse, test split" in result.output
    (card,) = (tmp_path / "runs").rglob("run.json")
    assert card.parents[3].name.endswith("-reverse")
    assert '"alterations"' in card.read_text()


def test_the_alterations_of_a_run_card_are_made_again():
    assert options_of(["reverse"]) == {"reverse": True}
    assert options_of([]) == {}


def test_reverse_is_an_option_of_every_data_set_and_reaches_other_machines():
    assert load_dataset(DOTS, reverse=True).revision.endswith("-reverse")
    result = evaluate("random", DOTS, rule="kap-v1", reverse=True, intervals=False)
    assert result.card.dataset.alterations == ("reverse",)
    assert set(result.records["pair_id"].str.endswith(".reverse")) == {True}


def test_a_data_set_is_not_altered_twice_in_one_way():
    corrupted = load_dataset(DOTS, corrupt="fog:3")
    with pytest.raises(KapbenchError, match=r"corrupt is for a data set as it is.*fog-3"):
        evaluate("random", corrupted, rule="kap-v1", corrupt="contrast:2")
    assert alterations_of(alter(corrupted, reverse=True)) == ("fog-3", "reverse")


def test_two_categories_without_a_pair_group_keep_the_category_of_the_pair():
    class TwoCategories(type(load_dataset(DOTS))):
        def pairs(self, categories=None):
            pair = super().pairs(categories)[0]
            return [
                dataclasses.replace(pair, source=dataclasses.replace(pair.source, category="x"))
            ]

    plain = TwoCategories()
    (pair,), (other,) = plain.pairs(), alter(plain, reverse=True).pairs()
    assert pair.category == other.category == f"x>{pair.target.category}"
