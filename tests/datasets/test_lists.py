"""Data sets with lists of their own: by hand, against readers of pandas alone, and bad input."""

import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_datasets as tiny

from kapbench.datasets.awa_pose import awa_pose, keypoint_names
from kapbench.datasets.cub.dataset import cub
from kapbench.datasets.freiburg_cars import azimuth_bin, freiburg_cars
from kapbench.datasets.proposal_flow.willow_objectclass import willow
from kapbench.errors import KapbenchError
from kapbench.untrusted import strict_text

REAL = os.environ.get("KAPBENCH_DATA")
real = pytest.mark.skipif(REAL is None, reason="KAPBENCH_DATA is not set: no real data")


def edit(path, old, new, count=1):
    path.write_text(path.read_text().replace(old, new, count))


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
        with pytest.raises(KapbenchError, match="pts_coord cannot be read") as error:
            willow(root=tmp_path)
        assert error.value.place == path
        path.unlink()
        with pytest.raises(KapbenchError, match="file does not exist"):
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
            ("bounding_boxes.txt", "1 1.0", "1 x", "'x' is not a number"),
            ("bounding_boxes.txt", "1 1.0", "1 nan", "'nan' is not a number"),
            ("bounding_boxes.txt", "2 1.0", "99 1.0", "no line of image 2"),
            ("parts/part_locs.txt", "1 1 ", "1 16 ", "part 16"),
            ("parts/part_locs.txt", "1 1 ", "1 1 1 ", "is not a number followed by 4 values"),
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
    @pytest.mark.slow
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
        with pytest.raises(KapbenchError, match="The keypoint 'left_eer_base' is unknown"):
            awa_pose(root=tmp_path)

    def test_several_animals_of_an_image_are_views_of_their_own(self, tmp_path):
        tiny.awa_pose(tmp_path)
        found = awa_pose(root=tmp_path, min_shared=1)
        names = [v.image_id for v in found.views()]
        assert names[-2:] == ["moose/moose_10003", "moose/moose_10003#a2"]
        assert found.paths[names[-1]] == found.paths[names[-2]]

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("[-1, -1]", '["1", -1]', "not a list of 2 numbers"),
            ("[-1, -1]", "[1]", "not a list of 2"),
            ("[-1, -1]", "[NaN, 1]", "NaN is not a finite number"),
            ('"a1": {', '"a1": 5, "a9": {', "JSON object"),
            ("[1.5, 1, 58, 39]", "[5, 1, 5, 1]", "no area"),
        ],
    )
    def test_a_wrong_value_is_named(self, tmp_path, old, new, said):
        tiny.awa_pose(tmp_path)
        edit(tmp_path / "AwA-Pose/Annotations_json/moose.json", old, new)
        with pytest.raises(KapbenchError, match=said):
            awa_pose(root=tmp_path)


class TestFreiburgCars:
    def test_bins(self):
        assert [azimuth_bin(a, 0, clockwise=False) for a in (0, 22, 23, 90, 180, 359)] == [
            0,
            0,
            1,
            2,
            4,
            0,
        ]
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


def test_the_advice_on_another_separator_comes_from_the_caller():
    """A table of the user's own was never published."""
    for more, fix in (
        ((), strict_text.SEPARATE_BY_COMMAS),
        (("Export it again",), "Export it again"),
    ):
        with pytest.raises(KapbenchError, match="separated by semicolons") as error:
            list(strict_text.parse_csv(b"a;b\n", Path("mine.csv"), "Convert it to UTF-8", *more))
        assert error.value.fix == fix
    assert "published" not in strict_text.SEPARATE_BY_COMMAS
