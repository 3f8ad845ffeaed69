"""Lists of pairs that others published for a data set: fetched by name, checked by a pinned hash."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kapbench.datasets.fetching.download import download
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash

Report = Callable[[str, int, int | None], None]  # step, done, total


@dataclass(frozen=True, slots=True)
class PairListSource:
    """One file below a data set's folder.

    Args:
        name: The data set with this list, as commands take it: cub.demystifying.
        source: The data set of `SOURCES` whose images the list pairs.
        file_name: Where its makers' own code looks for it in the data set's folder.
        sha256: Of the file at `url`, which names a commit.
    """

    name: str
    source: str
    title: str
    url: str
    file_name: str
    sha256: str
    licence: str
    citation: str

    def path(self, root: Path) -> Path:
        """Below a data root."""
        return root / SOURCES[self.source].folder / self.file_name

    @property
    def hint(self) -> str:
        """What to do where the list is missing."""
        return f"Run `kapbench fetch {self.name}`, or download {self.url} to this path"


_DEMYSTIFYING = (
    "https://raw.githubusercontent.com/MehmetAygun/demistfy_correspondence/"
    "9d910c4349fd959c755fb5d37a8cb90ac3b5afdf/pairs"
)
_AYGUN = (
    "none stated",
    "Aygün, Mac Aodha: Demystifying Unsupervised Semantic Correspondence Estimation. ECCV 2022",
)
PAIR_LISTS = {
    each.name: each
    for each in (
        PairListSource(
            "awa-pose.demystifying",
            "awa-pose",
            "AwA-Pose, pairs of Demystifying",
            f"{_DEMYSTIFYING}/awa/random_pairs.txt",
            "random_pairs.txt",
            "65c2a08011d5d02d8b694ddc4a3701866aa69543294eee71ea2887581d2d39af",
            *_AYGUN,
        ),
        PairListSource(
            "cub.demystifying",
            "cub",
            "CUB-200-2011, pairs of Demystifying",
            f"{_DEMYSTIFYING}/cub/random_pairs.txt",
            "random_pairs.txt",
            "4dbbd96a4d63aeaa1594feff69b42c19668fdde4aea538466eec2011ff96df0e",
            *_AYGUN,
        ),
    )
}


def fetch_pair_list(pair_list: PairListSource, root: Path, report: Report) -> Path:
    """The list below the data root, downloaded where it is not there yet.

    Raises:
        KapbenchError: the data set's folder does not exist; the server fails; the file has
            another hash than the pinned one, and is then removed.
    """
    to = pair_list.path(root)
    if not to.parent.is_dir():
        raise KapbenchError(
            f"The data set of the list is not here: {pair_list.source}",
            place=to.parent,
            fix=f"Run `kapbench fetch {pair_list.source}` first; nothing has been downloaded",
        )
    is_new = not to.exists()
    if is_new:
        download(pair_list.url, to, functools.partial(report, "downloading"))
    if (actual := file_hash(to)) != pair_list.sha256:
        if is_new:
            to.unlink()
        raise KapbenchError(
            f"The SHA-256 of the list is {actual}, not the pinned {pair_list.sha256}",
            place=pair_list.url if is_new else to,
            fix="Fetch it again" if is_new else "Move the file away, and fetch the list again",
        )
    return to
