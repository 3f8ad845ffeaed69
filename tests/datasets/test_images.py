import numpy as np
import pytest
from PIL import Image

from kapbench.datasets.images import read_mask, read_rgb
from kapbench.errors import KapbenchError

ORIENTATION = 0x0112
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photograph.jpg"
    Image.fromarray(PIXELS).save(path, quality=95)
    return path


@pytest.mark.parametrize("share", [0.99, 0.5, 0.1, 0.0])
def test_a_truncated_photograph_is_named(photograph, share):
    whole = photograph.read_bytes()
    photograph.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(KapbenchError, match="whole") as caught:
        read_rgb(photograph)
    assert caught.value.place == photograph
    assert "fetch" in str(caught.value)


def test_a_missing_photograph_is_named(tmp_path):
    with pytest.raises(KapbenchError, match="not found"):
        read_rgb(tmp_path / "none.jpg")


def test_a_size_other_than_annotated_is_named(photograph):
    assert read_rgb(photograph, (60, 40)).shape == (40, 60, 3)
    with pytest.raises(KapbenchError, match="60×40 px, its annotation says 40×60 px"):
        read_rgb(photograph, (40, 60))


def test_orientation_is_ignored(photograph):
    plain = read_rgb(photograph)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn
    turned = photograph.with_name("turned.jpg")
    Image.fromarray(PIXELS).save(turned, quality=95, exif=exif)
    np.testing.assert_array_equal(read_rgb(turned), plain)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_every_photograph_becomes_rgb(tmp_path, mode):
    Image.new(mode, (8, 6)).save(tmp_path / "one.jpg")
    assert read_rgb(tmp_path / "one.jpg").shape == (6, 8, 3)


def saved(tmp_path, values, mode):
    path = tmp_path / "mask.png"
    image = Image.fromarray(np.array(values, np.uint8))
    if mode == "P":
        image.putpalette([v for i in range(256) for v in (i, 255 - i, 7)])
    (image.convert(mode) if mode in ("1", "RGB", "RGBA") else image).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA"])
def test_black_and_white_mask(tmp_path, mode):
    path = saved(tmp_path, [[0, 255, 255], [0, 0, 255]], mode)
    assert read_mask(path, (3, 2)).tolist() == [[False, True, True], [False, False, True]]


def test_numbered_mask_leaves_out_the_boundary(tmp_path):
    path = saved(tmp_path, [[0, 8, 255], [255, 8, 3]], "P")
    assert read_mask(path, (3, 2)).tolist() == [[False, True, False], [False, True, True]]


def test_empty_mask(tmp_path):
    assert not read_mask(saved(tmp_path, [[0, 0]], "L"), (2, 1)).any()


def test_mask_of_another_size(tmp_path):
    with pytest.raises(KapbenchError, match="mask of 2×1 px"):
        read_mask(saved(tmp_path, [[0, 255]], "L"), (1, 2))
