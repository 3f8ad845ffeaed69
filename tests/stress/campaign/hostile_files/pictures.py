"""Pictures that start programs or unfold to gigabytes, in the place of a photograph."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from campaign.case import Case, python

_SECONDS = 120.0
_READ = """
import sys
from pathlib import Path
from kapbench.datasets import images
from kapbench.errors import KapbenchError
for read in (images.read_rgb, images.read_upright, images.image_size, images.read_header):
    try:
        read(Path(sys.argv[1]))
    except KapbenchError as error:
        print("refused", error)
    else:
        print("accepted by", read.__name__)
"""
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def cases() -> Iterator[Case]:
    """The controls come first: photographs, which all readers accept."""
    for kind in ("PNG", "JPEG"):
        yield Case(f"picture: control, {kind}", partial(_accepted, _written(kind)))
    for name in ("photo.jpg", "photo.png", "photo.eps"):
        yield Case(f"picture: EPS as {name}", partial(_refused, name, _EPS))
    for name, content in _PICTURES.items():
        yield Case(f"picture: {name}", partial(_refused, "photo.png", content))


def _accepted(content: bytes, folder: Path) -> str | None:
    (folder / "photo.png").write_bytes(content)
    outcome = python(["-c", _READ, "photo.png"], folder, _SECONDS, 3.0)
    is_read = outcome.output.count("accepted by") == 4
    return None if is_read else outcome.output + outcome.errors[-300:]


def _refused(name: str, content: bytes, folder: Path) -> str | None:
    """No reader may accept it, and Ghostscript, of which there is a false one, may not be started."""
    (folder / name).write_bytes(content)
    (folder / "bin").mkdir()
    ghostscript = folder / "bin" / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {folder}/started\nexit 1\n")
    ghostscript.chmod(0o755)
    path = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}
    outcome = python(["-c", _READ, name], folder, _SECONDS, 3.0, path)
    if (folder / "started").exists():
        return "Ghostscript was started"
    if outcome.crash is not None or outcome.status != 0:
        return outcome.crash or outcome.errors[-300:]
    is_refused = outcome.output.count("refused") == 4 and "accepted by" not in outcome.output
    return None if is_refused else outcome.output[-300:]


def _png(width: int, height: int) -> bytes:
    """Black, one bit a pixel, as small as it gets."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )


def _written(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


_PICTURES = {
    "20,000 × 20,000 PNG": _png(20_000, 20_000),
    "1 × 2,000,000,000 PNG": _png(8, 1)[:16]
    + struct.pack(">II", 1, 2_000_000_000)
    + _png(8, 1)[24:],
    "PDF-like": b"%PDF-1.4\n" + bytes(100),
    "SGI": _written("SGI"),
    "ICNS": _written("ICNS"),
    "DDS": _written("DDS"),
    "PCX": _written("PCX"),
}
