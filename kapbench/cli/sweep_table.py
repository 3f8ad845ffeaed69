"""What a sweep shows while it runs: one row for each model, one column for each data set."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import click

from kapbench.cli.options import Spec
from kapbench.errors import KapbenchError
from kapbench.progress import Progress


@dataclass
class Cell:
    """One model on one data set."""

    name: str
    progress: Progress
    state: str = "waiting"
    ended: str = "done"
    failed: str | None = None


@dataclass
class _CellProgress(Progress):
    """Progress that is shown as the state of a cell instead of as a bar."""

    set_state: Callable[[str], None] = lambda _: None

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self.set_state(f"{name} {done:,}/{total:,}")

        advance(0)
        yield advance


@dataclass
class SweepTable:
    """On a terminal, one table that is kept up to date; elsewhere, a line for each run that ended."""

    models: Sequence[Spec]
    datasets: Sequence[Spec]
    show: bool
    _cells: dict[tuple[Spec, Spec], Cell] = field(default_factory=dict)
    _live: Any = None

    def __post_init__(self) -> None:
        for data in self.datasets:
            for model in self.models:
                cell = Cell(f"{model} on {data}", Progress())
                cell.progress = _CellProgress(
                    log=self._say, set_state=partial(setattr, cell, "state")
                )
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
    def cell(self, model: Spec, data: Spec) -> Iterator[Cell]:
        """One run. Its error is kept for the end, so that the other runs go on."""
        cell, started = self._cells[model, data], time.monotonic()
        cell.state = "opening"
        try:
            yield cell
        except Exception as error:  # noqa: BLE001  a user's model may raise anything
            cell.failed = str(error) if isinstance(error, KapbenchError) else repr(error)
            cell.ended = "failed"
        seconds = round(time.monotonic() - started)
        cell.state = f"{cell.ended}, {seconds // 60}:{seconds % 60:02d}"
        if self._live is None and self.show:
            click.echo(f"{cell.name}: {cell.state}", err=True)

    def raise_failures(self) -> None:
        """Raises a KapbenchError that names every run that failed, if any did."""
        failed: dict[str, list[str]] = {}
        for cell in self._cells.values():
            if cell.failed is not None:
                failed.setdefault(cell.failed, []).append(cell.name)
        for message, names in failed.items():
            click.echo(f"{', '.join(names)}: {message}", err=True)
        if failed:
            n_failed = sum(map(len, failed.values()))
            raise KapbenchError(
                f"{n_failed:,} of {len(self._cells):,} runs failed",
                place="their errors are printed above",
                fix="Correct the causes; the same command scores only what is missing",
            )

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
