"""Lists of images of CUB-200-2011 that others evaluate on."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kapbench.errors import KapbenchError


def numbers_of(content: bytes, path: Path, names: Mapping[int, str]) -> set[int]:
    """Numbers of the images in a list.

    A .mat file is ASIC's, which is that of ACSM (`test_cub_cleaned.mat`): a struct `images` whose
    field `id` is the image's number. In any other, a line is a number or a path as in images.txt.

    Raises:
        KapbenchError: not such a file; an unknown path; nothing in it.
    """
    mat = path.suffix == ".mat"
    found = _of_mat(content, path) if mat else _of_text(content, path, names)
    if not found:
        raise KapbenchError("a list without images", place=path, fix="give another list")
    return set(found)


def _of_mat(content: bytes, path: Path) -> list[int]:
    from scipy.io import loadmat

    try:
        images = loadmat(io.BytesIO(content), variable_names=["images"])["images"]
        return [int(np.asarray(number).item()) for number in images["id"].ravel()]
    except Exception as error:  # scipy raises whatever a damaged file makes it meet
        raise KapbenchError(
            f"no struct images with ids can be read: {type(error).__name__}", place=path,
            fix="give a list as test_cub_cleaned.mat is, or text with an image a line",
        ) from error  # fmt: skip


def _of_text(content: bytes, path: Path, names: Mapping[int, str]) -> list[int]:
    numbers = {name: n for n, name in names.items()}
    found = []
    for i, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        word = line.strip()
        if word.isdecimal():
            found.append(int(word))
        elif word in numbers:
            found.append(numbers[word])
        elif word:
            raise KapbenchError(
                f"'{word[:60]}' is no image of images.txt", place=f"{path}, line {i}",
                fix="a line is an image's number, or its path as in images.txt",
            )  # fmt: skip
    return found
