"""Work in several processes."""

import os

import pytest

from kapbench.errors import KapbenchError
from kapbench_leaderboard.site.forked import forked


@pytest.mark.parametrize("is_large", [True, False])
def test_results_come_in_order_and_memory_is_shared(is_large):
    of_parent = [10, 20, 30]
    assert list(forked(lambda i: of_parent[i] + i, 3, is_large=is_large)) == [10, 21, 32]


def test_small_work_stays_in_this_process():
    assert set(forked(lambda _: os.getpid(), 3, is_large=False)) == {os.getpid()}


@pytest.mark.parametrize("is_large", [True, False])
def test_an_error_keeps_its_place_and_fix(is_large):
    def refuse(_):
        raise KapbenchError("The file is damaged", place="here", fix="Write it again")

    with pytest.raises(KapbenchError, match="damaged") as caught:
        list(forked(refuse, 2, is_large=is_large))
    assert "Write it again" in str(caught.value)
