"""Mutations of some formats, read in a process that a damaged file may end, hang or fill."""

import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from campaign.mutations.read_one import HANG_SECONDS, Reader

START_SECONDS = 120.0  # imports, and the samples


class Broken(NamedTuple):
    """A mutation that something did not hold for. `number`: counted from 0, from the seed."""

    format: str
    number: int
    family: str
    wrong: str


@dataclass(slots=True)
class Batch:
    """The first mutations of each format that a seed makes.

    Args:
        root: A folder for samples and the files of the process.
    """

    formats: Sequence[str]
    seed: int
    count: int
    root: Path
    broken: list[Broken] = field(default_factory=list)

    def run(self) -> list[Broken]:
        """All of them; where one ends the process, another process goes on behind it."""
        tasks = [(name, number) for name in self.formats for number in range(self.count)]
        while tasks:
            tasks = tasks[self._run_worker(tasks) :]
        return self.broken

    def _run_worker(self, tasks: Sequence[tuple[str, int]]) -> int:
        """Reads in a process of its own; returns how many tasks are done."""
        reading, writing = os.pipe()
        if (process := os.fork()) == 0:
            os.close(reading)
            self._work(tasks, writing)
        os.close(writing)
        n_done, family, is_hung = 0, "", False
        for line in _lines(reading, process):
            if line is None:
                is_hung = True
                break
            if "failed" in line:
                os.close(reading)
                os.waitpid(process, 0)
                return self._skip_format(tasks, n_done, line["failed"])
            n_done, family = line["n_done"], line["family"]
            if "wrong" in line:
                self.broken.append(Broken(*tasks[n_done], family, line["wrong"]))
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == 0 and not is_hung:
            return len(tasks)
        ended = f"ended the process with status {status}"
        if is_hung:
            ended = f"did not end in {HANG_SECONDS:.0f} s"
        elif status < 0:
            ended = f"ended by {signal.Signals(-status).name}"
        if not family:
            return self._skip_format(tasks, n_done, ended)
        self.broken.append(Broken(*tasks[n_done], family, ended))
        return n_done + 1

    def _skip_format(self, tasks: Sequence[tuple[str, int]], n_done: int, failed: str) -> int:
        """Of a format whose sample cannot be built or read: it is one that broke."""
        name = tasks[n_done][0]
        print(failed, file=sys.stderr)
        lines = failed.strip().splitlines()
        self.broken.append(Broken(name, -1, "sample", f"not read as it is: {lines[-1]}"))
        return next((i for i, t in enumerate(tasks) if i > n_done and t[0] != name), len(tasks))

    def _work(self, tasks: Sequence[tuple[str, int]], writing: int) -> None:
        """The forked process; it does not return."""

        def say(**line: object) -> None:
            os.write(writing, json.dumps(line).encode() + b"\n")

        status, reader = 1, Reader(self.root, self.seed)
        try:
            os.setsid()
            for n_done, (name, number) in enumerate(tasks):
                if reader.name != name:
                    say(n_done=n_done, family="")
                    reader.open(name)
                family = reader.write(number)
                say(n_done=n_done, family=family)
                if (wrong := reader.verdict()) is not None:
                    say(n_done=n_done, family=family, wrong=wrong)
            status = 0
        except BaseException:  # noqa: BLE001  it is told, and the process ends here
            say(failed=traceback.format_exc())
        finally:
            os._exit(status)


def _lines(reading: int, process: int) -> Iterator[dict[str, Any] | None]:
    """What the process says; None, and its end, where it says nothing for too long."""
    pending, most = b"", START_SECONDS
    while True:
        if not select.select([reading], [], [], most)[0]:
            os.killpg(process, signal.SIGKILL)
            yield None
            return
        if not (content := os.read(reading, 1 << 16)):
            return
        *lines, pending = (pending + content).split(b"\n")
        for line in lines:
            said = json.loads(line)
            most = HANG_SECONDS if said.get("family") else START_SECONDS
            yield said
