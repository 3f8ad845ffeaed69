"""What executes a run's tasks, wherever it does so, and what becomes of each task."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task: its result, or the error that it ended with."""

    task: Any
    result: Any = None
    error: Exception | None = None

    def value(self) -> Any:
        """The result. Raises the task's error where it has one."""
        if self.error is not None:
            raise self.error
        return self.result


@runtime_checkable
class Executor(Protocol):
    """Does independent tasks anywhere and in any order, and yields the outcome of each.

    A task that fails, and one whose worker died, is an outcome with an error; nothing is raised for
    it. Closing the generator cancels tasks that have not started.
    """

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]: ...


def attempt(job: Callable[[Any], Any], task: Any) -> Outcome:
    """Does a task; an error is its outcome."""
    try:
        return Outcome(task, job(task))
    except Exception as error:  # noqa: BLE001  whatever it is, the caller decides
        return Outcome(task, error=error)
