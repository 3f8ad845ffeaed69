"""Points of PF-PASCAL's own annotations: of the pairs whose list holds none."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading as read
from kapbench.errors import KapbenchError

FOLDER = "Annotations"


@dataclass
class Annotations:
    """`Annotations/CLASS/IMAGE.mat`: kps [K 2] in the photograph's pixels, NaN where not shown.

    Args:
        folder: Of the data set, that holds Annotations.
        split: Whose points are asked for.
        fix: Where they come from.
        contents: Of the files that were read.
    """

    folder: Path
    split: str
    fix: str
    contents: dict[Path, bytes] = field(default_factory=dict)
    _points: dict[Path, Float[np.ndarray, "K 2"]] = field(default_factory=dict)

    def shared(
        self, category: str, names: tuple[str, str], place: str
    ) -> tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, "k 2"]]:
        """The points that both images show.

        Raises:
            KapbenchError: a file that is not here or cannot be read, images of two numbers of
                points.
        """
        source, target = (self._of(self.folder / FOLDER / category, Path(n).stem) for n in names)
        if len(source) != len(target):
            raise KapbenchError(
                f"{len(source)} points of image A, {len(target)} of B", place=place,
                fix="are both annotations those of the list's class?",
            )  # fmt: skip
        both = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
        return source[both], target[both]

    def _of(self, folder: Path, stem: str) -> Float[np.ndarray, "K 2"]:
        path = folder / f"{stem}.mat"
        if path not in self._points:
            if not path.is_file():
                raise KapbenchError(
                    f"the list of {self.split} holds no points: they are in {FOLDER}/CLASS/IMAGE.mat "
                    "of PF-dataset-PASCAL.zip, and this one is not here", place=path, fix=self.fix,
                )  # fmt: skip
            self.contents[path] = read.read_bytes(path, self.fix)
            self._points[path] = _parsed(self.contents[path], path, self.fix)
        return self._points[path]


def _parsed(content: bytes, path: Path, fix: str) -> Float[np.ndarray, "K 2"]:
    from scipy.io import loadmat

    try:
        found = np.asarray(loadmat(io.BytesIO(content), variable_names=["kps"])["kps"], np.float64)
    except Exception as error:  # scipy raises whatever a damaged file makes it meet
        raise KapbenchError(
            f"no kps can be read: {type(error).__name__}", place=path, fix=fix
        ) from error
    if found.ndim != 2 or found.shape[1] != 2:
        raise KapbenchError(f"kps of shape {found.shape}", place=path, fix=fix)
    return found
