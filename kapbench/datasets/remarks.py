"""What looks wrong in annotations but may be meant: told, not refused."""

from collections.abc import Iterable

import numpy as np

from kapbench.types import View


def counting_from_one(views: Iterable[View]) -> list[str]:
    """The remark that keypoints seem to count from 1, where they do."""
    shown = [(v.keypoints.xy[v.keypoints.visible], v.size) for v in views]
    whole = all(((xy >= 1) & (xy == xy.round())).all() for xy, _ in shown)
    if not whole or not any((xy == np.array(size)).any() for xy, size in shown):
        return []
    said = "keypoints are whole numbers from 1 to the image's size: do they count from 1?"
    return [f"{said} Here they count from 0"]


def boxes_beyond(views: Iterable[View]) -> list[str]:
    """The remark that every box reaches beyond its image by more than a pixel, where each does."""
    far = [v.bbox[2] > v.size[0] + 1 or v.bbox[3] > v.size[1] + 1 for v in views]
    if not far or not all(far):
        return []
    return ["every box reaches beyond its image: x1, y1, x2, y2 are read; are these x, y, w, h?"]
