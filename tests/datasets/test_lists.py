"""Data sets with lists of their own: by hand, against readers of pandas alone, and bad input."""

import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_datasets as tiny
from PIL import Image
from scipy.io import savemat

from kapbench.datasets import annotations
from kapbench.datasets.awa_pose import awa_pose, keypoint_names
from kapbench.datasets.cub import cub
from kapbench.datasets.freiburg_cars import azimuth_bin, freiburg_cars
from kapbench.datasets.pf_pascal import pf_pascal
from kapbench.datasets.pf_willow import pf_willow
from kapbench.datasets.spair_u import spair_u
from kapbench.datasets.tss import read_flow, tss
from kapbench.datasets.willow import willow
from kapbench.errors import KapbenchError

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
            (",8,", ",21,", "class '21'"), (",8,", ",cat,", "class 'cat'"),
            (",XA,", ",AX,", "no column 'XA'"), (";", ";nan;", "'nan' is no number"),
            (";", ";a;", "'a' is no number"), (";", ";7;", "x and 4 y"),
            (";", ";-7", "outside"), (",8,", ",8,1,", "another length"),
        ],
    )  # fmt: skip
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
        with pytest.raises(KapbenchError, match="unknown split 'train'"):
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
        with pytest.raises(KapbenchError, match="no kps can be read"):
            pf_pascal("val", root=folder.parent)
        savemat(path, {"kps": np.ones((4, 2))})
        with pytest.raises(KapbenchError, match="5 points of image A, 4 of B"):
            pf_pascal("val", root=folder.parent)
        path.unlink()
        with pytest.raises(KapbenchError, match=r"val holds no points.*PF-dataset-PASCAL\.zip"):
            pf_pascal("val", root=folder.parent)
        (folder / "train_pairs_pf_pascal.csv").unlink()
        with pytest.raises(KapbenchError, match="file not found") as error:
            pf_pascal("trn", root=folder.parent)
        assert "drive.google.com" in error.value.fix

    def test_a_wrong_flip(self, folder):
        edit(folder / "val_pairs_pf_pascal.csv", ",12,0", ",12,yes")
        with pytest.raises(KapbenchError, match="flip 'yes'"):
            pf_pascal("val", root=folder.parent)

    @real
    def test_the_real_lists_lack_their_points_here(self):
        with pytest.raises(KapbenchError, match="holds no points"):
            pf_pascal("val", root=REAL)


LONG = "9" * 140_000


@pytest.mark.parametrize(("build", "open_", "list_"), [
    (tiny.pf_pascal, pf_pascal, "PF-dataset-PASCAL/test_pairs_pf_pascal.csv"),
    (tiny.pf_willow, pf_willow, "PF-dataset/test_pairs.csv"),
    (tiny.tss, tss, "TSS_CVPR2016/test_pairs_tss.csv"),
])  # fmt: skip
class TestLists:
    def test_a_field_beyond_measure_is_named(self, tmp_path, build, open_, list_):
        build(tmp_path)
        lines = (tmp_path / list_).read_text().splitlines()
        lines[2] = LONG + lines[2]
        (tmp_path / list_).write_text("\n".join(lines))
        with pytest.raises(KapbenchError, match="no line of a table: field larger") as error:
            open_(root=tmp_path)
        assert f"{tmp_path / list_}, line 3" == error.value.place

    def test_each_file_is_read_once(self, tmp_path, build, open_, list_, monkeypatch):
        build(tmp_path)
        read = []
        plain = annotations.read_bytes
        monkeypatch.setattr(
            annotations, "read_bytes", lambda p, fix: read.append(p) or plain(p, fix)
        )
        open_(root=tmp_path)
        assert tmp_path / list_ in read
        assert len(set(read)) == len(read)


