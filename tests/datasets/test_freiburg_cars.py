"""Freiburg cars: views to train on, and what is said to who wants to evaluate on them."""

from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny
from click.testing import CliRunner
from PIL import Image

from kapbench.cli import main
from kapbench.datasets.freiburg_cars import azimuth_bin, freiburg_cars
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


# First column, separator of the columns, folder of the photographs, ending of the photographs.
LAYOUTS = {
    "SphericalMaps": ("car001/{:06d}.jpg {box} {az}", "images/car001", ".png"),
    "YOLO": ("car001/{:06d}.jpg\t{box}\t{az}", "car001", ".png"),
    "viewpoint network": ("car001/{:06d}.png {box} {az}", "car001", ".png"),
    "own ending": ("car001/{:06d}.jpg {box} {az}", "car001", ".jpg"),
    "Windows": ("car001\\{:06d}.png {box} {az}", "car001", ".png"),
    "name alone": ("./{:06d}.png {box} {az}", "images/1", ".png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_of_public_readers(tmp_path, layout):
    line, place, ending = LAYOUTS[layout]
    folder = tmp_path / "freiburg_static_cars_52_v1.1"
    (folder / "annotations").mkdir(parents=True)
    lines = [line.format(i, box="1 2 50 38", az=45 * i) for i in range(3)]
    (folder / "annotations/1_annot.txt").write_text("\n".join(lines) + "\n")
    for i in range(3):
        tiny.photograph(folder / place / f"{i:06d}{ending}", seed=i)
    dataset = freiburg_cars(root=tmp_path)
    car = Path(place).name
    assert [view.image_id for view in dataset.views()] == [f"{car}/{i:06d}" for i in range(3)]
    assert [view.azimuth_bin for view in dataset.views()] == [0, 1, 2]
    assert {view.bbox for view in dataset.views()} == {(1, 2, 50, 38)}
    assert dataset.pixels(dataset.views()[0]).shape == (40, 60, 3)


def test_a_photograph_that_is_missing_is_named(root):
    (root / "freiburg_static_cars_52_v1.1/images/001/000003.png").unlink()
    with pytest.raises(KapbenchError, match=r"no photograph 001/000003\.png") as error:
        freiburg_cars(root=root)
    assert "001_annot.txt, line 4" in str(error.value.place)


def test_masks_are_probabilities(root):
    """SphericalMaps writes those of its segmentation and takes what is above one half."""
    values = np.zeros((40, 60), np.uint8)
    values[:, 20:] = 128
    values[:, 40:] = 255
    values[:, :10] = 127
    mask = root / "freiburg_static_cars_52_v1.1/instance_masks/001/000000.png"
    Image.fromarray(values).save(mask)
    dataset = freiburg_cars(root=root)
    expected = np.zeros((40, 60), bool)
    expected[:, 20:] = True
    np.testing.assert_array_equal(dataset.mask(dataset.views()[0]), expected)


@pytest.mark.parametrize(
    ("azimuth", "nearest", "floor"),
    [
        (0, 0, 0),
        (44, 1, 0),
        (45, 1, 1),
        (200, 4, 4),
        (226, 5, 5),
        (359, 0, 7),
        (360, 0, 0),
        (-1, 0, 7),
    ],
)
def test_azimuths_are_binned_to_the_nearest_or_as_spherical_maps_does(azimuth, nearest, floor):
    """`floor` is az2vp_id of SphericalMaps' datasets/FCars.py, run on these azimuths."""
    assert azimuth_bin(azimuth, 0.0, False) == nearest
    assert azimuth_bin(azimuth, 0.0, False, "floor") == floor


def test_the_binning_is_an_option(root):
    path = root / "freiburg_static_cars_52_v1.1/annotations/001_annot.txt"
    path.write_text(path.read_text().replace(" 45.0", " 44.0"))
    nearest, floor = (freiburg_cars(root=root, binning=b) for b in ("nearest", "floor"))
    assert [d.views()[1].azimuth_bin for d in (nearest, floor)] == [1, 0]
    assert nearest.revision != floor.revision
    with pytest.raises(KapbenchError, match="binning"):
        freiburg_cars(root=root, binning="round")


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
        "--dataset-option",
        "binning=floor",
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    _, card, _ = checkpoint.load(out / "weights.safetensors")
    assert card.dataset_revision == freiburg_cars(root=root, binning="floor").revision
    assert (card.dataset, card.categories) == ("freiburg-cars", ("car",))
    assert card.supervision == "viewpoint and masks"
