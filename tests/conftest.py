"""Before anything is imported: types are checked while tests run, caches stay out of the home."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import examples
import installed_packages
import pandas as pd
import pytest
import type_checks
from jaxtyping import config

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
    "kapbench.file_hashes",
    "kapbench.isolated",
    "kapbench.loading",
    "kapbench.locks",
    "kapbench.matching",
    "kapbench.models",
    "kapbench.processes",
    "kapbench.protocols",
    "kapbench.registry",
    "kapbench.running",
    "kapbench.scoring",
    "kapbench.storage",
    "kapbench.types",
    "kapbench.untrusted",
    "kapbench_baselines",
    "kapbench_leaderboard",
]
type_checks.install(CHECKED)
installed_packages.read_once()


def pytest_configure(config: pytest.Config) -> None:
    examples.load(config)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # else all that was imported is searched for garbage again and again


# Tests of whole commands call what the tests beside the code call, with types checked there. Here
# the checks would be half of the time.
TESTS_OF_COMMANDS = (
    "browser",
    "cli",
    "docs",
    "isolated",
    "leaderboard/commands",
    "leaderboard/diagnosis",
    "leaderboard/explore",
    "leaderboard/site",
    "leaderboard/submit",
    "running",
    "stress",
)


@pytest.fixture(autouse=True, scope="module")
def _types_are_checked_beside_the_code(request: pytest.FixtureRequest) -> Iterator[None]:
    folder = request.path.parent.relative_to(Path(__file__).parent).as_posix()
    disabled = config.jaxtyping_disable
    of_commands = any(folder == f or folder.startswith(f"{f}/") for f in TESTS_OF_COMMANDS)
    config.update("jaxtyping_disable", disabled or of_commands)
    yield
    config.update("jaxtyping_disable", disabled)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    type_checks.start_test()  # before the fixtures that the test is the first to use


# A job in the background ignores these, and so would every process that a test stops by one.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Renderings and features are kept in KAPBENCH_CACHE, or for the session by all its workers."""
    os.environ.pop("KAPBENCH_RUNS", None)
    if "KAPBENCH_CACHE" in os.environ:
        yield
        return
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of a worker lies in that of the session
    os.environ["KAPBENCH_CACHE"] = str(folder / "kapbench-cache")
    yield
    del os.environ["KAPBENCH_CACHE"]
