"""The root command: help that loads nothing, suggestions, errors without tracebacks."""

import errno
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kapbench.cli import lazy, main
from kapbench.cli.explain import explain
from kapbench.cli.lazy import Deferred, LazyGroup
from kapbench.cli.run_options import HEADINGS
from kapbench.errors import KapbenchError

COMMANDS = [
    "run",
    "train",
    "list",
    "fetch",
    "convert",
    "compare",
    "match",
    "reproduce",
    "show",
    "site",
    "submit",
]


def test_help_names_every_command(kapbench):
    shown = kapbench("--help").stdout
    assert all(f"\n  {name}" in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(kapbench, command):
    done = kapbench(command, "--help")
    assert done.exit_code == 0
    assert "Usage: " in done.stdout
    assert f"kapbench {command} " in done.stdout  # an example


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_every_option_stands_under_a_heading_and_is_explained(kapbench, command):
    shown = kapbench(command, "--help").stdout
    assert list(HEADINGS) == [line[:-1] for line in shown.splitlines() if line[:-1] in HEADINGS]
    assert shown.partition("Other:")[2].split()[:2] == ["-h,", "--help"]
    assert max(map(len, shown.splitlines())) <= 80
    options = main.get_command(None, command).params
    assert all(option.help for option in options if isinstance(option, click.Option))


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["compare", "--help"], ["list", "rules"]]
)
def test_help_imports_nothing_heavy(words):
    heavy = {"torch", "pandas", "matplotlib", "transformers", "trimesh", "kapbench_baselines"}
    heavy |= {"numpy"} if words == ["--help"] else set()
    code = f"import sys; from kapbench.cli import main; main({words}, standalone_mode=False);"
    code += f"sys.exit(' '.join({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("rnu", "Did you mean 'run'?"),
        (
            "xyz",
            "Commands: run, sweep, train, list, cache, fetch, convert, compare, diagnose, explore, match, reproduce, runs, show",
        ),
    ],
)
def test_a_command_that_does_not_exist(kapbench, typed, message):
    done = kapbench(typed)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.fixture
def plugin(monkeypatch):
    """Installs a command under a name and an import path, beside those that are installed."""

    def install(name: str, value: str) -> None:
        def entry_points(*, group: str) -> EntryPoints:
            entry = EntryPoint(name, value, "kapbench.commands")
            return EntryPoints([*metadata.entry_points(group=group), entry])

        monkeypatch.setattr(lazy, "entry_points", entry_points)

    return install


def test_a_command_that_cannot_be_imported_says_so_and_hides_no_other(kapbench, plugin):
    plugin("broken", "no_such_package.module:command")
    shown = kapbench("--help")
    assert shown.exit_code == 0
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line.strip()]
    assert ["broken", "(not installed)"] in lines
    assert ["compare", "Print tables of finished runs."] in lines
    for words in (["broken"], ["broken", "--help"]):
        done = kapbench(*words)
        assert done.exit_code == 1
        assert "Error: The command 'broken' cannot be imported: ModuleNotFoundError" in done.stderr
        assert "Update, reinstall or remove the package" in done.stderr
        assert "Traceback" not in done.output


def test_a_plugin_takes_no_place_of_an_own_command(kapbench, plugin):
    plugin("run", "no_such_package.module:command")
    assert kapbench("run", "--help").exit_code == 0


def test_version(kapbench):
    assert kapbench("--version").stdout.startswith("kapbench, version 0.")


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "kapbench", "--version"], check=False, capture_output=True, text=True
    )
    assert done.stdout.startswith("kapbench, version")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m kapbench list rules | true"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.fixture
def raising(monkeypatch):
    """The root command with one subcommand `fail` that raises what the test wants."""

    def run(error: BaseException, *before: str):
        # As if kapbench's own code raised it: this file is a user's.
        names = {"error": error}
        exec(compile("def fail():\n    raise error", lazy.__file__, "exec"), names)
        fail = click.command(names["fail"])

        deferred = {"fail": Deferred("unused:unused", "")}
        root = LazyGroup("kapbench", deferred=deferred, plugins="", params=[*main.params])
        monkeypatch.setattr(root, "get_command", lambda ctx, name: fail)
        return CliRunner().invoke(root, [*before, "fail"])

    return run


def test_a_users_error_is_a_message(raising):
    done = raising(KapbenchError("truncated JPEG", place="cat/1.jpg", fix="fetch it again"))
    assert done.exit_code == 1
    assert done.stderr == "Error: truncated JPEG\n  at:  cat/1.jpg\n  fix: fetch it again\n"


def test_debug_shows_the_traceback(raising):
    error = KapbenchError("truncated JPEG")
    assert raising(error, "--debug").exception is error


