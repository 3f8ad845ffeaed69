"""Reading SOCO's layout: what a pair file says, keypoints by name, splits, and files that are wrong."""

import json
import shutil

import numpy as np
import pytest
import tiny_soco

from kapbench.datasets.soco.pair_file import read_pair_file
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset

CROSS, INTRA = "soco.cross", "soco.intra"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("soco")
    tiny_soco.make(root)
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def pair_file(root, kind="intra"):
    return sorted((root / "SOCOv1/PairAnnotations" / kind / "car").iterdir())[0]


def names_of(dataset, pair, view):
    names = np.array(dataset.keypoint_names(pair.category))
    return set(names[view.keypoints.visible])


def test_a_pair_across_two_categories(made):
    """Car 0 and bus 1, by hand: see KEYPOINTS and which of them an image hides."""
    data = load_dataset(CROSS, root=made)
    pair = data.pairs(["bus"])[0]
    assert (pair.pair_id, pair.category) == ("bus/00001-car_0-bus_1", "bus")
    assert (pair.source.image_id, pair.source.category) == ("car/car_0", "car")
    assert (pair.target.image_id, pair.target.category) == ("bus/bus_1", "bus")
    assert pair.target.size == (72, 96)
    assert pair.target.bbox == (6, 4, 64, 90)
    assert pair.size == 86  # 90 - 4
    assert data.has_absent
    left, right, rear = (
        f"vehicle_wheel_{side}_center" for side in ("front_left", "front_right", "rear_left")
    )
    mirrors, plate = {"vehicle_mirror_left", "vehicle_mirror_right"}, "vehicle_numberplate_front"
    in_car = {left, right, rear, "vehicle_mirror_right", plate, "car_antenna"}
    in_bus = {left, right, plate} | mirrors
    assert names_of(data, pair, pair.source) == in_car
    assert names_of(data, pair, pair.target) == in_bus
    names = list(data.keypoint_names("bus"))
    at = {name: pair.source.keypoints.xy[names.index(name)].tolist() for name in in_car}
    assert at == {k["name"]: k["pos"] for k in tiny_soco.view("car", 0)["keypoints"]}


def test_part_groups_are_concepts_and_counterparts_differ_in_left_and_right(made):
    data = load_dataset(CROSS, root=made)
    pair, names = data.pairs()[0], data.keypoint_names("bus")
    groups = {frozenset(np.array(names)[pair.groups == group]) for group in set(pair.groups) - {-1}}
    wheels = {name for name in names if "wheel" in name}
    mirrors = {name for name in names if "mirror" in name}
    assert groups == {frozenset(wheels), frozenset(mirrors)}
    other = {name: names[twin] for name, twin in zip(names, pair.twins, strict=True)}
    assert other["vehicle_mirror_left"] == "vehicle_mirror_right"
    assert other["vehicle_wheel_front_right_center"] == "vehicle_wheel_front_left_center"
    assert other["vehicle_wheel_rear_left_center"] == "vehicle_wheel_rear_left_center"  # no right
    assert other["car_antenna"] == "car_antenna"


def test_left_and_right_of_two_concepts_are_no_counterparts(root):
    for path in (root / "SOCOv1/PairAnnotations/cross").rglob("*.json"):
        path.write_text(
            path.read_text()
            .replace('"name": "vehicle_mirror_left", "pos"', '"name": "hull_left", "pos"')
            .replace('"vehicle_mirror_left"', '"hull_left"')
        )
    data = load_dataset(CROSS, root=root)
    assert "hull_left" in data.keypoint_names("car")
    names, twins = data.keypoint_names("car"), data.pairs()[0].twins
    assert twins[names.index("hull_left")] == names.index("hull_left")


def test_categories_that_no_pair_joins_number_their_keypoints_apart(made):
    data = load_dataset(INTRA, split="all", root=made)
    assert set(data.keypoint_names("cat")) == set(tiny_soco.KEYPOINTS["cat"])
    assert set(data.keypoint_names("bus")) == set(tiny_soco.KEYPOINTS["bus"])
    assert {len(pair.twins) for pair in data.pairs(["cat"])} == {3}


