"""The user's source files that code imports, and their hashes."""

import ast
import dis
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType

from kapbench.errors import KapbenchError
from kapbench.identity.installed_code import file_of, is_installed_path, is_own
from kapbench.storage import file_hash

_imported: dict[Path, tuple[ModuleSpec | None, str]] = {}  # a module's file, as it was imported


def source_hashes(file: Path) -> list[str]:
    """Hashes of a file of the user's and of the user's modules that it imports, at any depth.

    Imports are read from the source, so that those inside functions count. A module that cannot be
    imported yet is looked for beside the file that imports it, and in all folders above `file`. A
    module whose name is computed, and files that are read as data, are left out.

    Raises:
        KapbenchError: a module was edited after this process had imported it.
    """
    file = file.resolve()
    first, *others = _with_imports([file], file.parents)
    return [file_hash(first), *sorted(map(_hash_as_imported, others))]


def hashes_of_imports_inside(function: FunctionType) -> list[str]:
    """Like `source_hashes`, of the user's modules that a function imports when it is called."""
    file = Path(function.__code__.co_filename)
    folders = file.resolve().parents if file.is_file() else ()
    package = str(function.__globals__.get("__package__") or "").split(".")
    files: list[Path] = []
    for level, module, names in _imports_of_code(function.__code__):
        parents = package[: len(package) - level + 1] if level else []
        for name in names or ("",):
            parts = [part for part in (*parents, *module.split("."), name) if part]
            files += _files_of(parts, folders)
    return sorted({*map(_hash_as_imported, _with_imports(files, folders))})


def _imports_of_code(code: CodeType) -> Iterator[tuple[int, str, Sequence[str]]]:
    """Level (of a relative import), module and names of each import, also of nested functions."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for level, names, step in zip(steps, steps[1:], steps[2:], strict=False):
        if step.opname == "IMPORT_NAME":
            yield level.argval, step.argval, names.argval or ()
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _imports_of_code(const)


def _with_imports(files: Iterable[Path], folders: Sequence[Path]) -> list[Path]:
    """Files of the user's, and those that they import, at any depth."""
    reached = list(dict.fromkeys(files))
    for file in reached:  # it grows
        reached += [path for path in {*_imports(file, folders)} if path not in reached]
    return reached


def _imports(file: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """Files of the user's modules that a file imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    folders = (file.parent, *folders)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield from _files_of(alias.name.split("."), folders)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                parts = [] if module is None else module.split(".")
                for alias in aliases:
                    if level:
                        yield from _files_below(file.parents[level - 1], [*parts, alias.name])
                    else:
                        yield from _files_of([*parts, alias.name], folders)


def _files_of(parts: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """The files of a dotted name, its packages included, where they are the user's.

    Args:
        folders: Where a module may lie that cannot be imported yet: an adapter may put its own
            folder, or one above it, on the path later.
    """
    top = parts[0]
    if is_own(top) or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return
    spec = _spec_of(top)
    file = file_of(sys.modules.get(top))
    if file is None and spec is not None and spec.has_location:
        file = Path(str(spec.origin))
    if file is not None:
        folders = [file.parents[file.name == "__init__.py"]]
    elif spec is not None:  # folders of this name without __init__.py
        portions = [Path(portion).parent for portion in spec.submodule_search_locations or ()]
        folders = [*portions, *folders]
    for folder in dict.fromkeys(folders):
        if not is_installed_path(file or folder):
            yield from _files_below(folder, parts)


def _files_below(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    for part in parts:
        for path in (folder / f"{part}.py", folder / part / "__init__.py"):
            if path.is_file():
                yield path.resolve()
        folder /= part


def _spec_of(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _hash_as_imported(file: Path) -> str:
    digest = file_hash(file)
    loaded = next((m for m in [*sys.modules.values()] if file_of(m) == file), None)
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
