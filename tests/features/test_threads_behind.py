"""Writing behind: all of it is done, never more than asked is unfinished, errors are told."""

import threading
import time

import pytest

from kapbench.features.threads import Behind


@pytest.mark.parametrize(("depth", "threads"), [(0, 1), (3, 1), (3, 4), (50, 2)])
def test_all_is_done_when_it_is_left(depth, threads):
    done = []
    with Behind(depth, threads) as behind:
        for i in range(20):
            behind.hand(done.append, i)
    assert sorted(done) == list(range(20))
    assert not any(t.name.startswith("kapbench-behind") for t in threading.enumerate())


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_never_more_is_unfinished_than_told(depth):
    done, most = [], 0
    with Behind(depth, 1) as behind:
        for i in range(12):
            behind.hand(lambda i: (time.sleep(0.005), done.append(i)), i)
            most = max(most, i + 1 - len(done))
    assert most <= depth


def test_finish_waits():
    done = []
    with Behind(9, 1) as behind:
        for i in range(5):
            behind.hand(lambda i: (time.sleep(0.01), done.append(i)), i)
        behind.finish()
        assert done == [0, 1, 2, 3, 4]


def fail(i):
    if i == 2:
        raise OSError("disk full")


def test_an_error_is_told_by_the_next_one_handed_over():
    with Behind(1, 1) as behind:
        behind.hand(fail, 1)
        behind.hand(fail, 2)
        with pytest.raises(OSError, match="disk full"):
            behind.hand(fail, 3)


def test_an_error_of_the_last_is_told_at_the_end():
    with pytest.raises(OSError, match="disk full"), Behind(9, 1) as behind:
        behind.hand(fail, 2)


def test_what_was_handed_over_is_done_though_the_work_failed():
    done = []

    def work():
        with Behind(9, 1) as behind:
            for i in range(5):
                behind.hand(lambda i: (time.sleep(0.01), done.append(i)), i)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
    assert done == [0, 1, 2, 3, 4]
