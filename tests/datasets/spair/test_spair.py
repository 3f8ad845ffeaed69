import itertools
import json
import shutil

import numpy as np
import pytest
import tiny_spair
from tiny_spair import annotation, edit, stem

from kapbench.datasets.spair.dataset import small, spair
from kapbench.errors import KapbenchError

ONE = f"cat/{stem('test', 0)}"  # the first test image


def test_pairs_are_those_of_the_layout_in_its_order(tiny):
    lines = (tiny / "Layout/large/test.txt").read_text().split()
    assert [pair.pair_id for pair in spair(root=tiny).pairs()] == lines == sorted(lines)
    assert len(small(root=tiny).pairs()) == len(lines) / 2
    assert [p.pair_id for p in spair(root=tiny, layout="small").pairs()] == lines[::2]


def test_a_pair_by_hand(tiny):
    pair = spair(root=tiny).pairs(["cat"])[0]
    source = json.loads(annotation(tiny, ONE).read_text())
    target = json.loads(annotation(tiny, f"cat/{stem('test', 1)}").read_text())
    assert pair.source.image_id == ONE
    assert pair.source.size == (120, 90)
    assert pair.source.azimuth_bin == 0
    assert (pair.source.truncated, pair.target.truncated) == (False, True)
    assert pair.source.bbox == tuple(source["bndbox"])
    x1, y1, x2, y2 = target["bndbox"]
    assert (
        pair.size == max(x2 - x1, y2 - y1) == 85.0
    )  # 90×120 px: y from 15 to 100, x from 11 to 81
    assert len(pair.source.keypoints.xy) == 15  # a cat's own, of 30 slots
    for k in range(15):
        given = source["kps"][str(k)]
        assert pair.source.keypoints.visible[k] == (given is not None) == (k % 4 != 3)
        if given is not None:
            assert pair.source.keypoints.xy[k].tolist() == given


def test_views_are_the_distinct_images_in_order(tiny):
    views = spair(root=tiny).views()
    assert [v.image_id for v in views] == [
        f"{c}/{stem('test', i)}" for c in ("cat", "dog") for i in range(3)
    ]


def test_the_root_holds_the_folder_or_is_it(tiny, monkeypatch):
    expected = spair(root=tiny).revision
    assert spair(root=tiny.parent).revision == expected
    assert spair(root=str(tiny.parent)).revision == expected
    monkeypatch.setenv("KAPBENCH_DATA", str(tiny.parent))
    assert spair().revision == expected


def test_splits_are_disjoint(tiny):
    shown = [{v.image_id for v in spair(s, tiny).views()} for s in ("trn", "val", "test")]
    assert all(not one & other for one, other in itertools.combinations(shown, 2))


def test_masks_where_there_are_some(tiny):
    (tiny / f"Segmentation/{ONE}.png").unlink()
    data = spair(root=tiny)
    without, with_mask, *_ = data.views()
    assert without.mask is None
    assert data.mask(without) is None
    mask = data.mask(with_mask)
    assert mask.shape == data.pixels(with_mask).shape[:2]
    assert mask.any()
    assert not mask.all()
    shutil.rmtree(tiny / "Segmentation")
    assert spair(root=tiny).mask(spair(root=tiny).views()[0]) is None


# --- partial copies ---


def test_whole_categories_are_evaluated_and_said(tiny):
    assert spair(root=tiny).coverage.complete
    (tiny / f"JPEGImages/{ONE}.jpg").unlink()
    data = spair(root=tiny)
    assert str(data.coverage) == "partial: 1 of 2 categories (dog), 6 of 12 pairs"
    assert data.categories == ("dog",)
    assert {p.source.category for p in data.pairs()} == {"dog"}
    assert spair("val", tiny).coverage.complete  # the image is in the test split


def test_a_category_that_is_not_whole_is_named(tiny):
    annotation(tiny, ONE).unlink()
    with pytest.raises(KapbenchError, match="'cat' is not complete: 1 files are missing") as caught:
        spair(root=tiny).pairs(["cat"])
    assert caught.value.place == annotation(tiny, ONE)
    assert "kapbench fetch spair" in caught.value.fix


