"""What training and test lists share: counted by hand, from the official lists, and as it is said."""

import csv
import os
from pathlib import Path

import pytest

from kapbench.datasets.overlaps import KNOWN, Overlap, describe_overlaps, measure_overlap

REAL = Path(os.environ.get("KAPBENCH_DATA", "nowhere"))
LISTS = {"trn": "train_pairs.csv", "val": "val_pairs.csv", "test": "test_pairs.csv"}


def test_pairs_count_in_either_order_and_once():
    trained = [("a", "b"), ("c", "d")]
    scored = [("b", "a"), ("a", "b"), ("a", "e"), ("f", "g")]
    assert measure_overlap(trained, scored) == Overlap(1, 3, 2, 5)


def pf_pascal(split):
    path = REAL / "PF-PASCAL/image_pairs" / LISTS[split]
    if not path.exists():
        pytest.skip("PF-PASCAL's lists are not below KAPBENCH_DATA")
    with path.open() as file:
        return [(Path(r[0]).stem, Path(r[1]).stem) for r in list(csv.reader(file))[1:]]


def spair(split):
    path = REAL / "SPair-71k/Layout/large" / f"{split}.txt"
    if not path.exists():
        pytest.skip("SPair-71k's layout is not below KAPBENCH_DATA")
    return [tuple(line.partition(":")[0].split("-")[1:]) for line in path.read_text().split()]


def test_the_published_figures_of_pf_pascal():
    measured = measure_overlap(pf_pascal("trn"), pf_pascal("test"))
    assert measured == Overlap(95, 277, 302, 506)


@pytest.mark.slow
def test_the_table_is_that_of_the_official_lists():
    read = {"pf-pascal": pf_pascal, "spair": spair}
    for (trained, trained_split, scored, split), known in KNOWN.items():
        assert measure_overlap(read[trained](trained_split), read[scored](split)) == known


@pytest.mark.parametrize(
    ("trained_on", "dataset", "said"),
    [
        ("PF-PASCAL trn, over LVD-142M", "pf-pascal", ["95 of its 277", "302 of its 506"]),
        ("pf-pascal training set", "pf-pascal", ["95 of its 277"]),
        ("PF-PASCAL", "pf-pascal", ["states no other split", "95 of its 277"]),
        ("spair trn, over ImageNet-1k labels", "pf-pascal", ["81 of its 506"]),
        ("SPair-71k trn, pseudo-labels from azimuth bins", "spair", ["6 of its 479"]),
        ("spair trn", "spair.small", ["of the large layout"]),
        ("pf-pascal test", "pf-pascal", ["the very pairs"]),
        ("ImageNet-1k labels", "pf-pascal", []),
        ("spair-u test", "spair", []),
        (None, "spair", []),
    ],
)
def test_what_a_model_declares_is_said_in_one_sentence(trained_on, dataset, said):
    sentences = list(describe_overlaps(trained_on, dataset, "test"))
    assert len(sentences) == bool(said)
    assert all(words in sentences[0] for words in said)


def test_another_split_is_not_said():
    (same,) = describe_overlaps("spair trn", "spair", "trn")
    assert same.endswith("the very pairs that are scored")
    assert list(describe_overlaps("pf-pascal val", "spair", "trn")) == []
