"""The unfinished file of a download, and beside it what it is a part of."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kapbench.storage import move_into_place, write_atomically
from kapbench.untrusted.strict_text import json_value


@dataclass(frozen=True, slots=True)
class Origin:
    """The file on the server that an unfinished file is a part of."""

    url: str
    validator: str | None  # strong ETag or date, which changes with the file
    total: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """An unfinished file and, beside it, a record of its origin."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> Origin | None:
        """None where the record is missing or damaged: the part cannot be used."""
        try:
            origin = Origin(**json_value(self._record.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        validator, total = origin.validator, origin.total
        is_sound = (
            isinstance(origin.url, str)
            and (validator is None or (isinstance(validator, str) and validator.isascii()))
            and (total is None or (isinstance(total, int) and total >= 0))
        )
        return origin if is_sound else None

    @property
    def _record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def begin(self, origin: Origin) -> None:
        self.clear()
        write_atomically(self._record, json.dumps(asdict(origin)).encode())

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def finish(self, to: Path) -> None:
        self.path.touch()  # an empty file never had bytes to append
        move_into_place(self.path, to)
        self._record.unlink(missing_ok=True)


def part_of(file: Path) -> Part:
    """The unfinished file that becomes `file`."""
    return Part(file.with_name(f"{file.name}.part"))