@pytest.mark.parametrize(
    "line", ["000013-2012_000000-2099_000001:cat", "000013-2099_000001-2012_000000:cat"]
)
def test_a_pair_of_an_unknown_image_is_named_by_its_line(tiny, line):
    layout = tiny / "Layout/large/test.txt"
    layout.write_text("\n" + layout.read_text() + line + "\n")
    with pytest.raises(KapbenchError, match="does not exist: cat/2099_000001") as caught:
        spair(root=tiny)
    assert caught.value.place == f"{layout}, line 14"
    # Where the category itself is not there, nothing is said of its pairs.
    shutil.rmtree(tiny / "ImageAnnotation/cat")
    assert spair(root=tiny).categories == ("dog",)
    shutil.rmtree(tiny / "JPEGImages/cat")
    assert spair(root=tiny).categories == ("dog",)


@pytest.mark.parametrize("gone", ["JPEGImages", "ImageAnnotation"])
def test_no_whole_category(tiny, gone):
    shutil.rmtree(tiny / gone)
    with pytest.raises(KapbenchError, match=r"No category .* cat lacks 3 files") as caught:
        spair(root=tiny)
    assert gone in str(caught.value)
    assert "kapbench fetch spair" in caught.value.fix


# --- what does not exist ---


def test_no_data(tmp_path, monkeypatch):
    for root in (tmp_path, tmp_path / "none"):
        with pytest.raises(KapbenchError, match="does not exist") as caught:
            spair(root=root)
        assert str(root) in str(caught.value)
        assert "KAPBENCH_DATA" in caught.value.fix
    (tmp_path / "file").touch()
    with pytest.raises(KapbenchError, match="does not exist"):
        spair(root=tmp_path / "file")
    monkeypatch.delenv("KAPBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(KapbenchError, match="does not exist"):
        spair()


def test_unreadable_root(tiny, monkeypatch):
    from pathlib import Path

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        with pytest.raises(KapbenchError, match="Permission denied"):
            spair(root=tiny)
    with monkeypatch.context() as patched:
        patched.setattr("kapbench.untrusted.strict_text.open_regular", refuse)
        with pytest.raises(KapbenchError, match="Permission denied"):
            spair(root=tiny).views()


def test_unknown_names_suggest_known_ones(tiny):
    with pytest.raises(KapbenchError, match="Did you mean test"):
        spair("tests", tiny)
    with pytest.raises(KapbenchError, match="Did you mean large"):
        spair(root=tiny, layout="lare")
    with pytest.raises(KapbenchError, match="Did you mean cat"):
        spair(root=tiny).pairs(["cats"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("000001-2012_000000:cat", "is not a pair"),
        ("000001-2012_000000-2012_000001", "is not a pair"),
        ("000001-2012_000000-2012_000001:cta", "Did you mean cat"),
        ("000001--2012_000001:cat", "is not a pair"),
        ("000002-2012_000001-2012_000001:cat", "pairs an image with itself"),
        ("000001-2012_000000-2012_000001:cat", "repeats the pair at .*, line 1"),
        ("000002-2012_000000-2012_000001:cat", "repeats the pair at .*, line 1"),
    ],
)
def test_a_layout_line_that_is_no_pair(tiny, line, said):
    layout = tiny / "Layout/large/test.txt"
    layout.write_text("000001-2012_000000-2012_000001:cat\n" + line + "\n")
    with pytest.raises(KapbenchError, match=said) as caught:
        spair(root=tiny)
    assert str(caught.value.place) == f"{layout}, line 2"


def test_a_layout_without_pairs_or_without_text(tiny):
    layout = tiny / "Layout/large/test.txt"
    layout.write_text("\n")
    with pytest.raises(KapbenchError, match="contains no pairs"):
        spair(root=tiny)
    layout.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(KapbenchError, match="not text in UTF-8"):
        spair(root=tiny)


# --- annotations ---

KEYS = ("category", "image_width", "image_height", "bndbox", "kps", "azimuth_id", "truncated")
WRONG = {
    "image_width": ["120", 0, -5, None, 120.5],
    "bndbox": [[1, 2, 3], "1 2 3 4", [10, 10, 10, 50], [10, 50, 60, 50], [60, 10, 10, 50], None],
    "kps": [[], {"0": [1]}, {"0": 5}, {"0": [1, None]}, {"-1": [5, 5]}, {"x": [5, 5]}, None],
    "azimuth_id": [8, -1, "2", 1.5],
    "truncated": [2, "0", None],
    "category": ["dog", 3],
}


def refused(tiny):
    with pytest.raises(KapbenchError) as caught:
        spair(root=tiny).pairs(["cat"])
    assert str(annotation(tiny, ONE)) in str(caught.value.place)
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(tiny, key):
    edit(annotation(tiny, ONE), **{key: ...})
    assert f"'{key}' is missing" in refused(tiny)


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, vs in WRONG.items() for v in vs])
def test_a_wrong_value_is_named(tiny, key, value):
    edit(annotation(tiny, ONE), **{key: value})
    assert f"key {key}" in refused(tiny).replace("'", "")


