"""That the other tests check types at all, and where they stop."""

import numpy as np
import pytest
import type_checks
from jaxtyping import TypeCheckError

from kapbench.types import Grid, Keypoints

NO_POINTS = np.zeros((0, 3))
NONE_VISIBLE = np.zeros(0, bool)


@pytest.fixture(scope="module")
def error_in_a_fixture():
    """Of a function that the test before has called often."""
    with pytest.raises(TypeCheckError) as caught:
        Keypoints(NO_POINTS, NONE_VISIBLE)
    return caught.value


def test_shapes_of_arguments_of_classes_and_functions():
    with pytest.raises(TypeCheckError):
        Keypoints(NO_POINTS, NONE_VISIBLE)
    with pytest.raises(TypeCheckError):
        Grid.letterbox("a size", 4, 840)


def test_the_first_calls_in_each_test_and_few_later_ones():
    checked = []
    for call in range(1, 65):
        try:
            Keypoints(NO_POINTS, NONE_VISIBLE)
        except TypeCheckError:
            checked.append(call)
    assert checked == [*range(1, type_checks.FIRST_CALLS + 1), 16, 32, 64]


def test_calls_of_a_modules_fixtures_are_counted_anew(error_in_a_fixture):
    assert "Keypoints" in str(error_in_a_fixture)
