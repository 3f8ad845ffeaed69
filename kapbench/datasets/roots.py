"""Where data sets are kept."""

import os
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """Folder of the data sets: `root`, else KAPBENCH_DATA, else the user data folder."""
    from platformdirs import user_data_path

    return Path(root or os.environ.get("KAPBENCH_DATA") or user_data_path("kapbench")).expanduser()
