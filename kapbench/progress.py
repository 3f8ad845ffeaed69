"""Progress bars on stderr, with the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Shows bars where `show` is true; messages go above the bar, else to `log`.

    `says_remarks`: whether remarks on a run are said; a table that is printed after it has them.
    """

    show: bool = False
    log: Callable[[str], None] | None = None
    says_remarks: bool = True
    _console: Any = field(default=None, repr=False)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yields a function to call with the number of items finished since the last call."""
        if not self.show:
            yield lambda _: None
            return
        from rich import progress
        from rich.console import Console

        self._console = Console(stderr=True)
        columns = (
            progress.TextColumn("{task.description:>8}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
        )
        try:
            with progress.Progress(*columns, console=self._console) as bars:
                task = bars.add_task(name, total=total)
                yield lambda n: bars.advance(task, n)
        finally:
            self._console = None

    def say(self, message: str) -> None:
        """Prints one line above the bar, or logs it where no bar is shown."""
        if self._console is not None:
            self._console.print(message, highlight=False, soft_wrap=True)
        elif self.log is not None:
            self.log(message)
