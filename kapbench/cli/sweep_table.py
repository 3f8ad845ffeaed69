"""What a sweep shows while it runs: models down, data sets across, how far each is."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from kapbench.errors import KapbenchError
from kapbench.progress import Progress


@dataclass(frozen=True, slots=True)
class Line:
    """A model or a data set as a list names it, e.g. `coco:FILE` or `my.py:Mine layers=3`."""

    spec: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.spec.rsplit("/", 1)[-1], *self.options))


@dataclass
class Cell:
    """One model on one data set."""

    name: str
    progress: Progress
    state: str = "waiting"
    ended: str = "done"
    failed: str | None = None


@dataclass
class _Told(Progress):
    """Progress that stands in a cell, where others have a bar of their own."""

    tell: Callable[[str], None] = lambda _: None

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self.tell(f"{name} {done:,}/{total:,}")

        advance(0)
        yield advance


@dataclass
class SweepTable:
    """On a terminal one table that is kept up to date; elsewhere a line for each run that ended."""

    models: Sequence[Line]
    datasets: Sequence[Line]
    show: bool
    _cells: dict[tuple[Line, Line], Cell] = field(default_factory=dict)
    _live: Any = None

    def __post_init__(self) -> None:
        for data in self.datasets:
            for model in self.models:
                cell = Cell(f"{model} on {data}", Progress())
                cell.progress = _Told(log=self._say, tell=self._teller(cell))
                self._cells[model, data] = cell

    @contextmanager
    def shown(self) -> Iterator[None]:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        if not self.show or not console.is_terminal:
            yield
            return
        with Live(console=console, refresh_per_second=4, get_renderable=self._drawn) as self._live:
            yield
        self._live = None

    @contextmanager
    def cell(self, model: Line, data: Line) -> Iterator[Cell]:
        """A run: what it raises is kept for the end, so that the others go on."""
        cell, started = self._cells[model, data], time.monotonic()
        cell.state = "opening"
        try:
            yield cell
        except Exception as error:  # noqa: BLE001  a model of the user's may raise anything
            cell.failed = str(error) if isinstance(error, KapbenchError) else repr(error)
            cell.ended = "failed"
        seconds = round(time.monotonic() - started)
        cell.state = f"{cell.ended}, {seconds // 60}:{seconds % 60:02d}"
        if self._live is None and self.show:
            click.echo(f"{cell.name}: {cell.state}", err=True)

    def raise_failures(self) -> None:
        """KapbenchError that names every run that failed; none: nothing."""
        failed: dict[str, list[str]] = {}
        for cell in self._cells.values():
            if cell.failed is not None:
                failed.setdefault(cell.failed, []).append(cell.name)
        for said, names in failed.items():
            click.echo(f"{', '.join(names)}: {said}", err=True)
        if failed:
            n_failed = sum(map(len, failed.values()))
            raise KapbenchError(
                f"{n_failed:,} of {len(self._cells):,} runs failed", place="see above",
                fix="mend them; the same command does only what is missing",
            )  # fmt: skip

    def _teller(self, cell: Cell) -> Callable[[str], None]:
        def tell(state: str) -> None:
            cell.state = state

        return tell

    def _say(self, message: str) -> None:
        if self._live is not None:
            self._live.console.print(message, highlight=False, soft_wrap=True)
        elif self.show:
            click.echo(message, err=True)

    def _drawn(self) -> Any:
        from rich.table import Table

        table = Table("", *map(str, self.datasets), box=None, pad_edge=False)
        for model in self.models:
            table.add_row(str(model), *(self._cells[model, d].state for d in self.datasets))
        return table
