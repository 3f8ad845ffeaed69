"""The pairs of Demystifying (Aygün and Mac Aodha 2022): random pairs across all species.

Its evaluation reads `random_pairs.txt` in the data set's folder, two images a line, and scores the
first 10,000 of 50,000 lines.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from kapbench.datasets.fetching.pair_lists import PAIR_LISTS
from kapbench.datasets.pair_list import name_pair, pair_by_box
from kapbench.datasets.reading import wrong_line
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError, agreeing, counted
from kapbench.types import Pair, View
from kapbench.untrusted.strict_text import decode_text, read_bytes

DEMYSTIFYING: Final = "demystifying"
Drawn = int | Literal["demystifying"]  # the option `pairs`: how many to draw, or this list
N_SCORED = 10_000


@dataclass(frozen=True, slots=True)
class ScoredLines:
    """The lines that are scored.

    Args:
        name: The data set with this list.
        lines: Number from 1, source and target as the file names them.
        is_published: Whether the file is the published one.
    """

    name: str
    path: Path
    content: bytes
    lines: tuple[tuple[int, str, str], ...]
    is_published: bool

    @classmethod
    def read(cls, dataset: str, folder: Path) -> "ScoredLines":
        """
        Args:
            dataset: awa-pose or cub.
            folder: The data set's.

        Raises:
            KapbenchError: the list is missing or empty, or a line does not name two images.
        """
        source = PAIR_LISTS[f"{dataset}.{DEMYSTIFYING}"]
        path = folder / source.file_name
        content = read_bytes(path, source.hint)
        texts = decode_text(content, path, source.hint).splitlines()[:N_SCORED]
        lines = tuple(_parse(texts, path))
        if not lines:
            raise KapbenchError("The list contains no pairs", place=path, fix=source.hint)
        is_published = hashlib.sha256(content).hexdigest() == source.sha256
        return cls(source.name, path, content, lines, is_published)

    @property
    def names(self) -> frozenset[str]:
        """Of all images, as the file names them."""
        return frozenset(name for _, *names in self.lines for name in names)

    def pairs(
        self,
        views: Mapping[str, View],
        known: Collection[str],
        image_id: Callable[[str], str],
        symmetry: Symmetry,
    ) -> list[Pair]:
        """The pairs whose two images are in `views`, in the order of the lines.

        Args:
            views: Images that can be shown, by id; they are of one category.
            known: Ids of all annotated images that the list names.
            image_id: Of an image as the list names it.

        Raises:
            KapbenchError: a line names an image that is not annotated.
        """
        pairs = []
        for number, *names in self.lines:
            ids = [image_id(name) for name in names]
            for name, one in zip(names, ids, strict=True):
                if one not in known:
                    raise KapbenchError(
                        f"There is no annotation of the image '{name[:60]}'",
                        place=f"{self.path}, line {number}",
                        fix="Use the list with the data set that it was made for",
                    )
            source, target = map(views.get, ids)
            if source and target:
                pair_id = f"{number:05d}:{name_pair(source, target)}"
                pairs.append(pair_by_box(pair_id, source, target, symmetry))
        return pairs

    @property
    def remarks(self) -> tuple[str, ...]:
        """That the file is not the published one, where it is not."""
        if self.is_published:
            return ()
        n = len(self.lines)
        message = (
            f"{self.path.name} is not the published list: its hash differs, and "
            f"{counted(n, 'pair')} {agreeing('is', n)} in it"
        )
        return (message,)


def in_category(views: Mapping[str, View], category: str) -> dict[str, View]:
    """The images as of one category: a pair may join two species."""
    return {image_id: replace(view, category=category) for image_id, view in views.items()}


def _parse(texts: list[str], path: Path) -> Iterator[tuple[int, str, str]]:
    for number, text in enumerate(texts, start=1):
        words = text.split()
        if len(words) != 2:
            raise wrong_line(f"'{text[:60]}' does not name two images", f"{path}, line {number}")
        yield number, words[0], words[1]
