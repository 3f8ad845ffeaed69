"""PF-PASCAL and PF-WILLOW: by hand, against a reader of pandas alone, and bad input."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_datasets as tiny
from scipy.io import loadmat, savemat

from kapbench.datasets.proposal_flow.pf_pascal import pf_pascal
from kapbench.datasets.proposal_flow.pf_willow import pf_willow
from kapbench.datasets.tss import tss
from kapbench.errors import KapbenchError
from kapbench.untrusted import strict_text

REAL = os.environ.get("KAPBENCH_DATA")
real = pytest.mark.skipif(REAL is None, reason="KAPBENCH_DATA is not set: no real data")


def edit(path, old, new, count=1):
    path.write_text(path.read_text().replace(old, new, count))


class TestPfPascal:
    def test_points_are_brought_to_the_photographs_size(self, tmp_path):
        tiny.pf_pascal(tmp_path)
        pair = pf_pascal(root=tmp_path).pairs()[0]
        assert pair.target.size == (600, 400)
        assert pair.size == 600
        np.testing.assert_allclose(pair.source.keypoints.xy, 2 * tiny.points(4, (300, 200), 0))

    def test_an_image_with_other_points_in_another_pair_is_told_apart(self, tmp_path):
        tiny.pf_pascal(tmp_path)
        path = tmp_path / "PF-dataset-PASCAL/test_pairs_pf_pascal.csv"
        lines = path.read_text().splitlines()
        words = lines[1].split(",")
        words[3] = words[3].replace(words[3].split(";")[0], "17.5", 1)
        path.write_text("\n".join([*lines, ",".join(words)]) + "\n")
        names = [p.source.image_id for p in pf_pascal(root=tmp_path).pairs()]
        assert names[-1] == f"{names[0]}#2"

    def test_the_revision_follows_the_photographs(self, tmp_path):
        tiny.pf_pascal(tmp_path)
        before = pf_pascal(root=tmp_path)
        photograph = tmp_path / "PF-dataset-PASCAL/JPEGImages/2007_000003.jpg"
        tiny.photograph(photograph, (300, 200))
        smaller = pf_pascal(root=tmp_path)
        assert smaller.pairs()[-1].size == 300
        photograph.unlink()
        without = pf_pascal(root=tmp_path)
        assert (len(without.pairs()), without.coverage.n_pairs_expected) == (2, 3)
        assert len({before.revision, smaller.revision, without.revision}) == 3

    @real
    def test_equal_to_a_reader_of_pandas_alone(self):
        folder = Path(REAL) / "PF-PASCAL/image_pairs"
        whole = pd.read_csv(folder / "test_pairs.csv")
        ours = pf_pascal(root=REAL, photographs=False).pairs()
        assert len(ours) == len(whole) == 299
        for pair, line in zip(ours, whole.itertuples(), strict=True):
            for view, name, xs, ys in (
                (pair.source, line.source_image, line.XA, line.YA),
                (pair.target, line.target_image, line.XB, line.YB),
            ):
                assert view.image_id.partition("#")[0] == name.rsplit("/", 1)[1][:-4]
                expected = np.array([xs.split(";"), ys.split(";")], float).T
                np.testing.assert_allclose(view.keypoints.xy, expected)
            assert pair.size == 300  # the longer side of every image of the lists' frame
        here = pd.read_csv(folder / "test_pairs_with_images.csv")
        present = pf_pascal(root=REAL)
        assert len(present.pairs()) == len(here) == 65
        assert {p.size for p in present.pairs()} == {300.0}
        assert present.coverage.n_pairs_expected == 299

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (",8,", ",21,", "class '21'"),
            (",8,", ",cat,", "class 'cat'"),
            (",XA,", ",AX,", "Column 'XA' is missing"),
            (";", ";nan;", "'nan' is not a number"),
            (";", ";a;", "'a' is not a number"),
            (";", ";7;", "x and 4 y"),
            (";", ";-7", "outside"),
            (",8,", ",8,1,", "fields, the header"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, old, new, said):
        tiny.pf_pascal(tmp_path)
        path = tmp_path / "PF-dataset-PASCAL/test_pairs_pf_pascal.csv"
        edit(path, old, new)
        with pytest.raises(KapbenchError) as error:
            pf_pascal(root=tmp_path)
        assert said in error.value.thing
        assert "test_pairs_pf_pascal.csv" in str(error.value.place)

    def test_without_photographs_or_another_split(self, tmp_path):
        tiny.pf_pascal(tmp_path)
        with pytest.raises(KapbenchError, match="Unknown split 'train'"):
            pf_pascal("train", root=tmp_path)
        for path in tmp_path.rglob("*.jpg"):
            path.unlink()
        with pytest.raises(KapbenchError, match="no photograph"):
            pf_pascal(root=tmp_path)
        assert len(pf_pascal(root=tmp_path, photographs=False).pairs()) == 3


class TestPfPascalsOtherSplits:
    @pytest.fixture
    def folder(self, tmp_path):
        """Lists without points, the second line shown left for right, and annotations of dogs."""
        tiny.pf_pascal(tmp_path)
        folder = tmp_path / "PF-dataset-PASCAL"
        names = [f"PF-dataset-PASCAL/JPEGImages/2007_00000{i}.jpg" for i in range(3)]
        lines = [f"{names[0]},{names[1]},12,0", f"{names[0]},{names[2]},12,1"]
        for word in ("val", "train"):
            path = folder / f"{word}_pairs_pf_pascal.csv"
            path.write_text("\n".join(["source_image,target_image,class,flip", *lines]))
        for i in range(3):
            xy = tiny.points(5, (600, 400), i)
            xy[i] = np.nan
            path = folder / f"Annotations/dog/2007_00000{i}.mat"
            path.parent.mkdir(parents=True, exist_ok=True)
            savemat(path, {"kps": xy, "bbox": [1, 1, 500, 300]})
        return folder

    @pytest.mark.parametrize("split", ["val", "trn"])
    def test_points_are_the_annotations_that_both_show(self, folder, split):
        found = pf_pascal(split, root=folder.parent)
        plain, mirrored = found.pairs()
        xy = [tiny.points(5, (600, 400), i) for i in range(3)]
        np.testing.assert_allclose(plain.source.keypoints.xy, xy[0][[2, 3, 4]])
        np.testing.assert_allclose(plain.target.keypoints.xy, xy[1][[2, 3, 4]])
        kept = [1, 3, 4]
        np.testing.assert_allclose(mirrored.target.keypoints.xy[:, 0], 600 - xy[2][kept, 0])
        np.testing.assert_allclose(mirrored.target.keypoints.xy[:, 1], xy[2][kept, 1])
        assert found.mirrored == {mirrored.source.image_id, mirrored.target.image_id}
        assert (plain.size, found.categories) == (600, ("dog",))
        stored = found.pixels(plain.source)
        np.testing.assert_array_equal(found.pixels(mirrored.source), stored[:, ::-1])

    def test_the_revision_follows_the_annotations(self, folder):
        before = pf_pascal("val", root=folder.parent).revision
        savemat(folder / "Annotations/dog/2007_000002.mat", {"kps": tiny.points(5, seed=7)})
        assert pf_pascal("val", root=folder.parent).revision != before

    def test_what_lacks_is_told(self, folder):
        path = folder / "Annotations/dog/2007_000001.mat"
        path.write_bytes(b"no matlab")
        with pytest.raises(KapbenchError, match="kps cannot be read"):
            pf_pascal("val", root=folder.parent)
        savemat(path, {"kps": np.ones((4, 2))})
        with pytest.raises(KapbenchError, match="A has 5 keypoints, image B 4"):
            pf_pascal("val", root=folder.parent)
        path.unlink()
        with pytest.raises(KapbenchError, match=r"val has no keypoints.*PF-dataset-PASCAL\.zip"):
            pf_pascal("val", root=folder.parent)
        (folder / "train_pairs_pf_pascal.csv").unlink()
        with pytest.raises(KapbenchError, match="file does not exist") as error:
            pf_pascal("trn", root=folder.parent)
        assert "drive.google.com" in error.value.fix

    def test_a_wrong_flip(self, folder):
        edit(folder / "val_pairs_pf_pascal.csv", ",12,0", ",12,yes")
        with pytest.raises(KapbenchError, match="'yes' of column flip"):
            pf_pascal("val", root=folder.parent)

    @real
    def test_the_real_lists_lack_their_points_here(self):
        with pytest.raises(KapbenchError, match="The list of val has no keypoints"):
            pf_pascal("val", root=REAL)


LONG = "9" * 140_000


@pytest.mark.parametrize(
    ("build", "open_", "list_"),
    [
        (tiny.pf_pascal, pf_pascal, "PF-dataset-PASCAL/test_pairs_pf_pascal.csv"),
        (tiny.pf_willow, pf_willow, "PF-dataset/test_pairs.csv"),
        (tiny.tss, tss, "TSS_CVPR2016/test_pairs_tss.csv"),
    ],
)
class TestLists:
    def test_a_field_beyond_measure_is_named(self, tmp_path, build, open_, list_):
        build(tmp_path)
        lines = (tmp_path / list_).read_text().splitlines()
        lines[2] = LONG + lines[2]
        (tmp_path / list_).write_text("\n".join(lines))
        with pytest.raises(KapbenchError, match="line is not CSV: field larger") as error:
            open_(root=tmp_path)
        assert f"{tmp_path / list_}, line 3" == error.value.place

    @pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
    def test_another_separator_is_named(self, tmp_path, build, open_, list_, separator, name):
        """As spreadsheets save lists."""
        build(tmp_path)
        path = tmp_path / list_
        path.write_text(path.read_text().replace(",", separator))
        with pytest.raises(KapbenchError, match=f"separated by {name}") as error:
            open_(root=tmp_path)
        assert error.value.place == f"{path}, line 1"
        assert error.value.fix.endswith("as it is published")

    def test_each_file_is_read_once(self, tmp_path, build, open_, list_, monkeypatch):
        build(tmp_path)
        read = []
        plain = strict_text.open_regular
        monkeypatch.setattr(strict_text, "open_regular", lambda p: read.append(p) or plain(p))
        open_(root=tmp_path)
        assert tmp_path / list_ in read
        assert len(set(read)) == len(read)


def join_points(folder):
    """Replaces the list by one with points joined by ';', as weakalign and MaCoSNet have it."""
    _, *lines = [line.split(",") for line in (folder / "test_pairs.csv").read_text().splitlines()]
    (folder / "test_pairs.csv").unlink()
    rows = ["source_image,target_image,class,XA,YA,XB,YB"]
    for names, numbers in ((line[:2], line[2:]) for line in lines):
        columns = [";".join(numbers[i : i + 10]) for i in range(0, 40, 10)]
        rows.append(",".join([*names, "1", *columns]))
    path = folder / "test_pairs_semicolons.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


class TestPfWillowWithJoinedPoints:
    def test_the_pairs_are_those_of_the_list_with_a_column_for_each_number(self, tmp_path):
        tiny.pf_willow(tmp_path)
        expected = pf_willow(root=tmp_path)
        join_points(tmp_path / "PF-dataset")
        joined = pf_willow(root=tmp_path)
        for a, b in zip(joined.pairs(), expected.pairs(), strict=True):
            assert (a.pair_id, a.source.image_id, a.size) == (b.pair_id, b.source.image_id, b.size)
            np.testing.assert_array_equal(a.source.keypoints.xy, b.source.keypoints.xy)
            np.testing.assert_array_equal(a.target.keypoints.xy, b.target.keypoints.xy)

    def test_a_list_of_one_direction_has_a_remark(self, tmp_path):
        tiny.pf_willow(tmp_path)
        path = join_points(tmp_path / "PF-dataset")
        [remark] = pf_willow(root=tmp_path).remarks
        assert "3 pairs, each in one direction" in remark
        header, *lines = path.read_text().splitlines()
        fields = [line.split(",") for line in lines]
        back = [",".join([b, a, n, xb, yb, xa, ya]) for a, b, n, xa, ya, xb, yb in fields]
        path.write_text("\n".join([header, *lines, *back]))
        assert pf_willow(root=tmp_path).remarks == ()

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (".png,1,", ".png,2,", r"class is 2, but the folder car\(G\) is class 1"),
            (";", ",", "8 columns, not 7"),
            (";", ";1;", "Image A has 11 x and 10 y"),
            (";", ";x", "is not a number"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, old, new, message):
        tiny.pf_willow(tmp_path)
        path = join_points(tmp_path / "PF-dataset")
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(KapbenchError, match=message) as error:
            pf_willow(root=tmp_path)
        assert f"{path}, line 2" in str(error.value.place)

    @real
    def test_the_real_list(self):
        """Points are those of each photograph's .mat, in pixels of the photograph."""
        if not (Path(REAL) / "PF-dataset").is_dir():
            pytest.skip("PF-dataset is not below KAPBENCH_DATA")
        dataset = pf_willow(root=REAL)
        assert dataset.coverage.complete
        assert len(dataset.categories) == 10
        assert len(dataset.pairs()) in (450, 900)
        view = dataset.pairs()[0].source
        path = dataset.paths[view.image_id].with_suffix(".mat")
        np.testing.assert_allclose(view.keypoints.xy, loadmat(path)["pts_coord"].T, atol=1e-6)


