"""The target images that the command line of `kapbench match` names: files, and folders of files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kapbench.errors import KapbenchError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm")


def target_files(source: Path, targets: Sequence[Path]) -> list[Path]:
    """Each named file, and the images of each named folder by name, in the order of the command.

    Folders below a folder are not searched, and the source is left out of its own folder.

    Raises:
        KapbenchError: a path that does not exist, a folder without another image, a file that is
            named twice, or the source as its own target.
    """
    files: list[Path] = []
    seen = {source.resolve(): source}
    for target in targets:
        for file in _files_in(source, target) if target.is_dir() else [target]:
            if not file.exists():
                raise KapbenchError("The image does not exist", place=file, fix="Correct the path")
            if (known := file.resolve()) in seen:
                raise _named_twice(file, is_source=seen[known] is source)
            seen[known] = file
            files.append(file)
    return files


def _files_in(source: Path, folder: Path) -> Iterator[Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS and file.resolve() != source.resolve()
    )
    if not files:
        raise KapbenchError(
            "The folder holds no image to match",
            place=folder,
            fix=f"Name a folder with files that end in {', '.join(ENDINGS)}",
        )
    yield from files


def _named_twice(file: Path, *, is_source: bool) -> KapbenchError:
    if is_source:
        return KapbenchError(
            "The source and the target are the same file", place=file, fix="Name another target"
        )
    return KapbenchError("The target is named twice", place=file, fix="Name it once")
