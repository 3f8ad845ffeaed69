"""Finds the data root and the cache folder."""

import os
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """Folder of the data sets: `root`, else KAPBENCH_DATA, else the user data folder."""
    from platformdirs import user_data_path

    return Path(root or os.environ.get("KAPBENCH_DATA") or user_data_path("kapbench")).expanduser()


def cache_root() -> Path:
    """Folder of features and renderings: KAPBENCH_CACHE, else the user cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("KAPBENCH_CACHE") or user_cache_path("kapbench")).expanduser()
