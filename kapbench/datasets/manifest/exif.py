"""Whether the keypoints of a manifest refer to photographs as EXIF says that they are shown."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kapbench.datasets.images import Header, find_file, read_header
from kapbench.datasets.manifest.partial import Problem
from kapbench.datasets.manifest.schema import Image, Manifest
from kapbench.datasets.orientation import check_stated_size, follows_exif, remark_on_sizes
from kapbench.errors import KapbenchError

Headers = Mapping[str, Header | KapbenchError]


def read_headers(manifest: Manifest, folder: Path) -> Headers:
    """Header of each photograph by its path in the manifest, or why it cannot be read."""
    headers: dict[str, Header | KapbenchError] = {}
    for name in {image.path: None for image in manifest.images}:
        try:
            headers[name] = read_header(find_file(folder, name))
        except KapbenchError as error:
            headers[name] = error
    return headers


def decide_exif(
    manifest: Manifest, folder: Path, headers: Headers, exif: bool | None
) -> tuple[bool, tuple[str, ...], list[Problem]]:
    """Whether EXIF orientations are followed, why, and the problem where nothing decides.

    Args:
        headers: Photographs that cannot be read, which are problems of their own, decide nothing.
        exif: Takes the place of what the manifest says; None: it does not.
    """
    stated = manifest.exif if exif is None else exif
    if stated is not None:
        return stated, (), []
    keypoints, boxes, sizes = [], [], []
    for image in manifest.images:
        path, header = find_file(folder, image.path), headers[image.path]
        if isinstance(header, KapbenchError):
            continue
        xy = [point for point in image.keypoints.values() if point is not None]
        keypoints.append((path, header, np.array(xy, np.float64).reshape(-1, 2)))
        if image.width is not None and image.height is not None:
            sizes.append(((image.width, image.height), header))
        boxes.append((path, header, np.array(image.box or (), np.float64).reshape(-1, 2)))
    try:
        follows, remarks = follows_exif(keypoints, boxes, "--dataset-option exif", sizes)
    except KapbenchError as error:
        return False, (), [("exif", f"{error.thing}: {error.place}. {error.fix}")]
    return follows, remarks, []


def find_size(image: Image, manifest: Manifest, headers: Headers) -> tuple[int, int] | None:
    """Width and height of the pixels that are read: those that the manifest states where the
    photograph cannot be read, or None."""
    header = headers[image.path]
    if isinstance(header, Header):
        return header.upright if manifest.exif else header.stored
    stated = image.width, image.height
    return None if stated[0] is None or stated[1] is None else (stated[0], stated[1])


def check_size(image: Image, folder: Path, headers: Headers) -> list[Problem]:
    """The problem of a photograph that cannot be read, or of a size that is not its own.

    A size of either orientation is right: tools write both.
    """
    header = headers[image.path]
    if isinstance(header, KapbenchError):
        return [("path", f"{header.thing}: {header.place}")]
    if image.width is None and image.height is None:
        return []
    if image.width is None or image.height is None:
        return [("width", "Give both width and height, or neither")]
    try:
        check_stated_size((image.width, image.height), header, find_file(folder, image.path), None)
    except KapbenchError as error:
        return [("width", error.thing)]
    return []


def take_sizes(manifest: Manifest, headers: Headers) -> tuple[Manifest, tuple[str, ...]]:
    """The manifest with the size of each photograph, and the remark on those stated otherwise."""
    images, n_other = [], 0
    for image in manifest.images:
        size = find_size(image, manifest, headers)
        if size is None:
            images.append(image)
            continue
        n_other += image.width is not None and (image.width, image.height) != size
        images.append(image.model_copy(update={"width": size[0], "height": size[1]}))
    return manifest.model_copy(update={"images": images}), remark_on_sizes(n_other)