@pytest.mark.parametrize("point", [[121, 5], [-1, 5], [5, 90.5], [5, -0.5]])
def test_a_keypoint_outside_the_image_is_named(tiny, point):
    edit(annotation(tiny, ONE), kps={"4": point})
    assert "key kps.4" in (said := refused(tiny))
    assert "outside the image of 120×90 px" in said


def test_a_keypoint_beyond_the_category_is_named(tiny):
    edit(annotation(tiny, ONE), kps={"14": [5, 5], "15": [5, 5]})
    assert "Keypoint 15 does not exist: category cat has 15 (0 to 14)" in refused(tiny)


def test_a_keypoint_outside_its_box_or_on_the_border_is_legal(tiny):
    edit(annotation(tiny, ONE), kps={"0": [0, 0], "1": [120, 90]})
    (view, *_) = spair(root=tiny).views(["cat"])
    assert view.keypoints.visible.tolist() == [True, True] + [False] * 13


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kps": {"0": [NaN, 1]}}', "\x00"])
def test_what_is_no_annotation_is_named(tiny, text):
    annotation(tiny, ONE).write_text(text)
    refused(tiny)


def test_an_annotation_that_is_no_text_is_named(tiny):
    annotation(tiny, ONE).write_bytes(b"\xff\xfe{")
    refused(tiny)


def test_an_unknown_azimuth_may_be_null(tiny):
    edit(annotation(tiny, ONE), azimuth_id=None)
    assert spair(root=tiny).pairs()[0].viewpoint_change is None


def test_a_photograph_of_another_size_than_annotated(tiny):
    edit(annotation(tiny, ONE), image_width=130)
    data = spair(root=tiny)
    with pytest.raises(KapbenchError, match="120×90 px, its annotation says 130×90 px") as caught:
        data.pixels(data.views()[0])
    assert caught.value.place == tiny / f"JPEGImages/{ONE}.jpg"


# --- revision ---


def test_revision_follows_what_is_read(tiny):
    first = spair(root=tiny).revision
    assert spair(root=tiny).revision == first
    others = {spair("val", tiny).revision, spair(root=tiny, layout="small").revision}
    edit(annotation(tiny, ONE), bndbox=[10, 10, 60, 61])
    others.add(spair(root=tiny).revision)
    layout = tiny / "Layout/large/test.txt"
    layout.write_text("".join(layout.read_text().splitlines(keepends=True)[:-1]))
    others.add(spair(root=tiny).revision)
    assert len(others | {first}) == 5


def test_a_data_set_is_as_it_was_when_its_revision_was_taken(tiny):
    data = spair(root=tiny)
    before = data.revision
    edit(annotation(tiny, ONE), bndbox=[10, 10, 60, 61])
    assert data.views()[0].bbox == (15, 11, 108, 75)
    assert data.revision == before != spair(root=tiny).revision
    assert spair(root=tiny).views()[0].bbox == (10, 10, 60, 61)


def test_all_eighteen_categories_can_be_read(tmp_path):
    from kapbench.datasets.symmetry import categories

    tiny_spair.make(tmp_path, categories(), n_images=2)
    data = spair(root=tmp_path)
    assert data.categories == categories()
    assert len(data.pairs()) == 36
    assert not any(np.isnan(v.keypoints.xy[v.keypoints.visible]).any() for v in data.views())
