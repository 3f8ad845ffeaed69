"""AP-10K as GeoAware-SC prepares it: the order of pairs, what is visible, T, and wrong files."""

import json

import numpy as np
import pytest
import tiny_datasets as tiny

from kapbench.datasets.coco.ap_10k import ap_10k
from kapbench.errors import KapbenchError

CAT = "ap-10k/ImageAnnotation/Felidae/cat/000000000004.json"


def opened(root, kind="intra"):
    return ap_10k(kind, root=root, pairs="geoaware")


def test_pairs_are_ordered_by_species_and_then_by_name(tmp_path):
    tiny.ap_10k_geoaware(tmp_path)
    ids = [p.pair_id for p in opened(tmp_path).pairs()]
    cat = "cat:Felidae/cat/00000000000"
    assert ids == [
        f"{cat}0>000000000004",
        f"{cat}0>000000000008",
        f"{cat}8>000000000004",
        "dog:Canidae/dog/000000000002>000000000006",
    ]


@pytest.mark.parametrize(
    ("kind", "category", "source"),
    [("cross-species", "Felidae", "Felidae/lion"), ("cross-family", "all", "Canidae/dog")],
)
def test_pairs_of_two_species_have_the_category_of_their_file(tmp_path, kind, category, source):
    tiny.ap_10k_geoaware(tmp_path, kind)
    dataset = opened(tmp_path, kind)
    assert dataset.categories == (category,)
    assert dataset.pairs()[0].source.image_id.startswith(source)
    assert dataset.pairs()[0].target.image_id.startswith("Felidae/cat")


def test_a_hidden_keypoint_is_visible_and_t_is_the_longer_side_of_the_box(tmp_path):
    tiny.ap_10k_geoaware(tmp_path)
    content = json.loads((tmp_path / CAT).read_text())
    content["keypoints"][:6] = [7, 8, 1, 0, 0, 0]
    content["bbox"] = [10, 5, 20, 30]
    (tmp_path / CAT).write_text(json.dumps(content))
    pair = opened(tmp_path).pairs()[0]
    np.testing.assert_array_equal(pair.target.keypoints.xy[0], [7, 8])
    assert not pair.target.keypoints.visible[1]
    assert (pair.target.bbox, pair.size) == ((10, 5, 30, 35), 30)


def test_a_missing_photograph_is_counted_and_a_missing_annotation_is_named(tmp_path):
    tiny.ap_10k_geoaware(tmp_path)
    (tmp_path / "ap-10k/JPEGImages/Felidae/cat/000000000004.jpg").unlink()
    coverage = opened(tmp_path).coverage
    assert (coverage.n_pairs, coverage.n_pairs_expected) == (2, 4)
    (tmp_path / CAT).unlink()
    with pytest.raises(KapbenchError, match="no annotation of image 000000000004"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("PairAnnotation/test/a-b.json", "{}", "is not SOURCE-TARGET:CATEGORY.json"),
        ("ImageAnnotation/Felidae/lion/000000000004.json", "{}", "Two species have an image"),
        (CAT.removeprefix("ap-10k/"), '{"width": 60}', "Key 'height' is missing"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, name, content, message):
    tiny.ap_10k_geoaware(tmp_path)
    (tmp_path / "ap-10k" / name).write_text(content)
    with pytest.raises(KapbenchError, match=message):
        opened(tmp_path)


def test_a_folder_without_pairs_says_how_to_prepare_it(tmp_path):
    tiny.ap_10k(tmp_path)
    with pytest.raises(KapbenchError, match="contains no pairs") as caught:
        opened(tmp_path)
    assert "prepare_ap10k.ipynb" in caught.value.fix
