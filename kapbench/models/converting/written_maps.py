"""The folder that a conversion writes: `features:DIR` refuses it until it is complete."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real
from safetensors.numpy import save

from kapbench.errors import KapbenchError
from kapbench.models.converting.report import FeatureReport
from kapbench.models.saved_maps_folder import SETTINGS, Settings, read_metadata
from kapbench.paths import list_files
from kapbench.storage import write_atomically

REPORT = "conversion.json"
MADE_FROM = "made_from"  # in the header of each file: a hash of what was read and how


class MapsFolder:
    """Writes maps one by one, and keeps those of an earlier start of the same conversion.

    Args:
        path: The folder; it may hold maps of a conversion with the same settings.
        settings: What kapbench.json states once the folder is complete.
        axes: In which the files that are read have their axes, "chw" or "hwc".
        force: Whether maps of a conversion with other settings are removed.

    Raises:
        KapbenchError: the folder holds maps of another origin, or, without `force`, of a conversion
            with other settings.
    """

    def __init__(self, path: Path, settings: Settings, axes: str, *, force: bool = False) -> None:
        self.path, self.settings = path, settings
        maps = list_files(path, "**/*.safetensors")
        for file in maps:
            if MADE_FROM not in read_metadata(file):
                raise KapbenchError(
                    "The folder holds maps that no conversion wrote",
                    place=file,
                    fix="Choose another -o FOLDER",
                )
        if maps and (differs := self._differs(axes)):
            if not force:
                raise KapbenchError(
                    f"The folder holds maps of a conversion with other {differs}",
                    place=path,
                    fix="Choose another -o FOLDER, or add --force to replace them",
                )
            for file in maps:
                file.unlink()
        self._write_settings(unfinished=True)

    def has(self, image_id: str, made_from: str) -> bool:
        """Whether the map of this image was made from the same bytes in the same way."""
        path = self._map(image_id)
        return path.is_file() and read_metadata(path).get(MADE_FROM) == made_from

    def write(self, image_id: str, values: Real[np.ndarray, "c h w"], made_from: str) -> None:
        """KapbenchError where the disk is full."""
        tensors = {"features": np.ascontiguousarray(values)}
        write_atomically(self._map(image_id), save(tensors, {MADE_FROM: made_from}))

    def complete(self, report: FeatureReport) -> None:
        """From now on, the folder is read as a model."""
        content = report.model_dump_json(indent=1).encode()
        write_atomically(self.path / REPORT, content)
        self._write_settings(unfinished=False)

    def _map(self, image_id: str) -> Path:
        return self.path / f"{image_id}.safetensors"

    def _content(self, *, unfinished: bool) -> dict[str, Any]:
        stated = self.settings.model_copy(update={"unfinished": unfinished})
        return stated.model_dump(mode="json", exclude_defaults=True)

    def _differs(self, axes: str) -> str:
        """In what an earlier conversion to this folder differs; empty: in nothing that it states."""
        if self._stated() != self._content(unfinished=False):
            return "settings"
        before = self._read(REPORT) or {}
        return "axes" if before.get("axes", axes) != axes else ""

    def _stated(self) -> dict[str, Any] | None:
        """What an earlier conversion states, finished or not."""
        if (stated := self._read(SETTINGS)) is not None:
            stated.pop("unfinished", None)
        return stated

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError:
            return None
        return content

    def _write_settings(self, *, unfinished: bool) -> None:
        content = json.dumps(self._content(unfinished=unfinished), indent=1)
        write_atomically(self.path / SETTINGS, content.encode())
