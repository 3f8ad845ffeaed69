"""Foreign code: nothing that it raises ends Python, and what it changes around it is put back."""

import io
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from kapbench.errors import KapbenchError, described
from kapbench.untrusted.plugin_calls import plugin_call, report_calls_to


def called(action, **options):
    with plugin_call("The model", "image cat/1", "encode()", **options):
        action()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(), r"sys\.exit\(\)"),
        (SystemExit(0), r"sys\.exit\(0\)"),
        (SystemExit("the end"), r"sys\.exit\(the end\)"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseException("odd"), "BaseException: odd"),
    ],
)
def test_what_would_end_python_is_an_error_that_names_the_place(error, said):
    def fail():
        raise error

    with pytest.raises(KapbenchError, match=said) as caught:
        called(fail)
    assert caught.value.thing.startswith("The model ended by ")
    assert caught.value.place == "image cat/1"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), StopIteration()])
def test_other_exceptions_pass(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        called(fail)
    assert caught.value is error or caught.value.__cause__ is error


def test_the_place_is_reported_before_the_call_and_cleared_after_it(monkeypatch):
    monkeypatch.setattr("kapbench.untrusted.plugin_calls._places", [])
    places = []
    report_calls_to(places.append)
    called(lambda: places.append("now"))
    assert places == ["The model was in encode(), at image cat/1", "now", ""]


def test_what_it_changes_is_put_back(tmp_path):
    before = Path.cwd(), sys.getrecursionlimit(), [*warnings.filters], np.geterr()
    stdout, device = sys.stdout, torch.get_default_device()

    def change():
        os.chdir(tmp_path)
        sys.setrecursionlimit(500)
        warnings.simplefilter("error")
        np.seterr(all="raise")
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_float32_matmul_precision("medium")
        sys.stdout = io.StringIO()

    called(change)
    assert before == (Path.cwd(), sys.getrecursionlimit(), [*warnings.filters], np.geterr())
    assert (sys.stdout, torch.get_default_device()) == (stdout, device)
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_folder_that_is_gone_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def remove():
        os.chdir("..")
        (tmp_path / "here").rmdir()

    with pytest.raises(KapbenchError, match="left no current folder"):
        called(remove)


@pytest.mark.parametrize("name", ["argmax", "isfinite"])
def test_a_replaced_function_of_numpy_is_refused(monkeypatch, name):
    with pytest.raises(KapbenchError, match=f"replaced numpy.{name} in encode"):
        called(lambda: monkeypatch.setattr(np, name, lambda *_: 0))


def test_a_call_beside_others_puts_nothing_back():
    before = sys.getrecursionlimit()
    try:
        called(lambda: sys.setrecursionlimit(before + 7), alone=False)
        assert sys.getrecursionlimit() == before + 7
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("alone", [True, False])
def test_what_it_prints_goes_to_standard_error(capsys, alone):
    called(lambda: print("a layer"), alone=alone)
    print("a table")
    assert capsys.readouterr() == ("a table\n", "a layer\n")


def test_calls_that_overlap_in_threads_put_standard_output_back_once(capsys):
    inner_runs, outer_ended = threading.Event(), threading.Event()

    def prepare():
        inner_runs.set()
        assert outer_ended.wait(20)
        print("prepared")

    thread = threading.Thread(target=lambda: called(prepare, alone=False))

    def encode():
        thread.start()
        assert inner_runs.wait(20)
        print("encoded")

    before = sys.stdout
    called(encode)
    outer_ended.set()
    thread.join()
    assert sys.stdout is before
    assert capsys.readouterr() == ("", "encoded\nprepared\n")


def test_a_closed_standard_output_is_opened_again(tmp_path):
    code = """
import sys
from kapbench.untrusted.plugin_calls import plugin_call

for stream in ("stdout", "__stdout__"):
    with plugin_call("The model", "here", "encode()"):
        getattr(sys, stream).close()
    print("a table")
    print("an error", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert (done.stdout, done.stderr) == ("a table\n" * 2, "an error\n" * 2)


class UntoldError(Exception):
    def __str__(self):
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\nlines"), "ValueError: two\nlines"),
        (ValueError(), "ValueError"),
        (ValueError("\x1b[2J\x00\u202e\udce9"), r"ValueError: \x1b[2J\x00\u202e\udce9"),
        (UntoldError(), "UntoldError, whose text cannot be read (SystemExit)"),
    ],
)
def test_an_exception_is_described_in_printable_characters(error, text):
    assert described(error) == text


def test_a_description_is_short():
    assert len(described(ValueError("x" * 10**6))) < 2100
