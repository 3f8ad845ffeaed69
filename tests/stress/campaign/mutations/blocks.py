"""Mutations of bytes, whatever they mean."""

import struct

from campaign.mutations.mutation import Mutation, Random, pick

EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x10000, 0x40000000)
_HEADS = (
    b"PK\x03\x04",
    b"\x80\x04",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"%!PS-Adobe-3.0 EPSF",
    b"RIFF",
)


def any_bytes(content: bytes, rng: Random) -> Mutation:
    """One change of a file of bytes: flipped, lost, inserted, repeated, overwritten."""
    family = pick(rng, ("flip", "truncate", "insert", "repeat", "overwrite", "integer", "other"))
    return Mutation(f"bytes: {family}", change_bytes(content, family, rng))


def change_bytes(content: bytes, family: str, rng: Random) -> bytes:
    if not content:
        return b"\0"
    at = int(rng.integers(len(content)))
    end = min(len(content), at + int(rng.integers(1, 65)))
    if family == "flip":
        changed = bytearray(content)
        for place in rng.integers(len(content), size=int(rng.integers(1, 9))):
            changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    if family == "truncate":
        return content[:at]
    if family == "insert":
        return content[:at] + rng.bytes(end - at) + content[at:]
    if family == "repeat":
        return content[:end] + content[at:end] * pick(rng, (1, 7, 1000)) + content[end:]
    if family == "overwrite":
        return content[:at] + pick(rng, (b"\0", b"\xff", b" ", b"9")) * (end - at) + content[end:]
    if family == "integer":
        at -= at % 4
        packed = struct.pack(pick(rng, ("<I", ">I")), pick(rng, EXTREMES))
        return content[:at] + packed + content[at + 4 :]
    return pick(
        rng, (*(head + content[len(head) :] for head in _HEADS), content[::-1], content * 2)
    )
