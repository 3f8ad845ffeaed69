"""What figures call keypoints: by number, and by name where the data set knows it."""

from collections.abc import Sequence


def numbered(keypoint: int, names: Sequence[str] = ()) -> str:
    """A keypoint's number, then its name where it is known: 4 Lmirror."""
    if keypoint >= len(names):
        return str(keypoint)
    return f"{keypoint} {names[keypoint].replace('_', ' ')}"


def listed(keypoints: Sequence[int], names: Sequence[str]) -> str:
    """Keypoints one after the other: 4 Lmirror, 7 Rdoor."""
    return ", ".join(numbered(keypoint, names) for keypoint in keypoints)
