"""One mutation after another: written over the sample, read, judged."""

import os
import resource
import shutil
import traceback
import zlib
from pathlib import Path

import numpy as np

from campaign.mutations.format import Format
from campaign.mutations.formats import FORMATS

CPU_SECONDS, MEMORY = 10.0, 2 * 2**30  # the most that one reading may take
HANG_SECONDS = 90.0  # without an end, on a machine that does other work as well


class Reader:
    """
    Args:
        root: Of the samples: each is built once, and copied for its format.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed, self.name = root, seed, ""

    def open(self, name: str) -> None:
        """Begins with a format. RuntimeError where its sample is refused, or not sound."""
        self.name, self.kind = name, FORMATS[name]
        _limit_memory(None)
        first = next(n for n, kind in FORMATS.items() if kind.build is self.kind.build)
        built = self.root / f"sample-{zlib.crc32(first.encode()):08x}"
        if not (built / "built").exists():
            shutil.rmtree(built, ignore_errors=True)
            (built / "sample").mkdir(parents=True)
            self.kind.build(built / "sample")
            (built / "built").touch()
        self.folder = self.root / f"{zlib.crc32(name.encode()):08x}"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(built / "sample", self.folder)
        paths = [p for pattern in self.kind.files for p in sorted(self.folder.glob(pattern))]
        if not paths or (wrong := self.kind.read(self.folder)) is not None:
            raise RuntimeError(f"{name}: the sample is not sound: {wrong if paths else 'no file'}")
        self._remove_written()
        self.contents = [(path, path.read_bytes()) for path in paths]
        self.listed = self._list()
        _limit_memory(MEMORY)

    def write(self, number: int) -> str:
        """Writes a mutation over its file; returns its family."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), number])
        self.path, self.content = self.contents[number % len(self.contents)]
        mutate = self.kind.mutators[(number // len(self.contents)) % len(self.kind.mutators)]
        self.mutation = mutate(self.content, rng)
        self.path.write_bytes(self.mutation.content)
        return self.mutation.family

    def verdict(self) -> str | None:
        """What does not hold as the mutation is read; None: all holds. The sample is restored."""
        wrong = _read(self.kind, self.folder, self.mutation.must_refuse)
        self._remove_written()
        if wrong is None and (written := self._list() ^ self.listed):
            wrong = f"wrote or removed {min(written)}"
        self.path.write_bytes(self.content)
        return wrong

    def _list(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    def _remove_written(self) -> None:
        for pattern in self.kind.writes:
            for path in self.folder.glob(pattern):
                if path.is_file():
                    path.unlink()


def _read(kind: Format, folder: Path, must_refuse: str | None) -> str | None:
    from kapbench.errors import KapbenchError

    start = _cpu_seconds()
    try:
        if (wrong := kind.read(folder)) is not None:
            return f"read as sound: {wrong}"
        if kind.strict and must_refuse:
            return f"read as sound: {must_refuse}"
    except KapbenchError as error:
        if not error.thing or "Traceback" in str(error):
            return "an error without a message"
    except BaseException as error:  # noqa: BLE001  whatever it is, no user may see it
        return f"{type(error).__name__} at {_place(error)}"
    seconds = _cpu_seconds() - start
    return "took too many seconds of CPU" if seconds > CPU_SECONDS else None


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _place(error: BaseException) -> str:
    """The innermost function of kapbench, by file."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        at = [i for i, part in enumerate(parts) if part.startswith("kapbench")]
        if at and not {"site-packages", "stress"} & set(parts):
            return f"{'/'.join(parts[at[-1] :])}, {frame.name}"
    return "no place of kapbench"


def _limit_memory(more: int | None) -> None:
    """So much more address space than the process has by now; None: no limit."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft = hard if more is None else pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
