"""Which code is installed, and which is the user's own: only the user's changes without notice."""

import sys
import sysconfig
import traceback
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

OWN = frozenset({"kapbench", "kapbench_baselines", "kapbench_leaderboard"})
_PACKAGES = {"site-packages", "dist-packages"}
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def is_own(module: str) -> bool:
    """Whether a module belongs to kapbench, whose models' revisions are maintained."""
    return module.partition(".")[0] in OWN


def is_installed(module: str) -> bool:
    """Whether a module belongs to kapbench, to Python or to an installed package."""
    if is_own(module):
        return True
    loaded = sys.modules.get(module)
    if module == "__main__" or loaded is None:  # a notebook, a script, or code without a module
        return False
    file = file_of(loaded)
    if file is None:  # built in, or a package without __init__.py
        return all(is_installed_path(Path(folder)) for folder in vars(loaded).get("__path__", ()))
    return is_installed_path(file)


def user_file(module: str) -> Path | None:
    """The file of an imported module where it is the user's, e.g. of an editable installation."""
    file = file_of(sys.modules.get(module))
    return None if file is None or is_installed(module) else file


def last_user_line(error: BaseException) -> str | None:
    """Where in the user's own code an error came from: file, line and function."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_file_of_user(f.filename)]
    return f"{own[-1].filename}:{own[-1].lineno}, in {own[-1].name}" if own else None


def _is_file_of_user(name: str) -> bool:
    """Whether code of this file name is neither installed nor kapbench's, or has no file."""
    if name.startswith("<frozen "):  # a part of Python itself
        return False
    kapbench = Path(__file__).parents[1]
    own = (
        kapbench,
        *(Path(m.__file__).parent for n in OWN if (m := sys.modules.get(n)) and m.__file__),
    )
    path = Path(name)
    return not is_installed_path(path) and not any(path.is_relative_to(folder) for folder in own)


def distribution_of(module: str) -> str | None:
    """Name and version of the installed package that a module belongs to, if it is of one."""
    if not is_installed(module):
        return None
    names = _distributions().get(module.partition(".")[0])
    return None if not names else f"{names[0]} {version(names[0])}"


_distributions = cache(packages_distributions)


@cache
def is_installed_path(path: Path) -> bool:
    """Whether a file or a folder belongs to Python or to an installed package."""
    path = path.resolve()
    if _PACKAGES & {*path.parts}:
        return True
    return any(path.is_relative_to(folder) for folder in _STANDARD)


def file_of(module: ModuleType | None) -> Path | None:
    """The file of a module; None where there is no module, or it has no file."""
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return Path(file) if isinstance(file, str) else None
