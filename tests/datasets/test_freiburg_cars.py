"""Freiburg cars: views to train on, and what is said to who wants to evaluate on them."""

from pathlib import Path

import pytest
import tiny_datasets as tiny
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.datasets.freiburg_cars import freiburg_cars
from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate


@pytest.fixture
def root(tmp_path):
    tiny.freiburg_cars(tmp_path)
    return tmp_path


def test_there_is_nothing_to_evaluate(root):
    with pytest.raises(KapbenchError, match="no pairs to evaluate") as error:
        freiburg_cars("test", root=root)
    assert "kapbench train sphere --dataset freiburg-cars" in str(error.value.fix)
    with pytest.raises(KapbenchError, match="no pairs to evaluate") as error:
        evaluate("random", freiburg_cars(root=root))
    assert "kapbench train METHOD --dataset freiburg-cars --split trn" in str(error.value.fix)


def test_it_is_listed_where_it_is(root):
    done = CliRunner().invoke(main, ["list", "datasets", "--data-root", str(root)])
    assert done.exit_code == 0, done.output
    [line] = [x for x in done.output.splitlines() if x.startswith("freiburg-cars")]
    assert "absent" not in line
    assert "8 images" in line


def test_boxes_of_width_and_height_are_noted(root):
    assert not freiburg_cars(root=root).remarks
    path = root / "freiburg_static_cars_52_v1.1/annotations/001_annot.txt"
    path.write_text(path.read_text().replace(" 1 2 50 38 ", " 30 20 62 42 "))
    [remark] = freiburg_cars(root=root).remarks
    assert "Every box reaches beyond its image" in remark


def test_the_sphere_learns_from_it(root, tmp_path):
    """Of cars, by their masks."""
    from kapbench_baselines.sphere import checkpoint

    encoder = Path(__file__).parents[1] / "support/toy_backbone.py"
    out = tmp_path / "trained"
    arguments = [
        "train",
        "sphere",
        "--backbone",
        f"{encoder}:ToyEncoder",
        "--dataset",
        "freiburg-cars",
        "--data-root",
        str(root),
        "--steps",
        "2",
        "--batch",
        "4",
        "--crops",
        "1",
        "--precision",
        "fp32",
        "--validate-every",
        "0",
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    _, card, _ = checkpoint.load(out / "weights.safetensors")
    assert (card.dataset, card.categories) == ("freiburg-cars", ("car",))
    assert card.supervision == "viewpoint and masks"
