"""Which code is installed, and which is the user's own: only the user's changes without notice."""

import ast
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

from kapbench.errors import KapbenchError
from kapbench.storage import file_hash

OWN = frozenset({"kapbench", "kapbench_baselines", "kapbench_leaderboard"})
_PACKAGES = {"site-packages", "dist-packages"}
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
_imported: dict[Path, tuple[ModuleSpec | None, str]] = {}  # a module's file, as it was imported


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
    file = _file_of(loaded)
    return file is None or _is_installed_file(file)


def user_file(module: str) -> Path | None:
    """The file of an imported module where it is the user's, e.g. of an editable installation."""
    file = _file_of(sys.modules.get(module))
    return None if file is None or is_installed(module) else file


def last_user_line(error: BaseException) -> str | None:
    """Where in the user's own code an error came from: file, line and function."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_file_of_user(f.filename)]
    return f"{own[-1].filename}:{own[-1].lineno}, in {own[-1].name}" if own else None


def _is_file_of_user(name: str) -> bool:
    """Whether code of this file name is neither installed nor kapbench's, or has no file."""
    kapbench = Path(__file__).parents[1]
    own = (
        kapbench,
        *(Path(m.__file__).parent for n in OWN if (m := sys.modules.get(n)) and m.__file__),
    )
    path = Path(name)
    return not _is_installed_file(path) and not any(path.is_relative_to(folder) for folder in own)


def distribution_of(module: str) -> str | None:
    """Name and version of the installed package that a module belongs to, if it is of one."""
    if not is_installed(module):
        return None
    names = _distributions().get(module.partition(".")[0])
    return None if not names else f"{names[0]} {version(names[0])}"


def source_hashes(file: Path) -> list[str]:
    """Hashes of a file of the user's and of the user's modules that it imports, at any depth.

    Imports are read from the source, so that those inside functions count. A module whose name is
    computed, and files that are read as data, are not found.

    Raises:
        KapbenchError: a module was edited after this process had imported it.
    """
    files, waiting = [file.resolve()], [file.resolve()]
    while waiting:
        for path in _imports(waiting.pop()):
            if path not in files:
                files.append(path)
                waiting.append(path)
    return [file_hash(files[0]), *sorted(map(_hash_as_imported, files[1:]))]


_distributions = cache(packages_distributions)


@cache
def _is_installed_file(file: Path) -> bool:
    path = file.resolve()
    if _PACKAGES & {*path.parts}:
        return True
    return any(path.is_relative_to(folder) for folder in _STANDARD)


def _imports(file: Path) -> Iterator[Path]:
    """Files of the user's modules that a file imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield from _files_of(alias.name.split("."), file.parent)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                parts = [] if module is None else module.split(".")
                for alias in aliases:
                    if level:
                        yield from _files_below(file.parents[level - 1], [*parts, alias.name])
                    else:
                        yield from _files_of([*parts, alias.name], file.parent)


def _files_of(parts: Sequence[str], folder: Path) -> Iterator[Path]:
    """The files of a dotted name, its packages included, where they are the user's."""
    top = parts[0]
    if is_own(top) or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return
    file = _file_of(sys.modules.get(top)) or _file_to_import(top)
    if file is None:  # not importable yet: the adapter may add its own folder to the path
        yield from _files_below(folder, parts)
    elif not _is_installed_file(file):
        yield from _files_below(file.parents[file.name == "__init__.py"], parts)


def _files_below(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    for part in parts:
        for path in (folder / f"{part}.py", folder / part / "__init__.py"):
            if path.is_file():
                yield path.resolve()
        folder /= part


def _file_to_import(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None or not spec.has_location else Path(str(spec.origin))


def _hash_as_imported(file: Path) -> str:
    digest = file_hash(file)
    loaded = next((m for m in [*sys.modules.values()] if _file_of(m) == file), None)
    if loaded is None:
        return digest
    spec = loaded.__spec__
    before_spec, before = _imported.setdefault(file, (spec, digest))
    if before_spec is not spec:  # it was reloaded
        _imported[file] = (spec, digest)
    elif before != digest:
        raise KapbenchError(
            "This module was edited after it was imported, so the model would run its old code",
            place=file,
            fix=f"Restart Python, or call importlib.reload on the module {loaded.__name__}",
        )
    return digest


def _file_of(module: ModuleType | None) -> Path | None:
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return Path(file) if isinstance(file, str) else None
