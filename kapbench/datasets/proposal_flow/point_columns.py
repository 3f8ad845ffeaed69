"""Reads the columns XA, YA, XB, YB of Proposal Flow's lists, each with points joined by ';'."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from kapbench.datasets.reading import parse_numbers, wrong_line

COLUMNS = ("source_image", "target_image", "class")
POINTS = ("XA", "YA", "XB", "YB")


def parse_points(line: Mapping[str, str], side: str, place: str) -> Float[np.ndarray, "K 2"]:
    """x and y of each point of image A or B.

    Args:
        line: Fields by column.
        side: A or B.

    Raises:
        KapbenchError: a value is not a number, or the image has other numbers of x and y.
    """
    x, y = (
        parse_numbers(line[f"{axis}{side}"].split(";"), f"{place}, column {axis}{side}")
        for axis in "XY"
    )
    if len(x) != len(y):
        raise wrong_line(f"Image {side} has {len(x)} x and {len(y)} y", place)
    return np.stack([x, y], axis=1)
