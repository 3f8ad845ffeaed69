"""Mutations of files of chunks that stay well-formed outside of the chunk that is changed."""

import io
import json
import struct
import zlib

from campaign.mutations.blocks import EXTREMES, change_bytes
from campaign.mutations.mutation import Mutation, Random, pick
from campaign.mutations.trees import FAMILIES, change_tree, to_json

BYTES = ("flip", "truncate", "insert", "repeat", "overwrite", "integer")
TREE = (*FAMILIES, "delete", "length", "swap", "nest", "double key")
_DTYPES = ("BF16", "F8_E4M3", "F64", "F32", "F16", "I64", "U8", "BOOL", "X", 1)


def png(content: bytes, rng: Random) -> Mutation:
    """Chunks dropped, repeated, moved and changed, each with its right checksum."""
    chunks, at = [], 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    i = int(rng.integers(len(chunks)))
    family = pick(rng, ("chunks", "size", "pixels", "metadata", "chunk"))
    if family == "chunks":
        chunks = pick(
            rng, (chunks[:i] + chunks[i + 1 :], chunks[: i + 1] + chunks[i:], chunks[::-1])
        )
    elif family == "size":
        head = bytearray(chunks[0][1])
        struct.pack_into(">I", head, pick(rng, (0, 4)), pick(rng, (*EXTREMES, 20_000, 61)))
        head[pick(rng, (8, 9, 10, 11, 12))] = pick(rng, (0, 1, 2, 3, 6, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(head))
    elif family == "pixels":
        new = pick(rng, (b"", b"\0" * 100, bytes(5_000_000), rng.bytes(100)))
        chunks = [(k, zlib.compress(new) if k == b"IDAT" else v) for k, v in chunks]
    elif family == "metadata":
        kind = pick(rng, (b"eXIf", b"iTXt", b"zTXt", b"tEXt", b"iCCP", b"PLTE", b"tRNS", b"acTL"))
        chunks.insert(pick(rng, (1, len(chunks) - 1)), (kind, _metadata(rng)))
    else:
        chunks[i] = (chunks[i][0], change_bytes(chunks[i][1], pick(rng, BYTES), rng))
    packed = [
        struct.pack(">I", len(v)) + k + v + struct.pack(">I", zlib.crc32(k + v)) for k, v in chunks
    ]
    return Mutation(f"png: {family}", content[:8] + b"".join(packed))


def _metadata(rng: Random) -> bytes:
    """EXIF and texts that viewers look for, mostly broken."""
    orientation = pick(rng, (0, 1, 6, 8, 9, 255, 65535))
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 8)
    profile = b"Raw profile type exif\0\nexif\n" + pick(
        rng, (b"4\nzz", b"99999\n45", b"\n\n", b"x")
    )
    return pick(
        rng,
        (
            exif,
            change_bytes(exif, pick(rng, BYTES), rng),
            profile,
            b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='6'>",
            b"a\0\0" + zlib.compress(bytes(2_000_000)),
            rng.bytes(30),
        ),
    )


def jpeg(content: bytes, rng: Random) -> Mutation:
    """Segments dropped, repeated, moved and changed, each with its right length."""
    segments, at = [], 2
    while content[at : at + 2] != b"\xff\xda":
        (length,) = struct.unpack_from(">H", content, at + 2)
        segments.append((content[at + 1], content[at + 4 : at + 2 + length]))
        at += 2 + length
    rest, i = content[at:], int(rng.integers(len(segments)))
    family = pick(rng, ("segments", "size", "exif", "segment", "pixels"))
    if family == "segments":
        segments = pick(
            rng,
            (segments[:i] + segments[i + 1 :], segments[: i + 1] + segments[i:], segments[::-1]),
        )
    elif family == "size":
        size = struct.pack(">HH", pick(rng, (0, 1, 65535)), pick(rng, (0, 60, 65535)))
        segments = [(k, v[:1] + size + v[5:] if k in (0xC0, 0xC2) else v) for k, v in segments]
    elif family == "exif":
        segments = [(k, v) for k, v in segments if k != 0xE1]
        segments.insert(0, (0xE1, pick(rng, (b"Exif\0\0", b"Exif\0", b"")) + _metadata(rng)))
    elif family == "segment":
        segments[i] = (segments[i][0], change_bytes(segments[i][1], pick(rng, BYTES), rng)[:65000])
    else:
        rest = change_bytes(rest, pick(rng, BYTES), rng)
    packed = [
        bytes((0xFF, k)) + struct.pack(">H", len(v[:65500]) + 2) + v[:65500] for k, v in segments
    ]
    return Mutation(f"jpeg: {family}", content[:2] + b"".join(packed) + rest)


