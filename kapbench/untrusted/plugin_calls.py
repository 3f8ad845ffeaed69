"""Calls of code that is not kapbench's: what it may raise, end or change.

A model or a data set runs in kapbench's process. Whatever it raises becomes an exception that the
caller can report, and what it changes in the process around it is put back when it returns. What it
prints to standard output goes to standard error: standard output belongs to the caller. It can
still end the process at once (os._exit, a signal): `kapbench run` and `kapbench sweep` notice that,
because a process of their own waits for the one that scores (`kapbench.cli.supervise`).
"""

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import numpy as np

from kapbench.errors import KapbenchError, described

_NAMES = [name for name, value in vars(np).items() if callable(value) and name[0] != "_"]
_of_numpy = itemgetter(*_NAMES)
_NUMPY = _of_numpy(vars(np))  # before any foreign code has run
_places: list[Callable[[str], None]] = []  # who wants to know what runs now


def report_calls_to(report: Callable[[str], None]) -> None:
    """Has each call named before it begins; "" after it."""
    _places.append(report)


@contextmanager
def plugin_call(code: str, place: object, method: str, *, alone: bool = True) -> Iterator[None]:
    """Surrounds a call of foreign code. Exceptions pass through, but none that would end Python.

    Until it returns, sys.stdout is sys.stderr, in every thread.

    Args:
        code: Whose it is, as the subject of a sentence: "The model".
        place: Where the code is, or what it works on.
        method: What is called: "encode()".
        alone: Whether no other such call runs at the same time, so that what changes in the process
            can be put back.

    Raises:
        KapbenchError: the code tried to end the process, or changed what scoring stands on.
    """
    with _standard_output.redirected():
        before = _Process() if alone else None
        _report(f"{code} was in {method}, at {place}")
        try:
            with np.errstate():
                yield
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise KapbenchError(
                f"{code} ended by {_ending(error)} in {method}",
                place=place,
                fix="Raise an error that says what is wrong, or return a result",
            ) from error
        finally:
            if before is not None:
                before.put_back(code, place)
            _report("")
    for name in _replaced():
        raise KapbenchError(
            f"{code} replaced numpy.{name} in {method}, which scoring may use",
            place=place,
            fix="Leave numpy's functions as they are, or put them back before you return",
        )


def _report(place: str) -> None:
    for report in _places:
        report(place)


def _ending(error: BaseException) -> str:
    if not isinstance(error, SystemExit):
        return described(error)
    return f"sys.exit({'' if error.code is None else described(error).partition(': ')[2]})"


class _Process:
    """What a call finds, to be put back after it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.folder = _folder()
        self.filters = [*_filters()]
        self.paths = [*sys.path]
        self.recursion = sys.getrecursionlimit()
        self.output = _Stream(_standard_output.stream, 1)
        self.errors = _Stream(sys.stderr, 2)
        self.torch = _torch_defaults()

    def put_back(self, code: str, place: object) -> None:
        """Ends this process where the call has forked it: two would write one run."""
        if os.getpid() != self.pid:
            os._exit(1)
        sys.setrecursionlimit(self.recursion)
        sys.path += [path for path in self.paths if path not in sys.path]  # more may stay
        if _filters() != self.filters:
            warnings.resetwarnings()  # has Python forget what it remembers of the others
            _filters()[:] = self.filters
        _standard_output.stream = self.output.put_back()
        sys.stdout = sys.stderr = self.errors.put_back()
        if self.torch is not None:
            _set_torch_defaults(*self.torch)
        if self.folder is not None and _folder() != self.folder:
            try:
                os.chdir(self.folder)
            except OSError as error:
                raise KapbenchError(
                    f"{code} left no current folder: {error.strerror}",
                    place=place,
                    fix="Work in a folder of its own, and remove nothing else",
                ) from error


def _replaced() -> list[str]:
    """Names of numpy that stand for something else than at the start."""
    now = vars(np)
    with contextlib.suppress(KeyError):
        if _of_numpy(now) == _NUMPY:
            return []
    return [name for name, value in zip(_NAMES, _NUMPY, strict=True) if now.get(name) is not value]


class _StandardOutput:
    """sys.stdout, which is sys.stderr while foreign code runs. Calls may overlap in several threads."""

    def __init__(self) -> None:
        self.stream: Any = None  # sys.stdout from before the first call that runs
        self._n_calls, self._lock = 0, threading.Lock()

    @contextmanager
    def redirected(self) -> Iterator[None]:
        with self._lock:
            if self._n_calls == 0:
                self.stream = sys.stdout
            self._n_calls += 1
            sys.stdout = sys.stderr
        try:
            yield
        finally:
            with self._lock:
                self._n_calls -= 1
                if self._n_calls == 0:
                    sys.stdout, self.stream = self.stream, None


_standard_output = _StandardOutput()


class _Stream:
    """A standard stream, and the file behind it."""

    def __init__(self, stream: Any, number: int) -> None:
        self.stream, self.number = stream, number
        self.copy: int | None = None
        with contextlib.suppress(OSError):  # it was closed when Python started
            self.copy = os.dup(number)

    def put_back(self) -> Any:
        """The stream, opened again where it was closed; None where there was none."""
        if self.copy is not None:
            if not _same_file(self.copy, self.number):
                os.dup2(self.copy, self.number)
            os.close(self.copy)
        if self.stream is not None and _is_closed(self.stream) and self.copy is not None:
            return os.fdopen(os.dup(self.number), "w", errors="backslashreplace")
        return self.stream


def _filters() -> Any:
    return warnings.filters  # a list, which typeshed calls a sequence


def _same_file(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except ValueError:  # detached
        return True


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  twice a call: a Path takes longer
    except OSError:  # it was removed
        return None


def _torch_defaults() -> tuple[Any, ...] | None:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_device"):  # absent, or half imported
        return None
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_float32_matmul_precision(),
    )


def _set_torch_defaults(dtype: Any, device: Any, precision: str) -> None:
    torch: Any = sys.modules["torch"]
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
    if torch.get_default_device() != device:
        torch.set_default_device(None if device == torch.device("cpu") else device)
    if torch.get_float32_matmul_precision() != precision:
        torch.set_float32_matmul_precision(precision)
