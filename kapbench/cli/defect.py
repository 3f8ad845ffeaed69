"""A defect of kapbench: a log file with everything that a report needs, and where to send it."""

import os
import platform
import shlex
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from kapbench.paths import cache_root
from kapbench.processes.unfinished import scratch_root

DEFECT = 70  # the status that sysexits.h gives to an internal error of a program
LOGS = "logs"  # the folder of log files, below that of the cache
_PACKAGES = ("kapbench", "torch", "numpy", "pandas", "pyarrow", "pillow", "safetensors", "click")


def report(error: BaseException) -> str:
    """Writes the log file; returns what the terminal shows, two or three lines."""
    path = write_log(error)
    kept = (
        f"The traceback is in {path}."
        if path is not None
        else "Its log file cannot be written: `kapbench --debug` before the command prints it."
    )
    return (
        f"This is a defect of kapbench, not a mistake of yours: {type(error).__name__}\n"
        f"  {kept}\n"
        f"  Please report it with that text to {report_address()}"
    )


def report_address() -> str:
    """Where pyproject.toml says that defects are reported; in words where it does not say."""
    urls: dict[str, str] = {}
    with suppress(PackageNotFoundError):
        for line in metadata("kapbench").get_all("Project-URL") or []:
            label, _, address = line.partition(", ")
            urls[label] = address
    if "Issues" in urls:
        return urls["Issues"]
    if "Source" in urls:
        return f"{urls['Source'].rstrip('/')}/issues"
    return "the people from whom you have kapbench"


def write_log(error: BaseException) -> Path | None:
    """Writes traceback, versions and command; returns the file, or None where none can be written.

    The file is in `logs` below the cache folder, or in the system's folder for temporary files.
    """
    now = datetime.now(UTC)
    name = f"kapbench-{now.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    text = "\n".join(_lines(error, now))
    for folder in (cache_root() / LOGS, scratch_root()):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
    return None


def _lines(error: BaseException, now: datetime) -> list[str]:
    versions = [f"{name} {_version(name)}" for name in _PACKAGES]
    return [
        f"time:     {now.isoformat(timespec='seconds')}",
        f"command:  {shlex.join(['kapbench', *sys.argv[1:]])}",
        f"system:   {platform.platform()}, Python {sys.version.split()[0]}",
        f"versions: {', '.join(versions)}",
        "",
        *traceback.format_exception(error),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
