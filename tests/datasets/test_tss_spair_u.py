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
        [
            (",1,0,0", ",3,0,0", "direction 3"),
            (",1,0,0", ",1,0", "4 columns"),
            ("image1.png,", "image9.png,", "no photograph"),
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
