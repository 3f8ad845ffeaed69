"""The content of Python objects as a hash: values, and the code that the user's own classes run.

Two objects have one hash only if they hold equal values and run the same code. Code is hashed as it
was compiled, with the user's functions, classes and global values that it names; code of installed
packages is known by its name. Another Python version may compile, and so hash, otherwise.
"""

import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, TypeVar

import numpy as np

from kapbench.identity.imported_sources import hashes_of_imports_inside
from kapbench.identity.installed_code import is_installed
from kapbench.identity.named_files import UnknownContentError, named_content

_PLAIN = (type(None), bool, int, float, complex, bytes, type(...), type(NotImplemented), range)
_NO_CODE = {"__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "_abc_impl"}
_NO_CODE |= {"__static_attributes__", "__annotations__", "__abstractmethods__", "__parameters__"}
_NO_CODE |= {"__dataclass_fields__", "__dataclass_params__"}  # their defaults are in __init__ too
_Cached = type(functools.cache(len))
_T = TypeVar("_T")


def content_hash(*values: object) -> str:
    """SHA-256 of the content of values, 64 digits.

    Names of existing files count by the files' content, folders by the names and contents of all
    files below them: see `named_content`.

    Raises:
        UnknownContentError: a value cannot be taken apart, e.g. an open connection, or a folder
            holds more than 100,000 files.
    """
    digest, unreadable = readable_hash(*values)
    if unreadable is not None:
        raise UnknownContentError(unreadable)
    return digest


def readable_hash(*values: object) -> tuple[str, str | None]:
    """Like `content_hash`, but a part that cannot be read counts by its type.

    Returns:
        The hash, and the type of the first part that cannot be read; None: everything was read.

    Raises:
        UnknownContentError: the values are nested too deeply.
    """
    walk = _Walk()
    try:
        return walk.of(values).hex(), walk.unreadable
    except RecursionError as error:
        raise UnknownContentError("a structure that is nested too deeply") from error


class _Walk:
    """One pass over values; an object that is met again inside itself counts by its depth."""

    def __init__(self) -> None:
        self.above: dict[int, int] = {}
        # Each object is kept alive, so that no other object gets its id during the pass.
        self.known: dict[int, tuple[object, bytes]] = {}
        self.unreadable: str | None = None

    def of(self, value: object) -> bytes:
        if isinstance(value, _PLAIN):
            return _joined("plain", type(value).__name__, repr(value))
        if isinstance(value, str | PurePath):
            return self._read(lambda text: _joined(*named_content(text)), value)
        if id(value) in self.known:
            return self.known[id(value)][1]
        if id(value) in self.above:
            return _joined("above", str(len(self.above) - self.above[id(value)]))
        self.above[id(value)] = len(self.above)
        try:
            digest = self._read(self._of_object, value)
        finally:
            del self.above[id(value)]
        self.known[id(value)] = value, digest
        return digest

    def _read(self, read: Callable[[_T], bytes], value: _T) -> bytes:
        try:
            return read(value)
        except UnknownContentError as error:
            self.unreadable = self.unreadable or str(error)
            return _joined("unreadable", str(error))

    def each(self, kind: str, values: Iterable[object]) -> bytes:
        return _joined(kind, *(self.of(value) for value in values))

    def _of_object(self, value: object) -> bytes:
        if isinstance(value, MappingProxyType) or type(value) is dict:
            items = [self.of(k) + self.of(v) for k, v in value.items()]
            return _joined("dict", *sorted(items))
        if isinstance(value, set | frozenset):
            return _joined("set", *sorted(map(self.of, value)))
        if type(value) is list or type(value) is tuple:
            return self.each(type(value).__name__, value)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return _joined("array", str(value.dtype), str(value.shape), _bytes(value))
        if (torch := sys.modules.get("torch")) and isinstance(value, torch.Tensor):
            return _tensor(value)
        return self._of_code(value)

    def _of_code(self, value: object) -> bytes:
        match value:
            case CodeType():
                digest = self._of_compiled(value)
            case FunctionType():
                digest = self._of_function(value)
            case type():
                digest = self._of_class(value)
            case ModuleType():
                digest = _joined("module", value.__name__)
            case MethodType():
                digest = self.each("method", (value.__func__, value.__self__))
            case staticmethod() | classmethod():
                digest = self.each(type(value).__name__, (value.__func__,))
            case property():
                digest = self.each("property", (value.fget, value.fset, value.fdel))
            case functools.cached_property():
                digest = self.each("cached_property", (value.func,))
            case _Cached():
                digest = self.each("cached", (value.__wrapped__,))
            case _:
                digest = self._of_instance(value)
        return digest

    def _of_compiled(self, code: CodeType) -> bytes:
        names = repr((code.co_names, code.co_freevars, code.co_cellvars))
        texts = [repr(c) for c in code.co_consts if isinstance(c, str)]
        consts = [c for c in code.co_consts if not isinstance(c, str)]
        compiled = code.co_code, code.co_exceptiontable
        return _joined("code", *compiled, names, *texts, self.each("consts", consts))

    def _of_function(self, function: FunctionType) -> bytes:
        cells = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
        module = function.__globals__.get("__name__") or "__main__"  # of a decorator: its own
        if is_installed(module):
            name = f"{module}.{function.__code__.co_qualname}"
            return _joined("installed", name, self.each("closure", cells))
        defaults = function.__defaults__, function.__kwdefaults__
        names = [*_names(function.__code__)]
        used = self._of_names(names, function.__globals__)
        parts = self.of(function.__code__), self.of(defaults), used, self.of(cells)
        return _joined("function", *parts, *hashes_of_imports_inside(function))

    def _of_names(self, names: Iterable[str], namespace: Mapping[str, object]) -> bytes:
        """Values by the names that code uses: globals, and contents of the user's modules."""
        names = sorted({*names})
        parts: list[str | bytes] = []
        for name in names:
            value = namespace.get(name)
            if isinstance(value, ModuleType) and not is_installed(value.__name__):
                if id(value) in self.above:
                    continue
                self.above[id(value)] = len(self.above)
                parts += [name, self._of_names([n for n in names if n != name], vars(value))]
                del self.above[id(value)]
            elif name in namespace:
                parts += [name, self.of(value)]
        return _joined("names", *parts)

    def _of_class(self, cls: type) -> bytes:
        if is_installed(cls.__module__):
            return _joined("installed", _name(cls))
        own = sorted((k, v) for k, v in vars(cls).items() if k not in _NO_CODE)
        members = [_joined(key, self._of_member(value)) for key, value in own]
        return _joined("class", cls.__qualname__, self.each("bases", cls.__bases__), *members)

    def _of_member(self, value: object) -> bytes:
        if type(value).__name__ in ("member_descriptor", "getset_descriptor"):  # of __slots__
            return b"slot"
        return self.of(value)

    def _of_instance(self, value: object) -> bytes:
        """By what pickle would keep of it."""
        try:
            reduced: Any = value.__reduce_ex__(2)
        except Exception as error:
            raise UnknownContentError(_name(type(value))) from error
        if isinstance(reduced, str):
            if not is_installed(type(value).__module__):
                raise UnknownContentError(_name(type(value)))
            return _joined("name", _name(type(value)), reduced)
        parts = [_listed(part) for part in reduced]
        return _joined("instance", self.of(type(value)), self.each("", parts))


def _joined(kind: str, *parts: str | bytes | memoryview) -> bytes:
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        content = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


def _bytes(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _tensor(tensor: Any) -> bytes:
    import torch

    try:
        plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        content = plain.view(torch.uint8).numpy().data
    except (RuntimeError, TypeError, NotImplementedError) as error:  # sparse, quantised, meta
        raise UnknownContentError(f"a tensor of layout {tensor.layout}") from error
    return _joined("tensor", str(tensor.dtype), str(tuple(tensor.shape)), content)


def _names(code: CodeType) -> Iterable[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True


def _listed(part: Any) -> Any:
    """The iterators of a reduced value as lists."""
    return list(part) if hasattr(part, "__next__") else part


def _name(value: type | Callable[..., Any]) -> str:
    return f"{value.__module__}.{value.__qualname__}"
