"""Errors in the user's words: which exceptions a user can correct, and what each one means."""

import errno
import traceback
from importlib.metadata import entry_points

from kapbench.errors import KapbenchError

_FILE_IN_THE_WAY = "A file has this name already: choose another folder"
_RESUME = "run the same command again; what is finished is kept"
_FILE_ERRORS = {
    errno.ENOSPC: f"Free some space and {_RESUME}",
    errno.EDQUOT: f"Free some of your quota and {_RESUME}",
    errno.EFBIG: f"Allow larger files (ulimit -f), or choose another disk, and {_RESUME}",
    errno.EACCES: "Choose a folder that you may read and write",
    errno.EPERM: "Choose a folder that you may read and write",
    errno.EROFS: "Choose a folder on a disk that can be written",
    errno.ENOTDIR: _FILE_IN_THE_WAY,
    errno.EEXIST: _FILE_IN_THE_WAY,
    errno.EISDIR: "Name a file: this is a folder",
    errno.ENOENT: "Name what exists",
    errno.ENAMETOOLONG: "Choose a shorter path",
    errno.EMFILE: f"Allow more open files (ulimit -n), or take fewer --workers, and {_RESUME}",
    errno.ENFILE: f"Close other programs, which have too many files open, and {_RESUME}",
    errno.ENOMEM: f"Free some memory and {_RESUME}",
    errno.ENOLCK: "Choose a folder on another disk: this one has no file locks left",
    errno.EILSEQ: "Choose a folder whose name this disk can store",
    errno.EINVAL: "Choose another folder or file: this system does not allow that",
}
_SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # nobody's code
_OTHER = f"Correct the cause and {_RESUME}"
DEBUG = "`kapbench --debug` before the command prints the traceback"
_PLUGINS = ("models", "datasets", "trainers", "commands", "boards")
_OUT_OF_MEMORY = ("OutOfMemoryError",)  # of torch, which is not imported for it


def explain(error: BaseException) -> KapbenchError | None:
    """The error that a user can correct; None for a defect of the program."""
    if isinstance(error, KapbenchError):
        return _with_line(error)
    if isinstance(error, MemoryError) or type(error).__name__ in _OUT_OF_MEMORY:
        return KapbenchError(
            "Memory ran out",
            place=plugin_line(error),
            fix=f"Free memory, or take a smaller --batch-size or fewer --workers, and {_RESUME}",
        )
    full = isinstance(error, OSError) and error.errno in _SYSTEM
    if not full and (line := plugin_line(error)) is not None:
        return KapbenchError(
            f"The code of a model, a data set or another plug-in raised {_described(error)}",
            place=line,
            fix=f"Correct that code, or ask its author; {DEBUG}",
        )
    return _of_system(error)


def _with_line(error: KapbenchError) -> KapbenchError:
    """The error with the line of the model or data set whose own exception is its cause."""
    cause = error.__cause__
    if cause is None or isinstance(cause, KapbenchError):
        return error
    line = plugin_line(cause)
    if line is None or line in str(error):
        return error
    says_place = error.place is None or line.startswith(f"{error.place}:")
    place = line if says_place else f"{error.place}; {line}"
    return KapbenchError(error.thing, place=place, fix=error.fix)


def _of_system(error: BaseException) -> KapbenchError | None:
    if isinstance(error, OSError):
        fix = _FILE_ERRORS.get(error.errno or 0, _OTHER)
        place = error.filename if error.filename is not None else error.filename2
        return KapbenchError(error.strerror or _described(error), place=place, fix=fix)
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return KapbenchError(
            "The name of a file or folder is not UTF-8, and cannot be stored",
            place=ascii(error.object)[:200],
            fix="Rename it, or choose another folder",
        )
    # safetensors is written in Rust and reports a full disk in words only.
    if "No space left on device" in str(error):
        return KapbenchError(str(error), fix=_FILE_ERRORS[errno.ENOSPC])
    return None


def _described(error: BaseException) -> str:
    """The error's type and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def plugin_line(error: BaseException) -> str | None:
    """Where in code that is not kapbench's own an error came from: file, line and function.

    That is a user's file, or a module of an installed package that registers something here.
    None: no such code was running.
    """
    from kapbench.identity.installed_code import is_own, last_user_line

    if (line := last_user_line(error)) is not None:
        return line
    packages = {
        entry.module.partition(".")[0]
        for kind in _PLUGINS
        for entry in entry_points(group=f"kapbench.{kind}")
        if not is_own(entry.module)
    }
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in packages:
            return f"{frame.f_code.co_filename}:{number}, in {frame.f_code.co_name}"
    return None