@pytest.mark.parametrize(
    ("name", "split", "stored", "n_pairs"),
    [
        (INTRA, "all", "all", 18),
        (INTRA, "trn", "trn", 3),
        (INTRA, "train", "trn", 3),
        (INTRA, "test", "test", 6),
        (CROSS, "all", "all", 6),
        (CROSS, "test", "all", 6),
    ],
)
def test_splits(made, name, split, stored, n_pairs):
    data = load_dataset(name, split=split, root=made)
    assert (data.split, len(data.pairs())) == (stored, n_pairs)
    assert ("models trained on the split trn" in data.remarks[0]) == (
        split == "test" and name == INTRA
    )
    assert f"this copy has {n_pairs}" in data.remarks[-1]


def test_an_unknown_split(made):
    with pytest.raises(KapbenchError, match="Unknown split 'trn'"):
        load_dataset(CROSS, split="trn", root=made)


def test_a_missing_photograph_takes_its_pair_groups_out(root):
    (root / "SOCOv1/Images/cat/cat_0.JPEG").unlink()
    data = load_dataset(INTRA, split="all", root=root)
    assert data.categories == ("bus", "car")
    assert "partial: 2 of 3 categories" in str(data.coverage)
    with pytest.raises(KapbenchError, match="'cat' is not complete: 1 file"):
        data.pairs(["cat"])
    assert load_dataset(CROSS, root=root).coverage.complete


def test_no_photograph_at_all(root):
    shutil.rmtree(root / "SOCOv1/Images")
    with pytest.raises(KapbenchError, match=r"No category of SOCO is complete: bus lacks 3 files"):
        load_dataset(INTRA, split="all", root=root)


def test_no_data(tmp_path):
    with pytest.raises(KapbenchError, match="SOCO is not on this machine") as caught:
        load_dataset(CROSS, root=tmp_path)
    assert "kapbench fetch soco" in caught.value.fix


def test_a_photograph_of_another_size(root):
    tiny_soco.draw(root / "SOCOv1/Images/car/car_0.JPEG", tiny_soco.view("car", 1))
    data = load_dataset(INTRA, split="all", root=root)
    with pytest.raises(KapbenchError, match="72×96") as caught:
        data.pixels(data.views(["car"])[0])
    assert "car_0.JPEG" in str(caught.value.place)


def drop(keypoints, name):
    return [keypoint for keypoint in keypoints if keypoint["name"] != name]


CAR = tiny_soco.view("car", 0)["keypoints"]
DAMAGES = {
    "missing": ({"trg_bndbox": ...}, "Key 'trg_bndbox' is missing", "trg_bndbox"),
    "a wrong type": (
        {"src_imsize": ["96", 72]},
        "The value '96' is not a whole number",
        "src_imsize.0",
    ),
    "a size of nothing": ({"src_imsize": [0, 72]}, "should be greater than 0", "src_imsize.0"),
    "no box": ({"src_bndbox": [9, 9, 9, 20]}, "has no area", "src_bndbox"),
    "three edges": ({"src_bndbox": [9, 9, 20]}, "at least 4 items", "src_bndbox"),
    "twice": ({"src_keypoints": [*CAR, CAR[0]]}, "occurs 2 times", "src_keypoints"),
    "no name": ({"src_keypoints": [{"pos": [1, 2]}]}, "is missing", "src_keypoints.0.name"),
    "no match": ({"semantic_overlap": ["cat_nose"]}, "not a visible keypoint of both", "overlap"),
    "another group": ({"pair_group": "bus"}, "in the folder of car", "pair_group"),
    "itself": ({"trg_image": "car_0.JPEG"}, "paired with itself", ".json"),
    "a path": ({"src_image": "../../secret.png"}, "should match pattern", "src_image"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_wrong_says_what_and_where(root, damage):
    changes, message, place = DAMAGES[damage]
    path = pair_file(root)
    tiny_soco.edit(path, **changes)
    with pytest.raises(KapbenchError, match=message) as caught:
        load_dataset(INTRA, split="all", root=root)
    assert str(path) in str(caught.value.place)
    assert place in str(caught.value.place)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("src_bndbox", [6, 4, 88, 60], "The box is"),
        ("src_imsize", [96, 73], "The size is"),
        (
            "src_keypoints",
            [{**CAR[0], "pos": [50, 50]}, *CAR[1:]],
            "wheel_front_left_center' is at",
        ),
    ],
)
def test_two_files_that_disagree_on_an_image(root, key, value, message):
    tiny_soco.edit(pair_file(root), **{key: value})
    with pytest.raises(KapbenchError, match=message) as caught:
        load_dataset(INTRA, split="all", root=root)
    assert "of image car/car_0 here, and another in" in caught.value.thing


