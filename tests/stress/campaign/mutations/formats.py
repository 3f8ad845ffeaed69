"""Every format that is mutated, by its name."""

from campaign.mutations import annotations, downloads, exports, images, stored
from campaign.mutations.format import Format

ROOMS = {
    "annotations": annotations.FORMATS,
    "exports": exports.FORMATS,
    "images": images.FORMATS,
    "stored": stored.FORMATS,
    "downloads": downloads.FORMATS,
}
FORMATS: dict[str, Format] = {name: kind for room in ROOMS.values() for name, kind in room.items()}
