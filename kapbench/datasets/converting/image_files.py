"""Finds the files and the images of an export on this machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from kapbench.datasets.images import with_slashes
from kapbench.paths import list_files


def list_exports(folder: Path, pattern: str) -> list[Path]:
    """Files in a folder and below it whose name matches; none that is hidden, or in a hidden folder.

    Jupyter keeps old copies of files in `.ipynb_checkpoints`.
    """
    files = list_files(folder, f"**/{pattern}")
    return [
        file
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def find_image(
    names: Sequence[str], original: str | None, folders: Sequence[Path]
) -> tuple[Path, bool] | None:
    """The file of the first name that exists, and whether its path is none of the names.

    Each name is tried as it is, then without its first folders, because an export names paths of
    the machine that it was made on, and then the original name.

    Args:
        names: Paths, also of Windows.
        original: Of the file before the tool renamed it, without folders.
        folders: Where relative paths may begin; folders named `images` in them count too.
    """
    paths = [PurePosixPath(with_slashes(name)).parts for name in names if name]
    ends = [parts[first:] for parts in paths for first in range(1, len(parts))]
    ends += [] if original is None else [(original,)]
    for candidates, is_other in ((paths, False), (ends, True)):
        for parts in candidates:
            if (file := _find_below(parts, folders)) is not None:
                return file, is_other
    return None


def _find_below(parts: tuple[str, ...], folders: Sequence[Path]) -> Path | None:
    """An absolute path is taken as it is; links in the path are resolved, one of the file is not."""
    files = (folder.joinpath(*parts) for folder in _with_images(folders))
    try:
        file = next((file for file in files if file.is_file()), None)
    except OSError:  # no path at all, as an image written into the export as text
        return None
    return None if file is None else file.parent.resolve() / file.name


def _with_images(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder
        yield folder / "images"
