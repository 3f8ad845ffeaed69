"""Finds the data root and the cache folder, and lists folders of data."""

import os
from pathlib import Path

# Names, in lower case, that macOS, Windows and network drives give to files and folders of their own.
SYSTEM_NAMES = {
    "$recycle.bin",
    ".ds_store",
    ".fseventsd",
    ".spotlight-v100",
    ".trashes",
    "@eadir",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "icon\r",
    "thumbs.db",
}


def data_root(root: str | Path | None = None) -> Path:
    """Folder of the data sets: `root`, else KAPBENCH_DATA, else the user data folder."""
    from platformdirs import user_data_path

    folder = Path(root or os.environ.get("KAPBENCH_DATA") or user_data_path("kapbench"))
    return folder.expanduser().absolute()  # a model may change the current folder


def cache_root() -> Path:
    """Folder of features and renderings: KAPBENCH_CACHE, else the user cache folder."""
    from platformdirs import user_cache_path

    folder = Path(os.environ.get("KAPBENCH_CACHE") or user_cache_path("kapbench"))
    return folder.expanduser().absolute()


def is_system_file(name: str) -> bool:
    """Whether an operating system writes files or folders of this name beside a user's own.

    macOS writes `._NAME` beside each NAME on foreign drives and in archives.
    """
    return name.startswith("._") or name.lower() in SYSTEM_NAMES


def list_files(folder: Path, pattern: str) -> list[Path]:
    """Files and folders that match a pattern (as `Path.glob`), in order; no system files.

    Nothing below a system's folder (__MACOSX) counts. None where the folder does not exist.
    """
    paths = folder.glob(pattern)
    return sorted(p for p in paths if not any(map(is_system_file, p.relative_to(folder).parts)))
