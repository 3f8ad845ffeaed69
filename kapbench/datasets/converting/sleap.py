"""Reads SLEAP's .slp and .pkg.slp files by the library sleap-io (the extra convert).

A keypoint that the annotator marked as not visible is not visible, wherever its mark lies; one
without a position is not labelled. Predictions are left out. Pixel centres are whole numbers, so
that 0.5 is added. Frames of a video, and images inside the file, are written beside the manifest.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from kapbench.datasets.converting.annotations import (
    AnnotatedObject,
    Keypoint,
    Photograph,
    VideoFrame,
    as_xy,
)
from kapbench.datasets.converting.deeplabcut import CENTRE, NOTE
from kapbench.datasets.converting.report import Report
from kapbench.errors import KapbenchError
from kapbench.progress import Progress

_FIX = "Name a .slp or .pkg.slp file"


def read_sleap(path: Path, report: Report, progress: Progress) -> list[Photograph]:
    """KapbenchError where sleap-io is not installed, or cannot read the file."""
    try:
        import sleap_io
    except ImportError as error:
        raise KapbenchError(
            "SLEAP's files are read by the library sleap-io, which is not installed",
            fix="Run `pip install 'kapbench[convert]'`",
        ) from error
    if not path.is_file():
        raise KapbenchError("There is no such file", place=path, fix=_FIX)
    try:
        labels = sleap_io.load_slp(str(path), open_videos=False)
    except Exception as error:  # sleap-io and h5py raise errors of many types for a broken file
        raise KapbenchError(
            f"The file cannot be read: {type(error).__name__}: {error}", place=path, fix=_FIX
        ) from error
    frames = [frame for frame in labels.labeled_frames if frame.user_instances]
    n_predicted = sum(len(frame.predicted_instances) for frame in labels.labeled_frames)
    photographs = []
    with progress.stage("frames", len(frames)) as advance:
        for frame in frames:
            photographs.append(_read_frame(frame, labels.videos.index(frame.video), path))
            advance(1)
    report.notes.append(NOTE)
    if n_predicted:
        report.notes.append(f"Predicted instances, which are not converted: {n_predicted:,}.")
    return photographs


def _read_frame(frame: Any, number: int, path: Path) -> Photograph:
    """
    Args:
        number: Of the frame's video in the file.
    """
    files, index = frame.video.filename, int(frame.frame_idx)
    place = f"video {number}, frame {index}"
    objects = [
        _read_instance(instance, f"{place}, instance {i + 1}")
        for i, instance in enumerate(frame.user_instances)
    ]
    if isinstance(files, list):
        file = files[index] if index < len(files) else ""
        return Photograph((file,), path.parent, place, None, objects)
    name = f"video{number}-frame{index:06d}.png"
    read = functools.partial(_read_pixels, frame.video, index)
    return Photograph((str(files),), path.parent, place, None, objects, VideoFrame(name, read))


def _read_instance(instance: Any, place: str) -> AnnotatedObject:
    names = tuple(str(node.name) for node in instance.skeleton.nodes)
    keypoints = {}
    for name, point in zip(names, instance.points, strict=True):
        xy = as_xy(*point["xy"].tolist())
        if xy is not None and point["visible"]:
            keypoints[name] = Keypoint((xy[0] + CENTRE, xy[1] + CENTRE))
        elif xy is not None:
            keypoints[name] = Keypoint(None)
    category = str(instance.skeleton.name) if instance.skeleton.name else None
    return AnnotatedObject(keypoints, place, category, order=names)


def _read_pixels(video: Any, index: int, path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A frame of a video that lies at `path`. KapbenchError where it cannot be read."""
    try:
        if video.filename != str(path):
            video.replace_filename(str(path))
        video.open_backend = True
        pixels = np.asarray(video[index])
    except Exception as error:  # decoders raise errors of many types
        raise KapbenchError(
            f"The frame cannot be read: {type(error).__name__}: {error}", place=path, fix=_FIX
        ) from error
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
