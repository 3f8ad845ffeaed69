import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from kapbench.datasets.images import (
    Header,
    image_size,
    read_header,
    read_mask,
    read_rgb,
    read_upright,
)
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
    with pytest.raises(KapbenchError, match="cannot be read") as caught:
        read_rgb(photograph)
    assert caught.value.place == photograph
    assert "Fetch" in str(caught.value)


def test_a_missing_photograph_is_named(tmp_path):
    with pytest.raises(KapbenchError, match="does not exist"):
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
    with pytest.raises(KapbenchError, match="mask has 2×1 px"):
        read_mask(saved(tmp_path, [[0, 255]], "L"), (1, 2))


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(path)
    assert read_rgb(path).tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_white(tmp_path, mode):
    path = tmp_path / "clear.png"
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    if mode == "LA":
        image = image.convert("LA")
    if mode == "P":
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 9, 9, 9])
        image.putpixel((1, 0), 1)
        image.info["transparency"] = 1
    image.save(path)
    pixels = read_rgb(path)
    assert pixels[0, 1].tolist() == [255] * 3
    assert pixels[0, 0].max() < 40


def test_ink_becomes_light(tmp_path):
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    red, green, blue = read_rgb(tmp_path / "ink.jpg")[0, 0].tolist()
    assert red > 200
    assert max(green, blue) < 60


def test_a_photograph_is_turned_only_where_asked_for(tmp_path):
    path = tmp_path / "turned.jpg"
    image = Image.new("RGB", (8, 4), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 4, 4))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    image.save(path, exif=exif, quality=100)
    assert read_rgb(path).shape == (4, 8, 3)
    upright = read_upright(path)
    assert upright.shape == (8, 4, 3)
    assert upright[:3].min() > 200  # left has become top
    assert upright[5:].max() < 50
    assert image_size(path) == (8, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_the_upright_size_is_that_of_the_upright_pixels(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(PIXELS).save(path, exif=exif)
    header = read_header(path)
    width, height = header.upright
    upright, stored = read_upright(path), read_rgb(path)
    assert upright.shape == (height, width, 3)
    assert stored.shape == (header.stored[1], header.stored[0], 3)
    assert header.is_turned is (upright.shape != stored.shape or bool((upright != stored).any()))
    assert (width, height) == ((40, 60) if orientation > 4 else (60, 40))


def with_chunk_at_the_end(png, kind, content):
    """A PNG file with one more chunk between its pixels and its end."""
    chunk = struct.pack(">I", len(content)) + kind + content
    chunk += struct.pack(">I", zlib.crc32(kind + content))
    return png[:-12] + chunk + png[-12:]


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/">'
    b"<tiff:Orientation>6</tiff:Orientation></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize(
    ("kind", "content"),
    [(b"eXIf", None), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), (b"tEXt", b"a\0b")],
)
def test_what_stands_behind_the_pixels_of_a_png_file_counts(tmp_path, kind, content):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "late.png"
    Image.fromarray(PIXELS).save(path)
    png = path.read_bytes()
    path.write_bytes(with_chunk_at_the_end(png, kind, content or exif.tobytes()[6:]))
    width, height = read_header(path).upright
    assert read_upright(path).shape == (height, width, 3)
    assert (width, height) == ((60, 40) if kind == b"tEXt" else (40, 60))


def test_the_header_is_read_without_the_pixels(tmp_path, monkeypatch):
    paths = [tmp_path / f"plain.{ending}" for ending in ("png", "jpg")]
    for path in paths:
        Image.fromarray(PIXELS).save(path)

    def refuse(image):
        raise AssertionError("The pixels are read")

    monkeypatch.setattr(PngImageFile, "load", refuse)
    monkeypatch.setattr(JpegImageFile, "load", refuse)
    for path in paths:
        assert read_header(path) == Header((60, 40), (60, 40), False)


def test_the_upright_size_of_what_is_no_photograph(photograph):
    photograph.write_bytes(photograph.read_bytes()[:20])
    with pytest.raises(KapbenchError, match="cannot be read"):
        read_header(photograph)
    with pytest.raises(KapbenchError, match="does not exist"):
        read_header(photograph.with_name("none.jpg"))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 7, 200], [0, 7, 200]),
        ([0, 257, 65535], [0, 1, 255]),
        ([-0.5, 0.25, 0.5], [0, 64, 128]),
    ],
)
def test_decimals_up_to_one_are_shares_of_white(tmp_path, values, shown):
    path = tmp_path / "decimals.tif"
    Image.fromarray(np.array([values], np.float32)).save(path)
    assert read_rgb(path)[0, :, 0].tolist() == shown


def test_pixels_that_are_no_numbers(tmp_path):
    path = tmp_path / "nan.tif"
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(path)
    with pytest.raises(KapbenchError, match="not numbers"):
        read_rgb(path)
