"""What every data set owes: on a small copy in its layout, and on the real one where it is."""

import itertools
import os
from pathlib import PurePosixPath

import numpy as np
import pytest
from tiny_datasets import BUILDERS, REAL

from kapbench import registry
from kapbench.datasets.manifest.dataset import manifest, write_manifest
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset
from kapbench.scoring.object_extent import Extent

NOT_HERE = ("synthetic", "synthetic.large")  # as synthetic.small, larger
REAL_ROOT = os.environ.get("KAPBENCH_DATA")


REAL_DATA = [pytest.param(f"real {name}", marks=pytest.mark.slow) for name in REAL]


@pytest.fixture(scope="module", params=[*BUILDERS, *REAL_DATA])
def built(request, tmp_path_factory):
    """A function that opens it again, and the folder of a small copy (None: real data)."""
    kind, _, name = request.param.rpartition(" ")
    if kind:
        if REAL_ROOT is None:
            pytest.skip("KAPBENCH_DATA is not set: no real data")
        options = {"root": REAL_ROOT, **REAL[name]}
        try:
            load_dataset(name, **options)
        except KapbenchError as error:
            pytest.skip(f"not below KAPBENCH_DATA: {error.thing}")
        return (lambda: load_dataset(name, **options)), None
    root = tmp_path_factory.mktemp("tiny")
    spec, options = BUILDERS[request.param](root)
    return (lambda: load_dataset(spec, **options)), root


@pytest.fixture(scope="module")
def dataset(built):
    return built[0]()


def test_every_registered_data_set_is_here():
    assert {*BUILDERS, *NOT_HERE} == set(registry.names("datasets"))


def test_says_what_it_is(dataset):
    for word in (dataset.name, dataset.split, dataset.revision, dataset.licence, dataset.citation):
        assert isinstance(word, str)
        assert word.strip()
    assert dataset.size_from in ("box", "image")
    coverage = dataset.coverage
    assert set(dataset.categories) <= set(coverage.categories_expected)
    assert coverage.n_pairs == len(dataset.pairs())


def test_is_ordered_and_the_same_every_time(built, dataset):
    again = built[0]()
    assert again.revision == dataset.revision
    for a, b in zip(dataset.pairs(), again.pairs(), strict=True):
        assert (a.pair_id, a.source.image_id, a.target.image_id, a.size) == (
            b.pair_id,
            b.source.image_id,
            b.target.image_id,
            b.size,
        )
        np.testing.assert_array_equal(a.target.keypoints.xy, b.target.keypoints.xy)
    ids = [pair.pair_id for pair in dataset.pairs()]
    assert len(set(ids)) == len(ids)
    names = [view.image_id for view in dataset.views()]
    assert names == sorted(set(names))


def test_categories_part_the_pairs(dataset):
    parts = [dataset.pairs([category]) for category in dataset.categories]
    assert sum(map(len, parts)) == len(dataset.pairs())
    for category, pairs in zip(dataset.categories, parts, strict=True):
        assert {p.category for p in pairs} <= {category}
        ids = {v.image_id for p in pairs for v in (p.source, p.target)}
        assert ids <= {v.image_id for v in dataset.views([category])}
    with pytest.raises(KapbenchError, match="category"):
        dataset.pairs(["no such category"])


def test_keypoints_are_inside_or_flagged(dataset):
    for view in dataset.views():
        xy, visible = view.keypoints.xy, view.keypoints.visible
        assert np.isnan(xy[~visible]).all()
        shown = xy[visible]
        assert np.isfinite(shown).all()
        assert ((shown >= 0) & (shown <= np.array(view.size))).all(), view.image_id
        x1, y1, x2, y2 = view.bbox
        assert x2 > x1
        assert y2 > y1
        assert view.azimuth_bin in (None, *range(8))


