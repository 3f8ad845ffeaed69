"""Whether the keypoints of a manifest refer to photographs as EXIF says that they are shown."""

from pathlib import Path

import numpy as np

from kapbench.datasets.images import find_file, read_header
from kapbench.datasets.manifest.partial import Problem
from kapbench.datasets.manifest.schema import Manifest
from kapbench.datasets.orientation import follows_exif
from kapbench.errors import KapbenchError


def decide_exif(
    manifest: Manifest, folder: Path, exif: bool | None
) -> tuple[bool, tuple[str, ...], list[Problem]]:
    """Whether EXIF orientations are followed, why, and the problem where nothing decides.

    Args:
        exif: Takes the place of what the manifest says; None: it does not. Photographs that
            cannot be read, which are problems of their own, decide nothing.
    """
    stated = manifest.exif if exif is None else exif
    if stated is not None:
        return stated, (), []
    keypoints, boxes = [], []
    for image in manifest.images:
        path = find_file(folder, image.path)
        try:
            header = read_header(path)
        except KapbenchError:
            continue
        xy = [point for point in image.keypoints.values() if point is not None]
        keypoints.append((path, header, np.array(xy, np.float64).reshape(-1, 2)))
        boxes.append((path, header, np.array(image.box or (), np.float64).reshape(-1, 2)))
    try:
        follows, remarks = follows_exif(keypoints, boxes, "exif")
    except KapbenchError as error:
        return False, (), [("exif", f"{error.thing}: {error.place}. {error.fix}")]
    return follows, remarks, []