class TestPfWillow:
    @pytest.mark.parametrize("x", ["5000", "-3", "60.5"])
    def test_a_point_outside_its_photograph_is_named(self, tmp_path, x):
        tiny.pf_willow(tmp_path)
        path = tmp_path / "PF-dataset/test_pairs.csv"
        lines = [line.split(",") for line in path.read_text().splitlines()]
        lines[1][2] = x
        path.write_text("\n".join(map(",".join, lines)))
        with pytest.raises(KapbenchError, match="outside its image of 60×40 px") as error:
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
        [(".png,", ".png,1,", "43 columns"), (".png,", ".png,x", "no coordinate"),
         (".png,", ".png,-", "outside its image")],
    )  # fmt: skip
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


class TestWillow:
    @real
    def test_whole_classes_of_the_real_one(self):
        found = willow(root=REAL)
        assert found.categories == ("Car", "Motorbike", "Winebottle")
        assert len(found.views(["Winebottle"])) == 66
        assert not found.coverage.complete

    def test_a_damaged_file(self, tmp_path):
        tiny.willow(tmp_path)
        path = tmp_path / "WILLOW-ObjectClass/Winebottle/wine_003.mat"
        path.write_bytes(b"no matlab")
        with pytest.raises(KapbenchError, match="no pts_coord") as error:
            willow(root=tmp_path)
        assert error.value.place == path
        path.unlink()
        with pytest.raises(KapbenchError, match="file not found"):
            willow(root=tmp_path)

    def test_a_class_that_lacks_a_photograph_is_left_out(self, tmp_path):
        tiny.willow(tmp_path)
        (tmp_path / "WILLOW-ObjectClass/Winebottle/wine_003.png").unlink()
        with pytest.raises(KapbenchError, match="no class of WILLOW"):
            willow(root=tmp_path)


