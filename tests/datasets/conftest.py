"""A tiny SPair-71k of one's own, and a server that misbehaves on demand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_spair
from misbehaving_server import Server


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder SPair-71k of a data set with cat and dog."""
    return tiny_spair.make(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running
