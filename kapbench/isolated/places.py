"""What an isolated model can read of this machine: system folders, Python, and its own files."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kapbench.datasets.altering.altered import Altered
from kapbench.paths import cache_root, data_root
from kapbench.processes.jail.command import jail_environment

# Folders of the system, which hold no user's files. Everything else in / is hidden.
_SYSTEM = frozenset(
    [
        "bin",
        "boot",
        "dev",
        "etc",
        "gnu",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "nix",
        "opt",
        "proc",
        "run",
        "sbin",
        "snap",
        "sys",
        "usr",
    ]
)
_PACKAGES = ("kapbench", "kapbench_baselines")
_MOST_PATHS = 10_000
_KEPT = (
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "HF_HUB_CACHE",
    "LD_LIBRARY_PATH",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONPATH",
    "TORCH_HOME",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Of two folders one in the other, what is said of the inner one counts for its files."""

    hidden: tuple[str, ...]
    visible: tuple[str, ...]


def places_for(
    own: Iterable[Path], search_path: Iterable[str], annotations: Iterable[Path]
) -> Places:
    """
    Args:
        own: Files and folders of the model: its adapter and its weights.
        search_path: Where Python looks for modules.
        annotations: Files and folders of the data set, of runs and of caches.
    """
    others = [path for path in Path("/").iterdir() if path.name not in _SYSTEM and path.is_dir()]
    hidden = {*others, *_checkouts(), *(p.absolute() for p in (*annotations, *_usual()))}
    visible = {*_of_python(), *_caches_of_weights(), *(path.absolute() for path in own)}
    for entry in map(Path, search_path):
        if entry not in _checkouts() and entry != Path.cwd():
            visible.add(entry)
    with_targets = {*hidden, *(path.resolve() for path in hidden)}
    return Places(
        _existing(path for path in with_targets if path.is_dir()),
        _existing({*visible, *(path.resolve() for path in visible)}),
    )


def environment_for(folder: Path) -> dict[str, str]:
    """Environment variables of the model's process: none that names a place of the evaluator's."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    weights = {"HF_HOME": str(_hugging_face()), "TORCH_HOME": str(_torch_home())}
    return jail_environment(folder) | weights | kept | {"HF_HUB_OFFLINE": "1"}


def folders_of(dataset: object) -> Iterator[Path]:
    """The folder that holds all files which a data set names in its attributes."""
    if isinstance(dataset, Altered):
        yield from folders_of(dataset.original)
    values = list(vars(dataset).values()) if hasattr(dataset, "__dict__") else []
    paths = [v for v in values if isinstance(v, Path)]
    for mapping in (v for v in values if isinstance(v, Mapping)):
        paths += [v for v in list(mapping.values())[:_MOST_PATHS] if isinstance(v, Path)]
    if paths:
        common = Path(os.path.commonpath([path.absolute() for path in paths]))
        yield common if common.is_dir() else common.parent


def files_in(values: Iterable[Any]) -> list[Path]:
    """Files and folders that values of options name, with absolute paths."""
    texts = [value for value in values if isinstance(value, str | Path) and str(value)]
    return [path.absolute() for path in map(Path, texts) if os.path.exists(path)]  # noqa: PTH110


def _usual() -> list[Path]:
    return [cache_root(), data_root(), Path(tempfile.gettempdir())]


def _checkouts() -> list[Path]:
    """Folders that hold kapbench as a clone: its tests and its board hold annotations."""
    installed = {Path(entry) for entry in _site_packages()}
    return [path for path in {p.parent for p in _packages()} if path not in installed]


def _packages() -> list[Path]:
    specs = filter(None, map(find_spec, _PACKAGES))
    return [Path(place) for spec in specs for place in spec.submodule_search_locations or ()]


def _site_packages() -> list[str]:
    return [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]


def _of_python() -> list[Path]:
    ends = (sys.prefix, sys.base_prefix, sys.exec_prefix, Path(sys.executable).parent)
    return [*(Path(end) for end in ends), *_packages(), *map(Path, _site_packages())]


def _caches_of_weights() -> list[Path]:
    return [_hugging_face(), _torch_home()]


def _hugging_face() -> Path:
    return Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").absolute()


def _torch_home() -> Path:
    return Path(os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch").absolute()


def _existing(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(str(path) for path in paths if path.exists() and path != Path("/")))
