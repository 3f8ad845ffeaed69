"""Types are checked in the first calls of each function in a test, and in few later ones.

To check them in all calls would take as long as the code that is tested. A type checker that skips
calls would leave jaxtyping's own decorator, which takes ten microseconds of each. A function's checks
are made when it is first called, since making those of every module takes each worker ten seconds.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

FIRST_CALLS = 10  # all are checked; then the 16th, the 32nd, the 64th ...
# As the annotations mean it: an int is a float (PEP 484).
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

_in_every_call = jaxtyping.jaxtyped
_running = SimpleNamespace(test=0)


def start_test() -> None:
    """The calls are counted anew."""
    _running.test += 1


def _in_first_calls(function: Callable[..., Any], typechecker: Any) -> Callable[..., Any]:
    with_checks: Callable[..., Any] | None = None
    test, calls = 0, 0

    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        nonlocal with_checks, test, calls
        __tracebackhide__ = True
        if test != _running.test:
            test, calls = _running.test, 0
        calls += 1
        is_checked = calls <= FIRST_CALLS or calls.bit_count() == 1
        if not is_checked or jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        if with_checks is None:
            with_checks = _in_every_call(function, typechecker=typechecker)
        return with_checks(*args, **kwargs)

    # Else kapbench's messages would name this file: it is not installed, hence the user's own.
    either.__code__ = either.__code__.replace(co_filename=jaxtyping.__file__)
    either.checks_types = True  # type: ignore[attr-defined]
    return either


def _jaxtyped(made: Any, *, typechecker: Any) -> Any:
    """In place of jaxtyping's decorator, which its import hook puts on functions and classes."""
    if not inspect.isclass(made):
        return _in_first_calls(made, typechecker)
    init = vars(made).get("__init__")
    if dataclasses.is_dataclass(made) and init and not hasattr(init, "checks_types"):
        made.__init__ = _in_first_calls(init, typechecker)  # type: ignore[misc]
    return made


def install(modules: list[str]) -> None:
    """Before the modules are imported."""
    jaxtyping.jaxtyped = lambda *, typechecker: functools.partial(
        _jaxtyped, typechecker=typechecker
    )
    jaxtyping.install_import_hook(modules, "type_checks.checked")
