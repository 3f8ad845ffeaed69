"""The names of `kapbench` itself: each of them loads, and the version is the installed one."""

from importlib.metadata import version

import pytest

import kapbench


@pytest.mark.parametrize("name", kapbench.__all__)
def test_every_public_name_loads(name):
    assert getattr(kapbench, name) is not None
    assert name in dir(kapbench)


def test_the_version_is_that_of_the_package():
    assert kapbench.__version__ == version("kapbench")


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="'kapbench' has no attribute 'evaluat'"):
        _ = kapbench.evaluat
