"""That the other tests check types at all, and where they stop."""

import numpy as np
import pytest
import type_checks
from jaxtyping import TypeCheckError

from kapbench.types import Grid, Keypoints

NO_POINTS = np.zeros((0, 3))


def test_shapes_of_arguments_of_classes_and_functions():
    with pytest.raises(TypeCheckError):
        Keypoints(NO_POINTS, np.zeros(0, bool))
    with pytest.raises(TypeCheckError):
        Grid.letterbox("a size", 4, 840)


def test_only_the_first_calls_in_each_test():
    none_visible = np.zeros(0, bool)
    for _ in range(type_checks.CHECKED_CALLS):
        Keypoints(np.zeros((0, 2)), none_visible)
    Keypoints(NO_POINTS, none_visible)
    type_checks.start_test()
    with pytest.raises(TypeCheckError):
        Keypoints(NO_POINTS, none_visible)
