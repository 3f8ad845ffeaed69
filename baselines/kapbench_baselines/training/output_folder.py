"""The folder that a training is written to, tried before the training begins."""

from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.storage import write_atomically

_TRIED = ".tried"  # a file that is written and removed, to see whether a folder can be written


def try_folder(folder: Path) -> None:
    """KapbenchError where the folder cannot be written: before a training begins, not after it."""
    existed = folder.exists()
    try:
        write_atomically(folder / _TRIED, b"")
        (folder / _TRIED).unlink()
        if not existed:
            folder.rmdir()
    except (KapbenchError, OSError) as error:
        cause = error.__cause__ if isinstance(error, KapbenchError) else error
        reason = cause.strerror if isinstance(cause, OSError) else None
        raise KapbenchError(
            f"The training cannot be written: {reason or cause}",
            place=folder,
            fix="Choose another folder with --out",
        ) from error
