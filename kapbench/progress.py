"""Progress with time left, on stderr; silent where nobody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """`show` False: only `say` speaks, through `log`."""

    show: bool = False
    log: Callable[[str], None] | None = None
    _console: Any = field(default=None, repr=False)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Gives a function to call with the number of things done."""
        if not self.show:
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as Bars,
        )

        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        try:
            with Bars(*columns, console=self._console) as bars:
                task = bars.add_task(name, total=total)
                yield lambda n: bars.advance(task, n)
        finally:
            self._console = None

    def say(self, message: str) -> None:
        """One line that must not be lost in the bar."""
        if self._console is not None:
            self._console.print(message, highlight=False, soft_wrap=True)
        elif self.log is not None:
            self.log(message)
