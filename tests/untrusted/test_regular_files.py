"""Only regular files are opened, whatever has their name."""

import os
import socket

import pytest

from kapbench.untrusted.regular_files import (
    NotRegularError,
    open_regular,
    read_regular,
    refuse_irregular,
)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a folder", lambda path: path.mkdir()),
        ("a named pipe", os.mkfifo),
        ("a device", lambda path: path.symlink_to("/dev/zero")),
    ],
)
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, kind, make):
    make(tmp_path / "x")
    for read in (open_regular, read_regular, refuse_irregular):
        with pytest.raises(NotRegularError, match=f"this is {kind}, not a file"):
            read(tmp_path / "x")


def test_a_socket(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("x")
        with pytest.raises(NotRegularError, match="a socket"):
            open_regular(tmp_path / "x")


def test_a_link_is_followed_unless_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"12")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert read_regular(tmp_path / "link") == b"12"
    with pytest.raises(NotRegularError, match="this is a link"):
        open_regular(tmp_path / "link", follow_link=False)


def test_a_file_that_is_missing_or_too_large(tmp_path):
    (tmp_path / "x").write_bytes(b"123")
    assert read_regular(tmp_path / "x", 3) == b"123"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_regular(tmp_path / "x", 2)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "y")