def test_pairs_can_be_scored(dataset):
    for pair in dataset.pairs():
        assert pair.size > 0
        assert np.isfinite(pair.size)
        n = len(pair.groups)
        assert len(pair.twins) == n
        assert len(pair.source.keypoints.visible) == len(pair.target.keypoints.visible) == n
        assert pair.source.image_id != pair.target.image_id
        assert pair.source.keypoints.visible.any()
        if not dataset.has_absent:
            assert pair.target.keypoints.visible[pair.source.keypoints.visible].all()


def test_groups_and_twins_are_consistent(dataset):
    for pair in dataset.pairs()[:: max(1, len(dataset.pairs()) // 50)]:
        own = np.arange(len(pair.twins))
        np.testing.assert_array_equal(pair.twins[pair.twins], own)
        twinned = pair.twins != own
        np.testing.assert_array_equal(
            pair.groups[twinned], pair.groups[pair.twins[twinned]], "twins of two groups"
        )


def test_photographs_are_readable(dataset):
    views = dataset.views()
    for view in views[:: max(1, len(views) // 10)]:
        try:
            pixels = dataset.pixels(view)
        except KapbenchError as error:
            assert "no photograph" in error.thing  # noqa: PT017
            pytest.skip("annotations without photographs")
        assert pixels.shape == (view.size[1], view.size[0], 3)
        assert pixels.dtype == np.uint8
        mask = dataset.mask(view)
        assert mask is None or mask.shape == pixels.shape[:2]


# What says where the objects are: 2 masks, 1 boxes, 0 nothing. Boxes of some images are made of their
# keypoints where the annotation has none.
EXTENTS = {
    "spair": {2},
    "spair.small": {2},
    "spair-u": {2},
    "synthetic.small": {2},
    "freiburg-cars": {1, 2},
    "cub": {0, 1},
    "awa-pose": {0, 1},
    "cub.demystifying": {0, 1},
    "awa-pose.demystifying": {0, 1},
    "pf-pascal": {0},
    "pf-willow": {0},
    "willow": {0},
    "tss": {0},
    "mine": {0},  # a manifest without boxes
}


def test_masks_or_boxes_say_where_the_objects_are(dataset):
    views = dataset.views()
    views = views[:: max(1, len(views) // 100)]
    kinds = {Extent.of(view, dataset.mask(view)).kind for view in views}
    assert kinds <= EXTENTS.get(dataset.name, {1})


# Lists that a split of a copy does not ask for; the names alone of these pairs' files are read.
OTHER_LISTS = {
    "spair": ("trn.txt", "val.txt", "small/test.txt"),
    "spair.small": ("trn.txt", "val.txt", "large/test.txt"),
    "cub.demystifying": ("train_test_split.txt",),  # the list names its images
}
OF_NAMES_ALONE = {"ExtraPairAnnotation", "PairAnnotation"}
PHOTOGRAPHS = (".jpg", ".jpeg", ".JPEG", ".png")


def files_of(root, dataset):
    """Annotations, lists, photographs of what was opened: not those of another split's images."""
    ids = [PurePosixPath(v.image_id.partition("#")[0]) for v in dataset.views()]
    views = {"/".join(i.parts[-2:]) for i in ids}

    def name(path):
        return path.stem if path.stem in views else f"{path.parent.name}/{path.stem}"

    photographs = {name(p) for p in root.rglob("*") if p.suffix in PHOTOGRAPHS}
    others = OTHER_LISTS.get(dataset.name, ("trn.txt", "val.txt", "/test.txt"))
    files = [
        p
        for p in sorted(root.rglob("*"))
        if p.is_file() and name(p) not in photographs - views and not p.as_posix().endswith(others)
    ]
    masks = [p for p in files if "mask" in p.as_posix() or "Segmentation" in p.parts]
    shown = [p for p in files if p.suffix in PHOTOGRAPHS and p not in masks]
    return [p for p in files if p.suffix not in PHOTOGRAPHS], shown


@pytest.fixture
def copy(built, dataset):
    """Annotations and lists, and photographs, of a small copy."""
    root = built[1]
    if root is None or not any(root.rglob("*")):
        pytest.skip("real or rendered data are left alone")
    found = files_of(root, dataset)
    assert all(found)
    return found


def test_the_revision_follows_the_files(built, dataset, copy):
    """Every annotation and list of what was opened."""
    kept = []
    for path in copy[0]:
        before = path.read_bytes()
        if OF_NAMES_ALONE & {*path.parts}:
            path.unlink()
        else:
            path.write_bytes(_touched(path, before))
        try:
            if built[0]().revision == dataset.revision:
                kept.append(path.name)
        except KapbenchError:
            pass  # what cannot be read is no silent change either
        finally:
            path.write_bytes(before)
    assert kept == []
    assert built[0]().revision == dataset.revision


def test_a_photograph_that_is_gone_is_told(built, dataset, copy):
    """By the coverage, or at once."""
    silent = []
    for path in copy[1][:: max(1, len(copy[1]) // 6)]:
        before = path.read_bytes()
        path.unlink()
        try:
            if lacking(built[0]()) <= lacking(dataset):
                silent.append(path.name)
        except KapbenchError as error:
            assert error.fix  # noqa: PT017
        finally:
            path.write_bytes(before)
    assert silent == []


def lacking(dataset):
    """Pairs that are not here."""
    return dataset.coverage.n_pairs_expected - dataset.coverage.n_pairs


def _touched(path, content):
    if path.suffix in (".mat", ".flo"):
        return content[:-8] + bytes(8)
    for digit, other in ((b"5", b"6"), (b"3", b"4"), (b"1", b"2")):
        if digit in content:
            return content[::-1].replace(digit, other, 1)[::-1]
    return content + b"\n"


class Few:
    """Some pairs of a data set, and all that it says of itself."""

    def __init__(self, dataset, n):
        self.dataset = dataset
        pairs = dataset.pairs()
        chosen = np.unique(np.linspace(0, len(pairs) - 1, n).round().astype(int))
        self.chosen = [pairs[i] for i in chosen]

    def pairs(self):
        return self.chosen

    def __getattr__(self, name):
        return getattr(self.dataset, name)


def test_survives_as_a_manifest(dataset, tmp_path):
    """Whole pairs drawn evenly from the list."""
    if not dataset.pairs():
        pytest.skip("no pairs to write")
    few = Few(dataset, 12)
    if dataset.name == "soco.cross":
        with pytest.raises(KapbenchError, match="a manifest has pairs within a category"):
            write_manifest(few, tmp_path)
        return
    try:
        dataset.pixels(few.pairs()[0].source)
    except KapbenchError as error:
        assert "no photograph" in error.thing  # noqa: PT017
        pytest.skip("annotations without photographs")
    again = manifest(str(write_manifest(few, tmp_path)), split=dataset.split)
    assert (again.size_from, again.has_absent) == (dataset.size_from, dataset.has_absent)
    for a, b in zip(few.pairs(), again.pairs(), strict=True):
        assert (a.source.image_id, a.target.image_id) == (b.source.image_id, b.target.image_id)
        assert a.size == pytest.approx(b.size)
        np.testing.assert_array_equal(a.twins, b.twins)
        np.testing.assert_array_equal(a.groups >= 0, b.groups >= 0)
        for i, j in itertools.combinations(np.flatnonzero(a.groups >= 0), 2):
            assert (a.groups[i] == a.groups[j]) == (b.groups[i] == b.groups[j])
        for one, two in ((a.source, b.source), (a.target, b.target)):
            same_view(one, two)
            np.testing.assert_array_equal(dataset.pixels(one), again.pixels(two))
            np.testing.assert_array_equal(dataset.mask(one), again.mask(two))


def same_view(one, two):
    np.testing.assert_array_equal(one.keypoints.visible, two.keypoints.visible)
    np.testing.assert_allclose(one.keypoints.xy, two.keypoints.xy)
    np.testing.assert_allclose(one.bbox, two.bbox)
    for name in ("category", "size", "azimuth_bin", "truncated", "occluded"):
        assert getattr(one, name) == getattr(two, name)