class TestCub:
    @real
    def test_equal_to_a_reader_of_pandas_alone(self):
        """Same pairs and T: the written rule, done again with tables."""
        folder = Path(REAL) / "CUB_200_2011"

        def table(name, columns):
            return pd.read_csv(folder / name, sep=" ", names=columns, index_col=0)

        labels = table("image_class_labels.txt", ["id", "label"]).label
        boxes = table("bounding_boxes.txt", ["id", "x", "y", "w", "h"])
        parts = table("parts/part_locs.txt", ["id", "part", "x", "y", "v"])
        shown = parts.pivot_table(index="id", columns="part", values="v")
        species = table("classes.txt", ["id", "name"]).name
        ours = cub("all", root=REAL, photographs=False, pairs=3, seed=1)
        for label in (1, 57, 200):
            ids = np.array(sorted(labels[labels == label].index))
            visible = shown.loc[ids].to_numpy()
            shared = visible @ visible.T
            np.fill_diagonal(shared, 0)
            allowed = np.argwhere(shared >= 1)
            word = zlib.crc32(species[label].encode())
            drawn = np.random.default_rng([1, word]).choice(len(allowed), 3, replace=False)
            expected = [(ids[s], ids[t]) for s, t in allowed[np.sort(drawn)]]
            pairs = ours.pairs([species[label]])
            assert [(int(p.source.image_id), int(p.target.image_id)) for p in pairs] == expected
            sizes = boxes.loc[[t for _, t in expected], ["w", "h"]].max(axis=1)
            np.testing.assert_allclose([p.size for p in pairs], sizes)
            for pair, (s, _) in zip(pairs, expected, strict=True):
                own = parts.loc[s]
                np.testing.assert_array_equal(pair.source.keypoints.visible, own.v == 1)

    def test_splits_are_the_files(self, tmp_path):
        tiny.cub(tmp_path)
        assert [len(cub(s, root=tmp_path).views()) for s in ("test", "trn", "all")] == [5, 3, 8]

    def test_left_and_right(self, tmp_path):
        tiny.cub(tmp_path)
        pair = cub(root=tmp_path).pairs()[0]
        twins = {6: 10, 7: 11, 8: 12}
        assert all(pair.twins[a] == b and pair.twins[b] == a for a, b in twins.items())
        assert (pair.twins == np.arange(15)).sum() == 9

    @pytest.mark.parametrize(
        ("name", "old", "new", "said"),
        [
            ("bounding_boxes.txt", "1 1.0", "1 x", "'x' is no number"),
            ("bounding_boxes.txt", "1 1.0", "1 nan", "'nan' is no number"),
            ("bounding_boxes.txt", "2 1.0", "99 1.0", "no line of image 2"),
            ("parts/part_locs.txt", "1 1 ", "1 16 ", "part 16"),
            ("parts/part_locs.txt", "1 1 ", "1 1 1 ", "no number and 4 values"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, name, old, new, said):
        tiny.cub(tmp_path)
        edit(tmp_path / "CUB_200_2011" / name, old, new)
        with pytest.raises(KapbenchError) as error:
            cub(root=tmp_path)
        assert said in error.value.thing
        assert name in str(error.value.place)


class TestAwaPose:
    @real
    def test_the_real_annotations(self):
        found = awa_pose(root=REAL, photographs=False)
        assert len(found.categories) == 36
        assert len(found.pairs()) == 7156  # 200 an animal, fewer where fewer share three points

    def test_a_misspelt_key_is_what_it_is_mapped_to(self, tmp_path):
        tiny.awa_pose(tmp_path)
        path = tmp_path / "AwA-Pose/Annotations_json/moose.json"
        edit(path, '"left_earbase": [', '"left_ear_base": [')
        shown = awa_pose(root=tmp_path, min_shared=1)
        k = keypoint_names().index("left_earbase")
        before = path.read_text()
        edit(path, '"left_ear_base": [', '"left_earbase": [')
        plain = awa_pose(root=tmp_path, min_shared=1)
        for a, b in zip(shown.views(), plain.views(), strict=True):
            np.testing.assert_array_equal(a.keypoints.xy[k], b.keypoints.xy[k])
        path.write_text(before.replace("left_ear_base", "left_eer_base"))
        with pytest.raises(KapbenchError, match="unknown keypoint 'left_eer_base'"):
            awa_pose(root=tmp_path)

    def test_several_animals_of_an_image_are_views_of_their_own(self, tmp_path):
        tiny.awa_pose(tmp_path)
        found = awa_pose(root=tmp_path, min_shared=1)
        names = [v.image_id for v in found.views()]
        assert names[-2:] == ["moose/moose_10003", "moose/moose_10003#a2"]
        assert found.paths[names[-1]] == found.paths[names[-2]]

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [("[-1, -1]", '["1", -1]', "no list of 2 numbers"), ("[-1, -1]", "[1]", "no list of 2"),
         ("[-1, -1]", "[NaN, 1]", "NaN is no number"), ('"a1": {', '"a1": 5, "a9": {', "by name"),
         ("[1.5, 1, 58, 39]", "[5, 1, 5, 1]", "no area")],
    )  # fmt: skip
    def test_a_wrong_value_is_named(self, tmp_path, old, new, said):
        tiny.awa_pose(tmp_path)
        edit(tmp_path / "AwA-Pose/Annotations_json/moose.json", old, new)
        with pytest.raises(KapbenchError, match=said):
            awa_pose(root=tmp_path)


class TestTss:
    def test_flow_within_the_mask_is_points(self, tmp_path):
        tiny.tss(tmp_path)
        found = tss(root=tmp_path)
        pair = found.pairs()[0]
        assert pair.size == 60
        assert found.size_from == "image"
        # Mask 8..31 × 10..49, flow unknown above 12, every eighth pixel: rows 16, 24.
        expected = [(x + 0.5, y + 0.5) for y in (16, 24) for x in (16, 24, 32, 40, 48)]
        np.testing.assert_allclose(pair.source.keypoints.xy, expected)
        moved = pair.target.keypoints.xy - pair.source.keypoints.xy
        np.testing.assert_allclose(moved, np.tile([3, -2], (len(expected), 1)))

    def test_a_flipped_source_is_shown_left_for_right(self, tmp_path):
        tiny.tss(tmp_path)
        found = tss(root=tmp_path)
        plain, flipped = found.pairs()[0].source, found.pairs()[2].source
        assert (plain.image_id in found.mirrored, flipped.image_id in found.mirrored) == (
            False,
            True,
        )
        from kapbench.datasets.images import read_rgb

        stored = read_rgb(found.paths[flipped.image_id])
        np.testing.assert_array_equal(found.pixels(flipped), stored[:, ::-1])

    def test_the_revision_follows_masks_and_photographs(self, tmp_path):
        tiny.tss(tmp_path)
        revisions = {tss(root=tmp_path).revision}
        place = tmp_path / "TSS_CVPR2016/FG3DCar/pair_0"
        mask = np.zeros((40, 60), np.uint8)
        mask[8:33, 10:50] = 255  # a row more, between the points
        Image.fromarray(mask).save(place / "mask1.png")
        revisions.add(tss(root=tmp_path).revision)
        Image.fromarray(mask[:, :59]).save(place / "mask2.png")
        tiny.photograph(place / "image2.png", (59, 40))
        tiny.flow(place / "flow2.flo", np.full((40, 59, 2), 1.0))
        revisions.add(tss(root=tmp_path).revision)
        assert len(revisions) == 3

    def test_files_that_are_no_flow(self, tmp_path):
        path = tmp_path / "x.flo"
        for content in (b"", b"PIEH", np.array([202021.25], "<f4").tobytes() + bytes(8)):
            path.write_bytes(content)
            with pytest.raises(KapbenchError, match="flow"):
                read_flow(path)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [(",1,0,0", ",3,0,0", "direction 3"), (",1,0,0", ",1,0", "4 columns"),
         ("image1.png,", "image9.png,", "no photograph")],
    )  # fmt: skip
    def test_a_wrong_line_is_named(self, tmp_path, old, new, said):
        tiny.tss(tmp_path)
        edit(tmp_path / "TSS_CVPR2016/test_pairs_tss.csv", old, new)
        with pytest.raises(KapbenchError, match=said) as error:
            tss(root=tmp_path)
        assert "line 2" in str(error.value.place)


