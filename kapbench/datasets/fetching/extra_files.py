"""Finds the files of a data set that its archive lacks: given, beside it, or on a server."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kapbench.datasets.fetching.sources import Source
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash


@dataclass(frozen=True)
class ExtraFiles:
    """
    Args:
        files: Given by the user.
        archive: Given by the user: files beside it are found.
        report: Called during each download, as `downloading NAME`.
        download: Downloads an address to a path, with a report of bytes.

    Raises:
        KapbenchError: a given file is not one of the data set.
    """

    source: Source
    root: Path
    files: Sequence[Path]
    archive: Path | None
    report: Callable[[str, int, int | None], None]
    download: Callable[..., None]

    def __post_init__(self) -> None:
        known = [Path(name).name for _, name in (*self.source.more, *self.source.by_hand)]
        for file in self.files:
            if file.name not in known:
                raise KapbenchError(
                    f"{file.name} is not an extra file of {self.source.title}",
                    place=file,
                    fix=f"Give one of: {', '.join(known) or 'it has no extra files'}",
                )

    def put(self, folder: Path) -> dict[str, str]:
        """Puts every extra file into the unpacked folder; returns the SHA-256 of each, by name.

        Raises:
            KapbenchError: one is neither in the archive nor found, and cannot be downloaded.
        """
        for address, name in self.source.more:
            if not (folder / name).exists() and not self._copy(folder, name):
                self._download(address, folder / name)
        for _, name in self.source.by_hand:
            self._copy(folder, name)
        names = [name for _, name in (*self.source.more, *self.source.by_hand)]
        return {name: file_hash(folder / name) for name in names if (folder / name).exists()}

    def _copy(self, folder: Path, name: str) -> bool:
        path = next((p for p in self._candidates(Path(name).name) if p.is_file()), None)
        if path is None:
            return False
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        return True

    def _candidates(self, name: str) -> Iterator[Path]:
        yield from (file for file in self.files if file.name == name)
        yield self.root / name
        if self.archive is not None:
            yield self.archive.with_name(name)

    def _download(self, address: str, to: Path) -> None:
        try:
            self.download(address, to, partial(self.report, f"downloading {to.name}"))
        except KapbenchError as error:
            raise KapbenchError(
                f"{to.name} cannot be downloaded. {error.thing}",
                place=error.place,
                fix=f"Download it yourself, then put it at {self.root / to.name} or give it with "
                f"--file {to.name}; the archive is kept",
            ) from error
