"""Animal-Pose in its published layout: what is read, what lacks, what is wrong."""

import json

import numpy as np
import pytest
import tiny_datasets as tiny

from kapbench.datasets.coco.animal_pose import animal_pose
from kapbench.errors import KapbenchError

FILE = "animalpose_keypoint_new/keypoints.json"


@pytest.fixture
def root(tmp_path):
    tiny.animal_pose(tmp_path)
    return tmp_path


def change(root, edit):
    content = json.loads((root / FILE).read_text())
    edit(content)
    (root / FILE).write_text(json.dumps(content))


def remarks(dataset):
    return "\n".join(dataset.remarks)


def test_animals_boxes_and_keypoints(root):
    dataset = animal_pose(root=root)
    assert dataset.categories == ("cat", "cow", "dog", "horse", "sheep")
    assert dataset.coverage.complete
    views = {view.image_id: view for view in dataset.views()}
    assert [name for name in views if name.startswith(("co", "do"))] == [
        "co13",
        "co14#14",
        "co14#15",
        "do1",
        "do2",
    ]
    content = json.loads((root / FILE).read_text())
    numbers = np.array(content["annotations"][14]["keypoints"])
    view = views["co14#14"]
    assert view.size == (60, 40)
    assert view.bbox == (2, 3, 50, 38)
    np.testing.assert_array_equal(view.keypoints.visible, numbers[:, 2] == 1)
    shown = view.keypoints.visible
    np.testing.assert_array_equal(view.keypoints.xy[shown], numbers[shown, :2])
    assert all(pair.size == 48 for pair in dataset.pairs())  # the longer side, x2 - x1


def test_left_and_right(root):
    pair = animal_pose(root=root).pairs()[0]
    names = tiny.ANIMAL_POSE_KEYPOINTS
    for k, twin in enumerate(pair.twins.tolist()):
        swapped = names[k].replace("left", "?").replace("right", "left").replace("?", "right")
        assert names[twin] == swapped
    paws = [k for k, name in enumerate(names) if name.endswith("paw")]
    assert len({int(pair.groups[k]) for k in paws}) == 1
    assert pair.groups[names.index("nose")] == -1


def test_two_animals_of_one_photograph_are_no_pair(root):
    plain, kept = animal_pose(root=root), animal_pose(root=root, same_photograph=True)
    within = {"co14#14>co14#15", "co14#15>co14#14"}
    ids, more = ({pair.pair_id for pair in dataset.pairs()} for dataset in (plain, kept))
    assert more - ids == within
    assert "2 candidate pairs of two objects in one photograph" in remarks(plain)
    assert plain.revision != kept.revision


def test_pairs_without_photographs_are_left_out_and_counted(root):
    whole = animal_pose(root=root)
    (root / "animalpose_keypoint_new/images/do1.jpeg").unlink()
    part = animal_pose(root=root)
    assert [p.pair_id for p in part.pairs()] == [
        p.pair_id for p in whole.pairs() if "do1" not in p.pair_id
    ]
    assert part.coverage.n_pairs_expected == whole.coverage.n_pairs
    assert part.revision != whole.revision
    for path in (root / "animalpose_keypoint_new/images").iterdir():
        path.unlink()
    with pytest.raises(KapbenchError, match="no photograph of Animal-Pose") as error:
        animal_pose(root=root)
    assert "kapbench fetch animal-pose" in error.value.fix


def test_pairs_are_drawn_by_seed(root):
    some = [p.pair_id for p in animal_pose(root=root, pairs=2, seed=1).pairs()]
    assert len(some) == 10
    assert some != [p.pair_id for p in animal_pose(root=root, pairs=2, seed=2).pairs()]


def test_annotations_that_cannot_be_used_are_left_out(root):
    def edit(content):
        content["annotations"][0]["bbox"] = [30, 3, 30, 38]
        content["annotations"][1]["bbox"] = ["2", 3, 50, 38]
        content["annotations"][2]["keypoints"] = [[0, 0, 0]] * 20
        content["annotations"][3]["keypoints"][0] = [900, 5, 1]

    change(root, edit)
    dataset = animal_pose(root=root)
    assert "2 annotations cannot be used" in remarks(dataset)
    assert "annotation 0: The box [30.0, 3.0, 30.0, 38.0]" in remarks(dataset)
    assert "1 annotation is left out: it is a crowd or has no keypoints" in remarks(dataset)
    assert "1 keypoint lies outside" in remarks(dataset)
    assert dataset.categories == ("cat", "cow", "horse", "sheep")
    with pytest.raises(KapbenchError, match="no area"):
        animal_pose(root=root, strict=True)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: c.pop("images"), "'images' is missing"),
        (lambda c: c["images"].update(x="a.jpg"), "id 'x' of an image"),
        (lambda c: c["images"].update({"1": 5}), "not a text"),
        (lambda c: c["categories"][0]["keypoints"].pop(), "not the 20"),
        (lambda c: c["categories"][0]["keypoints"].reverse(), "not the 20"),
    ],
)
def test_a_wrong_file_is_named(root, edit, said):
    change(root, edit)
    with pytest.raises(KapbenchError, match=said) as error:
        animal_pose(root=root)
    assert "keypoints.json" in str(error.value.place)


def test_pairs_that_share_too_few_keypoints_in_their_photographs(root):
    """Keypoints 1 to 3 of the first dog are visible, and the last lies outside its photograph."""

    def edit(content):
        for annotation in content["annotations"][:3]:
            annotation["keypoints"] = [[0, 0, 0]] + [[9 + k, 9, 1] for k in range(19)]
        content["annotations"][0]["keypoints"][4:] = [[0, 0, 0]] * 16
        content["annotations"][0]["keypoints"][3] = [900, 5, 1]

    change(root, edit)
    dataset = animal_pose(root=root)
    dogs = [pair.pair_id for pair in dataset.pairs(["dog"])]
    assert dogs == ["do1>do2", "do2>do1"]
    assert "4 drawn pairs are left out" in remarks(dataset)
    assert "share fewer than 3" in remarks(dataset)
    assert dataset.coverage.complete
    assert len(animal_pose(root=root, min_shared=2).pairs(["dog"])) == 6


def test_a_box_of_keypoints_leaves_out_those_outside_the_photograph(root):
    def edit(content):
        del content["annotations"][0]["bbox"]
        content["annotations"][0]["keypoints"] = [[9 + k, 9, 1] for k in range(19)] + [[900, 9, 1]]
        del content["annotations"][3]["bbox"]
        content["annotations"][3]["keypoints"] = [[9, 9, 1]] * 19 + [[900, 9, 1]]

    change(root, edit)
    dataset = animal_pose(root=root)
    boxes = {view.image_id: view.bbox for view in dataset.views()}
    assert boxes["2007_000000"] == (9, 9, 27, 9)
    assert "2007_000003" not in boxes
    assert "1 object without a box is left out" in remarks(dataset)


def test_two_records_of_one_photograph(root):
    """As COCO files have them: a repeated animal is left out, another one gets an id of its own."""

    def edit(content):
        content["images"]["90"] = content["images"]["1"]
        copy = content["annotations"][0] | {"image_id": 90}
        content["annotations"] += [copy, copy | {"bbox": [1, 1, 40, 30]}]

    change(root, edit)
    dataset = animal_pose(root=root)
    assert {v.image_id for v in dataset.views(["dog"])} == {
        "2007_000000#0",
        "2007_000000#17",
        "do1",
        "do2",
    }
    assert "1 annotation is left out because another record of the same file" in remarks(dataset)
