"""The entry points of an installed package are read once.

Each command and each model that is loaded by name asks for them, and Python reads the file of every
package anew: hundreds of them for every test of a command.
"""

import functools
from importlib import metadata
from pathlib import Path


def read_once() -> None:
    """For all of this process."""
    read = metadata.Distribution.entry_points.fget

    @functools.cache
    def of(folder: Path) -> metadata.EntryPoints:
        return read(metadata.PathDistribution(folder))

    metadata.PathDistribution.entry_points = property(lambda package: of(package._path))