def test_two_concepts_of_one_keypoint(root):
    changed = [{**CAR[0], "concept_name": "hub"}, *CAR[1:]]
    tiny_soco.edit(pair_file(root), src_keypoints=changed)
    with pytest.raises(KapbenchError, match="of the concept 'wheel_center' here, and of 'hub' in"):
        load_dataset(INTRA, split="all", root=root)


def test_namesakes_that_are_not_the_same_point_are_left_out(root):
    """As the published evaluation does, which takes the names of semantic_overlap."""
    path = pair_file(root)
    overlap = json.loads(path.read_text())["semantic_overlap"]
    assert "vehicle_mirror_right" in overlap
    tiny_soco.edit(path, semantic_overlap=drop_name(overlap, "vehicle_mirror_right"))
    data = load_dataset(INTRA, split="all", root=root)
    pair, again = (p for p in data.pairs(["car"]) if p.source.image_id == "car/car_0")
    assert "vehicle_mirror_right" not in names_of(data, pair, pair.source)
    assert "vehicle_mirror_right" not in names_of(data, pair, pair.target)
    assert "vehicle_mirror_right" in names_of(data, again, again.source)
    assert any("1 keypoint is left out of a pair" in remark for remark in data.remarks)


def drop_name(names, name):
    return [other for other in names if other != name]


def test_remarks_on_what_the_files_leave_open(root):
    path = pair_file(root)
    kept = drop(CAR, "car_antenna")
    kept[0] = {**kept[0], "pos": [200, 10]}
    for other in pair_file(root).parent.iterdir():
        for side in ("src", "trg"):
            if json.loads(other.read_text())[f"{side}_image"] == "car_0.JPEG":
                moved = [{**CAR[0], "pos": [200, 10]}, *CAR[1:]]
                tiny_soco.edit(other, **{f"{side}_keypoints": moved})
    tiny_soco.edit(path, src_keypoints=kept, concept_matches=[])
    remarks = " ".join(load_dataset(INTRA, split="all", root=root).remarks)
    assert "concept_matches of 1 pair joins other keypoints" in remarks
    assert "1 image has other keypoints in one pair than in another" in remarks
    assert "2 keypoints lie outside the image" in remarks  # of the image as two pair files have it


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_keypoint_of_no_concept_matches_its_namesake(root, is_listed):
    """kapbench counts it as a part of its own; published files that do not are remarked upon."""
    path = pair_file(root)
    content = json.loads(path.read_text())
    name = content["semantic_overlap"][0]
    for side in ("src", "trg"):
        for keypoint in content[f"{side}_keypoints"]:
            if keypoint["name"] == name:
                keypoint |= {"concept_id": None, "concept_name": None}
        for match in content["concept_matches"]:
            match[f"{side}_keypoints"] = drop_name(match[f"{side}_keypoints"], name)
    if is_listed:
        content["concept_matches"].append({"src_keypoints": [name], "trg_keypoints": [name]})
    assert read_pair_file(json.dumps(content).encode(), path, {}).is_of_concepts is is_listed