class TestPfWillow:
    @pytest.mark.parametrize("x", ["5000", "-3", "60.5"])
    def test_a_point_outside_its_photograph_is_named(self, tmp_path, x):
        tiny.pf_willow(tmp_path)
        path = tmp_path / "PF-dataset/test_pairs.csv"
        lines = [line.split(",") for line in path.read_text().splitlines()]
        lines[1][2] = x
        path.write_text("\n".join(map(",".join, lines)))
        with pytest.raises(KapbenchError, match="outside the image of 60×40 px") as error:
            pf_willow(root=tmp_path)
        assert error.value.place == f"{path}, line 2"

    def test_the_revision_follows_the_photographs(self, tmp_path):
        tiny.pf_willow(tmp_path)
        before = pf_willow(root=tmp_path).revision
        photograph = tmp_path / "PF-dataset/car(G)/cars_003.png"
        tiny.photograph(photograph, (70, 40))
        larger = pf_willow(root=tmp_path).revision
        photograph.unlink()
        assert len({before, larger, pf_willow(root=tmp_path).revision}) == 3

    def test_symmetry_may_be_given(self, tmp_path):
        tiny.pf_willow(tmp_path)
        path = tmp_path / "table.json"
        path.write_text('{"categories": {"car(G)": {"mirror": [[0, 1]], "groups": [[0, 1]]}}}')
        plain, given = pf_willow(root=tmp_path), pf_willow(root=tmp_path, symmetry_file=str(path))
        assert given.pairs()[0].twins[:3].tolist() == [1, 0, 2]
        assert given.revision != plain.revision

    def test_padding_is_no_point(self, tmp_path):
        tiny.pf_willow(tmp_path)
        pair = pf_willow(root=tmp_path).pairs()[0]
        xy = tiny.points(10, seed=1)[:8]
        assert pair.target.keypoints.visible.tolist() == [True] * 8 + [False] * 2
        assert pair.size == pytest.approx(np.ptp(xy, axis=0).max())

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (".png,", ".png,1,", "43 columns"),
            (".png,", ".png,x", "is not a number"),
            (".png,", ".png,-", "outside the image"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, old, new, said):
        tiny.pf_willow(tmp_path)
        path = tmp_path / "PF-dataset/test_pairs.csv"
        lines = path.read_text().splitlines()
        first, second = lines[1].split(".png,", 2)[:2]
        lines[1] = lines[1].replace(f"{second}.png,", f"{second}{new}", 1)
        path.write_text("\n".join(lines))
        with pytest.raises(KapbenchError) as error:
            pf_willow(root=tmp_path)
        assert said in error.value.thing
        assert first
        assert "line 2" in str(error.value.place)
