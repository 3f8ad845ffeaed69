"""The record of a data set's first download, which later ones are compared with."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from kapbench.datasets.fetching.sources import Source
from kapbench.errors import KapbenchError
from kapbench.storage import write_atomically
from kapbench.untrusted.strict_text import json_value


@dataclass(frozen=True, slots=True)
class Record:
    """The first download: recorded beside the data, and checked from then on."""

    url: str
    sha256: str
    size: int
    date: str
    more: dict[str, str] = field(default_factory=dict)  # SHA-256 of the extra files

    @classmethod
    def path(cls, source: Source, root: Path) -> Path:
        return root / f"{source.folder}.source.json"

    @classmethod
    def read(cls, source: Source, root: Path) -> "Record | None":
        """None where there is no record. KapbenchError where it cannot be read."""
        path = cls.path(source, root)
        if not path.exists():
            return None
        try:
            content = path.read_bytes()
            json_value(content)  # refuses what the validation would not, such as a repeated key
            return TypeAdapter(cls).validate_json(content, strict=True)
        except (OSError, ValueError) as error:
            raise KapbenchError(
                f"The record of the first download cannot be read: {error}",
                place=path,
                fix="Remove it to accept the next download as the first",
            ) from error

    def write(self, source: Source, root: Path) -> None:
        write_atomically(
            self.path(source, root), (json.dumps(asdict(self), indent=1) + "\n").encode()
        )