def test_a_defect_says_so_and_writes_a_log(raising, tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))
    done = raising(ZeroDivisionError("division by zero"))
    assert done.exit_code == 70
    first, second, third = done.stderr.splitlines()
    assert first == "This is a defect of kapbench, not a mistake of yours: ZeroDivisionError"
    (log,) = (tmp_path / "logs").iterdir()
    assert second == f"  The traceback is in {log}."
    assert third.startswith("  Please report it with that text to ")
    text = log.read_text(encoding="utf-8")
    assert "ZeroDivisionError: division by zero" in text
    assert "Traceback (most recent call last)" in text
    assert "kapbench 0." in text


def test_a_log_that_cannot_be_in_the_cache_is_elsewhere(raising, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert raising(ZeroDivisionError()).exit_code == 70
    (log,) = (tmp_path / "temporary").iterdir()
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")


def test_a_defect_with_debug_is_raised(raising):
    error = ZeroDivisionError("division by zero")
    assert raising(error, "--debug").exception is error


def test_an_error_in_a_users_code_names_its_line(monkeypatch):
    @click.command()
    def fail():
        raise IndexError("list index out of range\nand more")

    root = LazyGroup("kapbench", deferred={}, plugins="")
    monkeypatch.setattr(root, "get_command", lambda ctx, name: fail)
    monkeypatch.setattr(root, "list_commands", lambda ctx: ["fail"])
    done = CliRunner().invoke(root, ["fail"])
    assert done.exit_code == 1
    assert "plug-in raised IndexError: list index out of range\n" in done.stderr
    assert f"at:  {__file__}:" in done.stderr
    assert "in fail" in done.stderr


def test_an_error_of_which_a_users_code_is_the_cause_names_its_line():
    def encode():
        raise KeyError("blocks")

    try:
        try:
            encode()
        except KeyError as cause:
            raise KapbenchError("The model failed", place="image 1") from cause
    except KapbenchError as error:
        shown = explain(error)
    assert shown.place.startswith(f"image 1; {__file__}:")
    assert shown.place.endswith(", in encode")


def test_memory_that_ran_out(raising):
    done = raising(MemoryError())
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: Memory ran out")


def test_a_second_ctrl_c_ends_the_process_at_once():
    code = (
        "import os, signal, time\n"
        "from kapbench.cli.funnel import funnel\n"
        "with funnel(debug=False):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(20)\n"
        "    finally:\n"
        "        time.sleep(0.4)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "\nstopped at once; the same command resumes\n"


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 143)])
def test_a_signal_unwinds_any_command(name, status):
    code = (
        "import click, os, signal, time\n"
        "from kapbench.cli.funnel import funnel\n"
        "@click.command()\n"
        "def command():\n"
        "    with funnel(debug=False):\n"
        "        try:\n"
        f"            os.kill(os.getpid(), signal.{name})\n"
        "            time.sleep(20)\n"
        "        finally:\n"
        "            print('unwound')\n"
        "command()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, "unwound\n")
    assert done.stderr == "\nstopped; the same command resumes\n"


@pytest.mark.parametrize(
    ("line", "status"), [(">/dev/full", 1), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)]
)
def test_standard_streams_that_are_full_or_closed(line, status):
    command = f"exec {sys.executable} -m kapbench list rules {line}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_ctrl_c(raising):
    done = raising(KeyboardInterrupt())
    assert done.exit_code == 130
    assert "stopped; the same command resumes" in done.stderr


NUMBERS = (
    "ENOSPC",
    "EDQUOT",
    "EACCES",
    "EROFS",
    "ENOTDIR",
    "EEXIST",
    "ENOENT",
    "EISDIR",
    "EMFILE",
    "ENOLCK",
    "EFBIG",
    "EIO",
)


@pytest.mark.parametrize("number", [getattr(errno, name) for name in NUMBERS])
def test_files_that_cannot_be_written(raising, number):
    done = raising(OSError(number, "No room", "/data/part"))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: No room\n  at:  /data/part\n  fix: ")


@pytest.mark.parametrize("place", ["/dev/null/x", "file"])
def test_a_cache_where_none_can_be(kapbench, monkeypatch, place):
    Path("file").touch()
    monkeypatch.setenv("KAPBENCH_CACHE", place)
    monkeypatch.setenv("KAPBENCH_DATA", "none")  # no data set is read through
    done = kapbench("list", "datasets")
    assert done.exit_code == 1
    assert place in done.stderr
    assert "fix: A file has this name already" in done.stderr
    assert "Traceback" not in done.output


def test_a_full_disk_that_is_only_told_in_words():
    error = RuntimeError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )
    assert "Free some space" in str(explain(error))
    assert explain(RuntimeError("anything else")) is None
