"""The lists of Demystifying: which lines count, what a line names, what is refused, the download."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_datasets as tiny

from kapbench.datasets.awa_pose import awa_pose
from kapbench.datasets.cub.dataset import cub
from kapbench.datasets.demystifying import N_SCORED
from kapbench.datasets.fetching.pair_lists import PAIR_LISTS, fetch_pair_list
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset

REAL = Path(os.environ.get("KAPBENCH_DATA", "nowhere"))
AWA, CUB = "AwA-Pose/random_pairs.txt", "CUB_200_2011/random_pairs.txt"


def ids(dataset):
    return [(pair.source.image_id, pair.target.image_id) for pair in dataset.pairs()]


def test_a_line_of_cub_names_two_numbers_of_images_txt(tmp_path):
    tiny.cub_demystifying(tmp_path)
    lines = "1 2\n3 8\n1 2\n7 5\n"  # one pair twice, as in the published list
    (tmp_path / CUB).write_text(lines)
    dataset = cub(root=tmp_path, pairs="demystifying")
    names = dict(
        line.split() for line in (tmp_path / "CUB_200_2011/images.txt").read_text().splitlines()
    )
    expected = [(1, 2), (3, 8), (1, 2), (7, 5)]
    assert ids(dataset) == [
        tuple(names[str(n)].removesuffix(".jpg") for n in line) for line in expected
    ]
    assert dataset.categories == ("bird",)  # the first pair joins two species
    assert [pair.pair_id[:6] for pair in dataset.pairs()] == [f"0000{i}:" for i in (1, 2, 3, 4)]
    for pair in dataset.pairs():
        box = pair.target.bbox
        assert pair.size == max(box[2] - box[0], box[3] - box[1])


def test_a_line_of_awa_pose_names_the_first_animal_of_two_photographs(tmp_path):
    tiny.awa_pose_demystifying(tmp_path)
    dataset = awa_pose(root=tmp_path, pairs="demystifying")
    moose = [f"moose/moose_1000{i}" for i in range(4)]
    assert ids(dataset) == [(moose[0], moose[1]), (moose[1], moose[3]), (moose[3], moose[2])]
    assert dataset.categories == ("quadruped",)
    assert len(dataset.keypoint_names("quadruped")) == 39


def test_the_first_ten_thousand_lines_count(tmp_path):
    tiny.cub_demystifying(tmp_path)
    (tmp_path / CUB).write_text("1 2\n" * N_SCORED + "99 99\n")
    dataset = cub(root=tmp_path, pairs="demystifying", photographs=False)
    assert len(dataset.pairs()) == dataset.coverage.n_pairs_expected == 10_000
    assert "is not the published list" in dataset.remarks[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [("1 2 3", "does not name two images"), ("1", "does not name"), ("1 99", "annotation of the")],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, message):
    tiny.cub_demystifying(tmp_path)
    (tmp_path / CUB).write_text(f"1 2\n{line}\n")
    with pytest.raises(KapbenchError, match=message) as caught:
        cub(root=tmp_path, pairs="demystifying")
    assert str(caught.value.place).endswith("random_pairs.txt, line 2")


def test_a_missing_list_is_fetched_by_name(tmp_path):
    tiny.cub(tmp_path)
    with pytest.raises(KapbenchError, match="does not exist") as caught:
        cub(root=tmp_path, pairs="demystifying")
    assert "kapbench fetch cub.demystifying" in caught.value.fix
    assert PAIR_LISTS["cub.demystifying"].url in caught.value.fix


@pytest.mark.parametrize("options", [{"split": "trn"}, {"image_list": "images.txt"}])
def test_another_choice_of_images_is_refused(tmp_path, options):
    tiny.cub_demystifying(tmp_path)
    with pytest.raises(KapbenchError):
        cub(root=tmp_path, pairs="demystifying", **options)


def test_pairs_without_a_photograph_are_counted(tmp_path):
    tiny.awa_pose_demystifying(tmp_path)
    (tmp_path / "AwA-Pose/JPEGImages/moose/moose_10003.jpg").unlink()
    dataset = awa_pose(root=tmp_path, pairs="demystifying")
    assert (dataset.coverage.n_pairs, dataset.coverage.n_pairs_expected) == (1, 3)


def test_the_download_is_checked_by_its_pinned_hash(tmp_path, monkeypatch):
    content = b"1 2\n"
    module = "kapbench.datasets.fetching.pair_lists.download"
    monkeypatch.setattr(module, lambda _url, to, _report: to.write_bytes(content))
    pinned = PAIR_LISTS["cub.demystifying"]
    with pytest.raises(KapbenchError, match="The data set of the list is not here"):
        fetch_pair_list(pinned, tmp_path, lambda *_: None)
    (tmp_path / "CUB_200_2011").mkdir()
    with pytest.raises(KapbenchError, match="not the pinned 4dbbd96a"):
        fetch_pair_list(pinned, tmp_path, lambda *_: None)
    assert not (tmp_path / CUB).exists()
    same = replace(pinned, sha256=hashlib.sha256(content).hexdigest())
    assert fetch_pair_list(same, tmp_path, lambda *_: None).read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PAIR_LISTS))
def test_every_pair_of_the_published_list_resolves(name):
    if not PAIR_LISTS[name].path(REAL).exists():
        pytest.skip(f"{name}: the list is not below KAPBENCH_DATA")
    dataset = load_dataset(name, data_root=REAL, photographs=False)
    assert len(dataset.pairs()) == N_SCORED
    assert dataset.remarks == () or "outside" in dataset.remarks[0]
    joint = [
        np.any(p.source.keypoints.visible & p.target.keypoints.visible) for p in dataset.pairs()
    ]
    assert joint.count(False) == {"awa-pose.demystifying": 2, "cub.demystifying": 0}[name]
