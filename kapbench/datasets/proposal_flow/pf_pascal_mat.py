"""Keypoints of PF-PASCAL's own annotations, for the lists that have none."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets.mat_file import read_numbers
from kapbench.errors import KapbenchError
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import read_bytes

FOLDER = "Annotations"


@dataclass
class Annotations:
    """`Annotations/CLASS/IMAGE.mat`: kps [K 2] in the photograph's pixels, NaN where not visible.

    Args:
        folder: The data set's folder, which has a folder Annotations.
        fix: What to do where a file is missing.
        contents: Contents of the files that were read.
    """

    folder: Path
    split: str
    fix: str
    contents: dict[Path, bytes] = field(default_factory=dict)
    _points: dict[Path, Float[np.ndarray, "K 2"]] = field(default_factory=dict)

    def shared(
        self, category: str, names: tuple[str, str], place: str
    ) -> tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, "k 2"]]:
        """The keypoints that are visible in both images.

        Raises:
            KapbenchError: a file that is missing or cannot be read; images with different
                numbers of keypoints.
        """
        source, target = (self._read(self.folder / FOLDER / category, Path(n).stem) for n in names)
        if len(source) != len(target):
            raise KapbenchError(
                f"Image A has {len(source)} keypoints, image B {len(target)}",
                place=place,
                fix="Check that both annotations belong to the list's class",
            )
        both = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
        return source[both], target[both]

    def _read(self, folder: Path, stem: str) -> Float[np.ndarray, "K 2"]:
        path = folder / f"{stem}.mat"
        if path not in self._points:
            if not is_file(path):
                raise KapbenchError(
                    f"The list of {self.split} has no keypoints, and this file of "
                    "PF-dataset-PASCAL.zip is missing",
                    place=path,
                    fix=self.fix,
                )
            self.contents[path] = read_bytes(path, self.fix)
            self._points[path] = _parse_points(self.contents[path], path, self.fix)
        return self._points[path]


def _parse_points(content: bytes, path: Path, fix: str) -> Float[np.ndarray, "K 2"]:
    points = read_numbers(content, "kps", path, fix).astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise KapbenchError(
            f"The variable kps has shape {points.shape}, not K × 2", place=path, fix=fix
        )
    return points
