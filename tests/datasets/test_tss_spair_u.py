"""TSS and SPair-U: only their formats are known."""

import shutil

import numpy as np
import pytest
import tiny_datasets as tiny
from PIL import Image

from kapbench.datasets.spair.spair_u import spair_u
from kapbench.datasets.tss import read_flow, tss
from kapbench.errors import KapbenchError


def edit(path, old, new, count=1):
    path.write_text(path.read_text().replace(old, new, count))


class TestTss:
    def test_flow_within_the_mask_is_points(self, tmp_path):
        tiny.tss(tmp_path)
        found = tss(root=tmp_path)
        pair = found.pairs()[0]
        assert pair.size == 60
        assert found.size_from == "image"
        assert found.remarks == ("test_pairs_tss.csv has 6 pairs, the published list 800",)
        # Mask 8..31 × 10..49, flow unknown above 12, every eighth pixel: rows 16, 24.
        expected = [(x + 0.5, y + 0.5) for y in (16, 24) for x in (16, 24, 32, 40, 48)]
        np.testing.assert_allclose(pair.target.keypoints.xy, expected)
        back = pair.source.keypoints.xy - pair.target.keypoints.xy
        np.testing.assert_allclose(back, np.tile([3, -2], (len(expected), 1)))
        sets = [p.source.category for p in found.pairs()]
        assert sets == ["FG3DCar"] * 2 + ["JODS"] * 2 + ["PASCAL"] * 2

    def test_flow_and_mask_are_those_of_the_target(self, tmp_path):
        """Images of two sizes: direction 2 has image2 as its target, whose flow leads back."""
        tiny.tss(tmp_path)
        place = tmp_path / "TSS_CVPR2016/FG3DCar/pair_0"
        tiny.photograph(place / "image2.png", (80, 50))
        mask = np.zeros((50, 80), np.uint8)
        mask[16, 72] = mask[16, 8] = 255
        Image.fromarray(mask).save(place / "mask2.png")
        tiny.flow(place / "flow2.flo", np.full((50, 80, 2), (-4.0, 2.0)))
        second = tss(root=tmp_path).pairs()[1]
        assert (second.source.image_id, second.target.image_id) == (
            "FG3DCar/pair_0/image1#1",
            "FG3DCar/pair_0/image2#1",
        )
        assert second.size == 80
        # (72.5, 16.5) would lead to x = 68.5, beyond the source's 60 px.
        assert second.target.keypoints.xy.tolist() == [[8.5, 16.5]]
        assert second.source.keypoints.xy.tolist() == [[4.5, 18.5]]

    def test_sets_that_count_from_zero_are_read(self, tmp_path):
        tiny.tss(tmp_path)
        path = tmp_path / "TSS_CVPR2016/test_pairs_tss.csv"
        header, *lines = path.read_text().splitlines()
        from_zero = [f"{line[:-1]}{int(line[-1]) - 1}" for line in lines]
        path.write_text("\n".join([header, *from_zero]))
        assert tss(root=tmp_path).categories == ("FG3DCar", "JODS", "PASCAL")

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
        [
            (",1,0,1", ",3,0,1", "direction 3"),
            (",1,0,1", ",1,0", "4 columns"),
            (",1,0,1", ",2,0,1", "direction is 2, but the target is image1.png"),
            (",1,0,1", ",1,0,2", "set is 2, but the photographs are in the folder FG3DCar"),
            ("image2.png,", "image9.png,", "no photograph"),
            ("pair_0/image2.png,FG3DCar", "pair_0/image2.png,Cars", "not name one of the sets"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, old, new, said):
        tiny.tss(tmp_path)
        edit(tmp_path / "TSS_CVPR2016/test_pairs_tss.csv", old, new)
        with pytest.raises(KapbenchError, match=said) as error:
            tss(root=tmp_path)
        assert "line 2" in str(error.value.place)


class TestSpairU:
    @pytest.fixture
    def root(self, tmp_path):
        """Pairs of cats and of dogs."""
        tiny.spair_u(tmp_path)
        for path in sorted((tmp_path / "SPair-U").rglob("*cat*")):
            dog = path.with_name(path.name.replace("cat", "dog"))
            if path.is_dir():
                shutil.copytree(path, dog)
            else:
                shutil.copy(path, dog)
        return tmp_path

    @pytest.mark.parametrize(
        "lost",
        ["SPair-71k/JPEGImages", "SPair-71k/ImageAnnotation", "SPair-U/ExtraImageAnnotation"],
    )
    def test_a_category_that_lacks_a_file_is_left_out(self, root, lost):
        whole = spair_u(root=root)
        assert whole.coverage.complete
        assert whole.categories == ("cat", "dog")
        sorted((root / lost / "cat").glob("2012*"))[0].unlink()
        part = spair_u(root=root)
        assert str(part.coverage) == "partial: 1 of 2 categories (dog), 3 of 6 pairs"
        assert part.revision != whole.revision
        shutil.rmtree(root / lost)
        with pytest.raises(KapbenchError, match="No category of SPair-U is complete: cat lacks 3"):
            spair_u(root=root)

    def test_a_symmetry_file_that_is_not_there(self, tmp_path):
        tiny.spair_u(tmp_path)
        with pytest.raises(KapbenchError, match="file does not exist") as error:
            spair_u(root=tmp_path, symmetry_file=str(tmp_path / "none.json"))
        assert error.value.place == tmp_path / "none.json"

    def test_keypoints_are_the_extra_ones(self, tmp_path):
        tiny.spair_u(tmp_path)
        pair = spair_u(root=tmp_path).pairs()[0]
        assert pair.source.keypoints.visible.tolist() == [True, False, True]
        assert pair.source.keypoints.xy[0].tolist() == [5, 6]
        x1, y1, x2, y2 = pair.target.bbox
        assert pair.size == max(x2 - x1, y2 - y1)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("[5, 6]", "[5000, 6]", "outside the image"),
            ("[5, 6]", '["5", 6]', "number"),
            ('"0"', '"a"', "match pattern"),
            ('"kps"', '"keypoints"', "is missing"),
        ],
    )
    def test_a_wrong_annotation_is_named(self, tmp_path, old, new, said):
        tiny.spair_u(tmp_path)
        path = sorted((tmp_path / "SPair-U/ExtraImageAnnotation").rglob("*.json"))[0]
        edit(path, old, new)
        with pytest.raises(KapbenchError, match=said):
            spair_u(root=tmp_path)
