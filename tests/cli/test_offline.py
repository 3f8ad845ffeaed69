"""`--offline`: no connection is tried, and what is missing is named."""

import os
import subprocess
import sys

import pytest

CODE = """
import socket, sys
def refuse(*_, **__):
    print("connected", flush=True)
    raise SystemExit(99)
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from kapbench.cli import main
sys.argv = ["kapbench", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            "run --model dinov2.vits14",
            ["facebook/dinov2-small", "Apache-2.0", "-o weights="],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "run --model sd.v15",
            ["stable-diffusion-v1-5", "OpenRAIL", "-o weights="],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "run --model hf:facebook/dino-vits16",
            ["facebook/dino-vits16", "hf:FOLDER"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "train sphere --backbone dinov2.vits14",
            ["facebook/dinov2-small", "-o weights="],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_no_connection_is_tried(words, message, tmp_path):
    pytest.importorskip("diffusers", reason="needs the extra sd")
    command = [*words.split(), "--dataset", "synthetic.small", "--offline"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "connected" not in done.stdout
    assert "Traceback" not in done.stderr
    for word in (*message, "sha256", "without --offline"):
        assert word in " ".join(done.stderr.split())