def mat(content: bytes, rng: Random) -> Mutation:
    """The elements of a MATLAB file: tags, lengths and contents, compressed again where they were."""
    head, (kind, length) = content[:128], struct.unpack_from("<II", content, 128)
    body = content[136 : 136 + length]
    inner = zlib.decompress(body) if kind == 15 else content[128:]
    family = pick(rng, ("tag", "element", "header", "compressed"))
    if family == "header":
        head = change_bytes(head, pick(rng, ("flip", "overwrite", "integer")), rng)
    elif family == "tag":
        at = 4 * int(rng.integers(len(inner) // 4))
        value = pick(rng, (*EXTREMES, *range(20), 0x00040001, 0x00010005, 0x0005000E))
        inner = inner[:at] + struct.pack("<I", value) + inner[at + 4 :]
    else:
        inner = change_bytes(inner, pick(rng, BYTES), rng)
    if kind == 15 or family == "compressed":
        packed = zlib.compress(inner)
        inner = struct.pack("<II", 15, len(packed)) + packed
    return Mutation(f"mat: {family}", head + inner)


def safetensors(content: bytes, rng: Random) -> Mutation:
    """The header of a .safetensors file, with its right length; texts of JSON in it likewise."""
    (length,) = struct.unpack_from("<Q", content)
    head, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    family = pick(rng, ("header", "type", "shape", "metadata", "inner json", "numbers"))
    names = [name for name in head if name != "__metadata__"]
    tensor = head[pick(rng, names)]
    raw: dict[str, str] = {}
    if family == "header":
        head, raw = change_tree(head, pick(rng, TREE), rng)
    elif family == "type":
        tensor["dtype"] = pick(rng, _DTYPES)
    elif family == "shape":
        shape = tensor["shape"]
        tensor["shape"] = pick(
            rng, (shape[::-1], [1, *shape], shape[1:], [], [0], [2**40, 0], [-1])
        )
    elif family == "numbers":
        odd = pick(rng, (b"\xff\x7f", b"\x00\xfc", b"\xff\xff", b"\0\0", b"\x80\x7f"))
        data = odd * (len(data) // 2) + data[2 * (len(data) // 2) :]
    else:
        metadata = head.get("__metadata__") or {"a": "1"}
        key = pick(rng, tuple(metadata))
        metadata[key] = _changed_text(metadata[key], family, rng)
    packed = to_json(head, raw)
    return Mutation(f"safetensors: {family}", struct.pack("<Q", len(packed)) + packed + data)


def _changed_text(text: str, family: str, rng: Random) -> str:
    try:
        tree = json.loads(text)
    except ValueError:
        family = "metadata"
    if family == "metadata":
        return pick(rng, ("", "{}", "[]", "null", "[" * 100_000, text[:-1], "1", "\0", text * 2))
    changed, raw = change_tree(tree, pick(rng, TREE), rng)
    return to_json(changed, raw).decode()


def parquet(content: bytes, rng: Random) -> Mutation:
    """The footer of a parquet file with its right length; or another table in a sound file."""
    family = pick(rng, ("footer", "length", "pages", "columns", "values", "types"))
    (length,) = struct.unpack_from("<I", content, len(content) - 8)
    data, footer = content[: -8 - length], content[-8 - length : -8]
    if family == "footer":
        footer = change_bytes(footer, pick(rng, BYTES), rng)
    elif family == "length":
        size = struct.pack("<I", pick(rng, (*EXTREMES, length + 1, length - 1)))
        return Mutation("parquet: length", data + footer + size + b"PAR1")
    elif family == "pages":
        data = b"PAR1" + change_bytes(data[4:], pick(rng, BYTES), rng)
    else:
        return Mutation(f"parquet: {family}", _other_table(content, family, rng))
    return Mutation(f"parquet: {family}", data + footer + struct.pack("<I", len(footer)) + b"PAR1")


def _other_table(content: bytes, family: str, rng: Random) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pq.read_table(io.BytesIO(content))
    name = pick(rng, table.column_names)
    i = table.column_names.index(name)
    if family == "columns":
        table = pick(
            rng,
            (
                table.drop_columns(name),
                table.append_column(name, table[name]),
                table.append_column("a\x1b[2J", table[name]),
                table.rename_columns([c.upper() for c in table.column_names]),
                table.slice(0, 0),
                pa.concat_tables([table] * 30),
                table.select([name]),
            ),
        )
    else:
        n = len(table)
        columns = {
            "values": ([None] * n, [float("nan")] * n, [float("inf")] * n, [-1.0] * n, [1e38] * n),
            "types": (
                ["x"] * n,
                [b"\xff"] * n,
                [[1.0]] * n,
                [{"a": 1}] * n,
                [True] * n,
                [2**62] * n,
            ),
        }[family]
        table = table.set_column(i, name, pa.array(pick(rng, columns)))
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()
