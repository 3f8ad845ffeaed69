"""Short names for settings and images that change when they do."""

import hashlib
import json
from collections.abc import Iterable


def fingerprint(*parts: object) -> str:
    """Short hash of settings, by their JSON."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def bytes_hash(parts: Iterable[bytes]) -> str:
    """Hash of byte strings; where one ends and the next begins matters."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]
