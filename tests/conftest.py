"""Before anything is imported: types are checked while tests run, caches stay out of the home."""

import os
import tempfile
from collections.abc import Iterator

import pandas as pd
import pytest
from jaxtyping import install_import_hook

# Annotations say `pd.Series[Any]`, which pandas 2 can write only as a string; the checker reads it.
if not hasattr(pd.Series, "__class_getitem__"):
    pd.Series.__class_getitem__ = classmethod(lambda cls, _item: cls)

# kapbench.cli is left out: it takes no arrays, and its annotations name classes that it imports
# only for mypy, so that help stays quick; beartype could not resolve them.
CHECKED = [
    "kapbench.arrays",
    "kapbench.datasets",
    "kapbench.evaluation",
    "kapbench.features",
    "kapbench.loading",
    "kapbench.models",
    "kapbench.protocols",
    "kapbench.registry",
    "kapbench.running",
    "kapbench.scoring",
    "kapbench.storage",
    "kapbench.types",
    "kapbench_baselines",
    "kapbench_leaderboard",
]
install_import_hook(CHECKED, "numeric_tower.checked")


@pytest.fixture(autouse=True, scope="session")
def _caches_of_its_own() -> Iterator[None]:
    """Renderings and features are kept for the session, or in KAPBENCH_CACHE where that is set."""
    os.environ.pop("KAPBENCH_RUNS", None)
    if "KAPBENCH_CACHE" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="kapbench-tests-") as folder:
        os.environ["KAPBENCH_CACHE"] = folder
        yield
        del os.environ["KAPBENCH_CACHE"]
