"""Reads lists of CUB-200-2011's images that other papers evaluate on."""

from collections.abc import Mapping
from pathlib import Path

from kapbench.datasets.mat_file import read_field
from kapbench.datasets.reading import MAX_PX
from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import decode_text, integer

FIX = "Give a list like ACSM's test_cub_cleaned.mat, or text with one image per line"


def read_image_list(content: bytes, path: Path, names: Mapping[int, str]) -> set[int]:
    """Numbers of the images in a list.

    A .mat file is ASIC's, which is that of ACSM (`test_cub_cleaned.mat`): a struct `images` whose
    field `id` is the image's number. In any other, a line is a number or a path as in images.txt.

    Raises:
        KapbenchError: another format; an unknown path; an empty list.
    """
    if path.suffix == ".mat":
        numbers = _parse_structs(content, path)
    else:
        numbers = _parse_text(content, path, names)
    if not numbers:
        raise KapbenchError("The list contains no images", place=path, fix="Give another list")
    return set(numbers)


def _parse_structs(content: bytes, path: Path) -> list[int]:
    numbers = []
    for value in read_field(content, "images", "id", path, FIX):
        if value.size != 1 or value != value.round() or not abs(value) < MAX_PX:
            raise KapbenchError("A value of images.id is not a whole number", place=path, fix=FIX)
        numbers.append(int(value.item()))
    return numbers


def _parse_text(content: bytes, path: Path, names: Mapping[int, str]) -> list[int]:
    number_of = {name: n for n, name in names.items()}
    numbers = []
    for i, line in enumerate(decode_text(content, path, FIX).splitlines(), start=1):
        word = line.strip()
        if (number := integer(word)) is not None:
            numbers.append(number)
        elif word in number_of:
            numbers.append(number_of[word])
        elif word:
            raise KapbenchError(
                f"'{word[:60]}' is not in images.txt",
                place=f"{path}, line {i}",
                fix="Write an image's number in each line, or its path as in images.txt",
            )
    return numbers