class TestFreiburgCars:
    def test_bins(self):
        assert [azimuth_bin(a, 0, clockwise=False) for a in (0, 22, 23, 90, 180, 359)] == [
            0, 0, 1, 2, 4, 0,
        ]  # fmt: skip
        assert azimuth_bin(90, 0, clockwise=True) == 6
        assert azimuth_bin(90, 90, clockwise=False) == 0

    def test_views_have_what_the_sphere_learns_from(self, tmp_path):
        tiny.freiburg_cars(tmp_path)
        found = freiburg_cars(root=tmp_path)
        assert [v.azimuth_bin for v in found.views()] == list(range(8))
        assert found.mask(found.views()[3]).all()

    @pytest.mark.parametrize(("old", "new"), [(" 0.0", ""), (" 0.0", " x"), ("1 2 50", "50 2 1")])
    def test_a_wrong_line_is_named(self, tmp_path, old, new):
        tiny.freiburg_cars(tmp_path)
        edit(tmp_path / "freiburg_static_cars_52_v1.1/annotations/001_annot.txt", old, new)
        with pytest.raises(KapbenchError) as error:
            freiburg_cars(root=tmp_path)
        assert "001_annot.txt, line 1" in str(error.value.place)


class TestSpairU:
    def test_keypoints_are_the_extra_ones(self, tmp_path):
        tiny.spair_u(tmp_path)
        pair = spair_u(root=tmp_path).pairs()[0]
        assert pair.source.keypoints.visible.tolist() == [True, False, True]
        assert pair.source.keypoints.xy[0].tolist() == [5, 6]
        x1, y1, x2, y2 = pair.target.bbox
        assert pair.size == max(x2 - x1, y2 - y1)

    @pytest.mark.parametrize(("old", "new", "said"), [
        ("[5, 6]", "[5000, 6]", "no point"), ("[5, 6]", '["5", 6]', "number"),
        ('"0"', '"a"', "by number"), ('"kps"', '"keypoints"', "required"),
    ])  # fmt: skip
    def test_a_wrong_annotation_is_named(self, tmp_path, old, new, said):
        tiny.spair_u(tmp_path)
        path = sorted((tmp_path / "SPair-U/ExtraImageAnnotation").rglob("*.json"))[0]
        edit(path, old, new)
        with pytest.raises(KapbenchError, match=said):
            spair_u(root=tmp_path)
