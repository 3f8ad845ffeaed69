"""What an executor yields: one outcome for each task, failures included."""

import pytest

from kapbench.errors import KapbenchError
from kapbench.running.local_executors import InProcess, Processes


def fail_at_two(number: int) -> int:
    if number == 2:
        raise KapbenchError("two is not allowed", place="task 2", fix="leave it out")
    return 10 * number


@pytest.mark.parametrize("executor", [InProcess(), Processes(2)], ids=["here", "processes"])
def test_a_failure_is_an_outcome_that_keeps_its_fix(executor):
    outcomes = {outcome.task: outcome for outcome in executor.run(fail_at_two, [1, 2, 3])}
    assert (outcomes[1].value(), outcomes[3].value()) == (10, 30)
    with pytest.raises(KapbenchError, match="two is not allowed") as caught:
        outcomes[2].value()
    assert (caught.value.place, caught.value.fix) == ("task 2", "leave it out")


def test_a_closed_executor_does_no_further_task():
    done = []
    outcomes = InProcess().run(done.append, [1, 2, 3])
    next(outcomes)
    outcomes.close()
    assert done == [1]
