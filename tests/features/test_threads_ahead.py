"""Reading ahead: the same as without, never more than asked, errors in their turn."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapbench.features.threads import ahead


@given(st.lists(st.integers(), max_size=30), st.integers(0, 5))
def test_it_is_map(items, depth):
    assert list(ahead(lambda i: i * 2, items, depth)) == [i * 2 for i in items]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_it_is_never_further_ahead_than_told(depth):
    begun, most = [], 0
    for taken, _ in enumerate(ahead(begun.append, range(20), depth)):
        time.sleep(0.01)
        most = max(most, len(begun) - taken - 1)
    assert len(begun) == 20
    assert most == depth


def test_one_thread_that_is_not_this_one():
    threads = set(ahead(lambda _: threading.get_ident(), range(9), 3))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_is_raised_in_its_turn_and_the_rest_is_left():
    others = set(threading.enumerate())  # of earlier tests
    begun = []

    def job(i):
        begun.append(i)
        if i == 2:
            raise OSError("gone")
        return i

    found = ahead(job, range(100), 3)
    taken = [next(found), next(found)]
    with pytest.raises(OSError, match="gone"):
        next(found)
    assert taken == [0, 1]
    assert len(begun) < 10
    own = set(threading.enumerate()) - others
    assert not any(t.name.startswith("kapbench-ahead") for t in own)
