"""Two hosts that share a folder and a network: a scheduler on one, workers on both.

Hosts are network namespaces, which need root and Linux; elsewhere this skips.
"""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny_world

WORLD = Path(tiny_world.__file__)
ADDRESSES = ("10.213.7.1", "10.213.7.2")
PORT = 8786
RUN = [
    "run",
    "--model",
    f"{WORLD}:TinyEncoder",
    "--dataset",
    f"{WORLD}:TinyDataset",
    "--dataset-option",
    "n_images=16",
    "--rule",
    "kap-cvpr24",
    "--no-control",
    "-q",
    "--device",
    "cpu",
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Names of two network namespaces joined by a cable."""
    tag = uuid.uuid4().hex[:6]
    names, ends = (f"kap{tag}a", f"kap{tag}b"), (f"ve{tag}a", f"ve{tag}b")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, ADDRESSES, strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    pytest.importorskip("distributed", reason="needs the extra dask")
    if sys.platform != "linux" or os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root, Linux and iproute2")
    try:
        manager = two_hosts()
        names = manager.__enter__()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield names
    manager.__exit__(None, None, None)


class Cluster:
    """A scheduler on the first host, and what was started beside it."""

    def __init__(self, hosts: tuple[str, str], folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        self.running: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start(
            0,
            "distributed.cli.dask_scheduler",
            "--host",
            ADDRESSES[0],
            "--port",
            str(PORT),
            "--no-dashboard",
        )

    def start(self, host: int, module: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"log{len(self.running)}.txt").open("wb") as log:
            process = subprocess.Popen(
                self.on(host, "-m", module, *words),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        self.running.append(process)
        return process

    def worker(self, host: int) -> subprocess.Popen[bytes]:
        return self.start(
            host,
            "distributed.cli.dask_worker",
            f"tcp://{ADDRESSES[0]}:{PORT}",
            "--host",
            ADDRESSES[host],
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--death-timeout",
            "60",
        )

    def on(self, host: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.hosts[host], sys.executable, *words]

    def kapbench(self, host: int, root: Path, *words: str) -> list[str]:
        shared = ("--runs", str(root / "runs"), "--cache", str(root / "cache"))
        return self.on(host, "-m", "kapbench", *RUN, *shared, *words)

    def by_dask(self, host: int, root: Path) -> list[str]:
        scheduler = f"tcp://{ADDRESSES[0]}:{PORT}"
        return self.kapbench(
            host, root, "--executor", "dask", "--scheduler", scheduler, "--shards", "4"
        )

    def log(self) -> str:
        return "\n".join(p.read_text(errors="replace") for p in self.folder.glob("log*.txt"))


@pytest.fixture
def cluster(hosts: tuple[str, str], tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(hosts, tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    root = tmp_path_factory.mktemp("alone")
    words = ("--runs", str(root / "runs"), "--cache", str(root / "cache"))
    subprocess.run(
        [sys.executable, "-m", "kapbench", *RUN, *words],
        check=True,
        timeout=200,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return records(root)


def records(root: Path) -> bytes:
    [path] = root.rglob("records.parquet")
    return path.read_bytes()


def call(command: list[str], timeout: float = 200) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_workers_of_both_hosts_make_the_same_records(cluster, tmp_path, expected):
    cluster.worker(0), cluster.worker(1)
    done = call(cluster.by_dask(0, tmp_path))
    assert done.returncode == 0, done.stderr + cluster.log()
    assert records(tmp_path) == expected
    assert f"{ADDRESSES[1]}:" in cluster.log()  # the other host did answer the scheduler


@pytest.mark.slow
def test_hosts_score_shards_by_hand_in_one_folder(cluster, tmp_path, expected):
    shards = [cluster.kapbench(host, tmp_path, "--shard", f"{host + 1}/2") for host in (0, 1)]
    running = [subprocess.Popen(shard) for shard in shards]
    assert [p.wait(timeout=200) for p in running] == [0, 0]
    assert call(cluster.kapbench(0, tmp_path)).returncode == 0
    assert records(tmp_path) == expected


@pytest.mark.slow
def test_a_killed_scheduler_leaves_an_incomplete_run_that_is_finished_later(
    cluster, tmp_path, expected
):
    cluster.worker(1)
    waiting = subprocess.Popen(
        cluster.by_dask(1, tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("part-*.parquet")) and waiting.poll() is None:
        assert time.monotonic() < deadline, cluster.log()
        time.sleep(0.01)
    cluster.scheduler.kill()
    message = waiting.communicate(timeout=120)[1]
    if waiting.returncode:  # it may have ended just before
        assert message.count("Error:") == 1, message
        assert "Traceback" not in message, message
        assert "incomplete" in message or "No dask scheduler answers" in message, message
        assert not list(tmp_path.rglob("run.json"))
        done = call(cluster.kapbench(0, tmp_path))
        assert done.returncode == 0, done.stderr
    assert records(tmp_path) == expected
