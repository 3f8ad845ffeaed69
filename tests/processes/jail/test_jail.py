"""A jail keeps its limits and ends whole, with the system's namespaces and without."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kapbench.processes.jail.command import (
    LAUNCHER,
    Isolation,
    Limits,
    isolation,
    jail_environment,
    jailed_command,
)
from kapbench.processes.jail.protections import EXCEEDED, PROTECTIONS
from kapbench.processes.jail.run import MOST_OUTPUT, run_jailed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer limits")
WITHOUT = """import sys
from kapbench.processes.jail import launcher, namespaces
namespaces.enter = lambda *, network: False
raise SystemExit(launcher.main(sys.argv[1:]))
"""


@pytest.fixture(params=["namespaces", "without"])
def jailed(request, tmp_path):
    """Runs Python code in a jail; a system without namespaces is tested everywhere."""
    if request.param == "namespaces" and "outliving" not in isolation().enforced:
        pytest.skip("this system has no namespaces for its users")

    def run(code, **limits):
        folder = tmp_path / "jail"
        folder.mkdir(exist_ok=True)
        command = jailed_command(
            [sys.executable, "-c", code], folder, Limits(**{"seconds": 20.0} | limits)
        )
        if request.param == "without":
            command[: len(LAUNCHER)] = [sys.executable, "-c", WITHOUT]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=jail_environment(folder),
        )

    run.has_namespaces = request.param == "namespaces"
    return run


def test_the_status_and_the_streams_are_those_of_the_command(jailed):
    done = jailed("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert jailed("import os; os.kill(os.getpid(), 9)").returncode == 128 + 9


@pytest.mark.parametrize(
    ("code", "limit", "reason"),
    [
        ("import time; time.sleep(60)", {"seconds": 0.3}, "it was not finished after 0.3 s"),
        (
            "x = b'1' * 2**28\nwhile True: pass",
            {"memory_bytes": 2**27},
            "it had more than 0.125 GiB in memory",
        ),
        (
            "from threading import Thread; import time\nfor _ in range(40): Thread(target=time.sleep, args=(9,)).start()",
            {"n_threads": 20},
            "it had more than 20 threads",
        ),
    ],
)
def test_a_limit_that_is_exceeded_is_named(jailed, code, limit, reason):
    done = jailed(code, **limit)
    assert done.returncode == 124
    assert done.stderr == f"\nThe process was ended because {reason}.\n"


def test_limits_of_the_system(jailed):
    assert "MemoryError" in jailed("bytearray(2**31)", address_bytes=2**30).stderr
    assert jailed("while True: pass", cpu_seconds=1).returncode > 128
    done = jailed("open('large', 'wb').write(bytes(2**20))", file_bytes=2**19)
    assert "OSError" in done.stderr


def test_a_daemon_ends_with_the_command(jailed, tmp_path):
    mark = f"{time.time_ns()}"
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execlp('sleep', 'sleep', '{mark}')\n"
        "    os._exit(0)\n"
        "time.sleep(0.3)\n"
    )
    assert jailed(code).returncode == 0
    assert processes_of(mark) == []


def test_a_jail_ends_with_the_process_that_started_it(jailed, tmp_path):
    mark = f"{time.time_ns()}"
    folder = tmp_path / "jail"
    folder.mkdir()
    command = jailed_command(["sleep", mark], folder, Limits())
    if not jailed.has_namespaces:
        command[: len(LAUNCHER)] = [sys.executable, "-c", WITHOUT]
    starter = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"]
    )
    wait_until(lambda: [w for w in processes_of(mark) if w[0] == "sleep"])
    starter.kill()
    starter.wait()
    wait_until(lambda: not processes_of(mark))


def test_namespaces_keep_files_processes_and_the_network(jailed, tmp_path):
    if not jailed.has_namespaces:
        pytest.skip("they need namespaces")
    assert isolation().enforced == set(PROTECTIONS)
    outside = tmp_path / "outside"
    assert "Read-only file system" in jailed(f"open({str(outside)!r}, 'w')").stderr
    assert jailed("open('inside', 'w').write('x'); print(open('inside').read())").stdout == "x\n"
    assert list((tmp_path / "jail").iterdir()) == []
    assert "ProcessLookupError" in jailed(f"import os; os.kill({os.getpid()}, 9)").stderr
    assert jailed("import os; os.kill(os.getppid(), 9); print('alive')").stdout == "alive\n"
    network = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    assert "Network is unreachable" in jailed(network).stderr
    (tmp_path / "kept").mkdir()
    kept = str(tmp_path / "kept")
    assert jailed(f"open({kept!r} + '/x', 'w')", writable=(kept,)).returncode == 0
    assert (tmp_path / "kept" / "x").exists()


def test_no_capability_is_left_or_gained(jailed):
    code = (
        "import ctypes; c = ctypes.CDLL(None)\n"
        "print(c.mount(b'none', b'/', b'', 4096 | 32, b''), c.unshare(0x10000000))"
    )
    if jailed.has_namespaces:
        assert jailed(code).stdout == "-1 -1\n"


def test_what_is_not_enforced_is_said():
    assert Isolation(frozenset()).missing == list(PROTECTIONS.values())
    assert Isolation(frozenset(PROTECTIONS)).missing == []


def test_no_secret_is_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    environment = jail_environment(tmp_path)
    assert "secret" not in environment.values()
    assert environment["HOME"] == environment["TMPDIR"] == str(tmp_path)


def processes_of(mark):
    """Command lines that end with a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if mark in words:
            found.append(words)
    return found


def wait_until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_output_is_bounded(tmp_path):
    words = [sys.executable, "-c", "import os\nwhile True: os.write(1, bytes(65536))"]
    environment = jail_environment(tmp_path)
    ended = run_jailed(words, tmp_path, Limits(seconds=20.0), text=b"", environment=environment)
    assert (ended.status, len(ended.output) <= MOST_OUTPUT + 2**20) == (EXCEEDED, True)
    assert ended.errors.endswith(b"because it printed more than 16 MiB.\n")
    words = [sys.executable, "-c", "import sys; print(input()); print('e', file=sys.stderr)"]
    ended = run_jailed(words, tmp_path, Limits(), text=b"in\n", environment=environment)
    assert (ended.status, ended.output, ended.errors) == (0, b"in\n", b"e\n")
