"""SPair-71k in its official layout: pairs of Layout, keypoints of ImageAnnotation."""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import read_mask, read_rgb
from kapbench.datasets.spair.difficulty import Difficulty, difficulty, known
from kapbench.datasets.spair.files import absent, annotation, category_of, names_in, picture, read
from kapbench.datasets.spair.image_annotation import parse_view
from kapbench.datasets.spair.pair_list_file import Line, place_of, read_layout
from kapbench.datasets.symmetry import Symmetry, n_keypoints, read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.paths import data_root
from kapbench.registry import unknown
from kapbench.types import Coverage, Pair, View

SOURCE = SOURCES["spair"]
SPLITS = ("trn", "val", "test")
LAYOUTS = ("large", "small")
_FETCH = (
    f"`kapbench fetch spair`, or point --data-root (KAPBENCH_DATA) at the folder that holds "
    f"{SOURCE.folder}"
)


def spair(
    split: str = "test",
    root: str | Path | None = None,
    layout: str = "large",
    symmetry_file: str | None = None,
) -> "SPair":
    """SPair-71k, large layout (12,234 test pairs).

    Args:
        split: trn, val or test.
        root: The data root that holds the folder SPair-71k, or that folder. By default
            KAPBENCH_DATA, else the user data folder.
        layout: large or small.
        symmetry_file: Another table of groups and mirror twins, of every category that is here; see
            docs/datasets/README.md. The revision is another then.

    Raises:
        KapbenchError: unknown split or layout, no data there, or no category whole.
    """
    for thing, value, allowed in (("split", split, SPLITS), ("layout", layout, LAYOUTS)):
        if value not in allowed:
            raise unknown(thing, value, allowed, place="data set spair")
    base = data_root(root)
    folder = base if base.name == SOURCE.folder else base / SOURCE.folder
    name = "spair" if layout == "large" else f"spair.{layout}"
    found = SPair(name, split, layout, folder, symmetry_file)
    found.check()
    return found


def small(
    split: str = "test", root: str | Path | None = None, symmetry_file: str | None = None
) -> "SPair":
    """SPair-71k, small layout (2,438 test pairs)."""
    return spair(split, root, "small", symmetry_file)


@dataclass(frozen=True, eq=False)
class SPair:
    """One split of one layout; the categories are those whose files are all there."""

    name: str
    split: str
    layout: str
    folder: Path
    symmetry_file: str | None = None
    licence: str = SOURCE.licence
    citation: str = SOURCE.citation
    size_from: Literal["box", "image"] = "box"
    has_absent: bool = True
    _read_views: dict[str, View] = field(default_factory=dict, init=False, repr=False)

    def check(self) -> None:
        """Raises KapbenchError where nothing can be evaluated."""
        if not self._lines:
            raise KapbenchError("a layout without pairs", place=self._layout_file, fix=_FETCH)
        self._check_known()
        if not self.categories:
            category, missing = next(iter(self._missing.items()))
            raise KapbenchError(
                f"no category of SPair-71k's {self.split} split is complete: {category} lacks "
                f"{len(missing)} files, the first {missing[0]}",
                place=self.folder,
                fix=_FETCH,
            )
        _ = self._symmetry

    def _check_known(self) -> None:
        """A category that lacks images whole, and nothing else, is there: its pairs are wrong."""
        for category, missing in self._missing.items():
            stems = [Path(path).stem for path in missing]
            absent = {stem for stem in stems if stems.count(stem) == 2}  # annotation and photograph
            if absent and absent == set(stems) != set(self._stems[category]):
                line = next(x for x in self._lines if x.category == category and absent & set(x))
                (name, *_) = [x for x in (line.source, line.target) if x in absent]
                raise KapbenchError(
                    f"a pair of an image that is not there: {category}/{name}",
                    place=place_of(line, self._layout_file),
                    fix="mend the line, or fetch the data set again",
                )

    @property
    def categories(self) -> tuple[str, ...]:
        return self.coverage.categories

    @functools.cached_property
    def coverage(self) -> Coverage:
        expected = tuple(self._stems)
        whole = tuple(c for c in expected if not self._missing[c])
        n_pairs = sum(line.category in whole for line in self._lines)
        return Coverage(whole, expected, n_pairs, len(self._lines))

    @functools.cached_property
    def revision(self) -> str:
        """Hash of the layout file and of every annotation behind the pairs present.

        A symmetry table counts where one is given; the shipped one is pinned by a test.
        """
        digest = hashlib.sha256(self._layout_file.read_bytes())
        for content in self._annotations.values():
            digest.update(content)
        if self.symmetry_file is not None:
            for tables in self._symmetry.values():
                for table in tables:
                    digest.update(table.tobytes())
        return digest.hexdigest()[:16]

    @functools.cached_property
    def remarks(self) -> tuple[str, ...]:
        """What looks wrong but may be meant, in words."""
        views = self.views()
        beyond = [v for v in views if v.bbox[2] > v.size[0] + 1 or v.bbox[3] > v.size[1] + 1]
        if len(beyond) < len(views):
            return ()
        return (
            "every box reaches beyond its image: are these x1, y1, x2, y2, and of these images?",
        )

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """What of the devkit's difficulties is known here; told by the first pair of each category."""
        first = {line.category: line for line in reversed(self._present)}
        found = [self._difficulty(line) for _, line in sorted(first.items())]
        return known(found)

    def difficulty(self, categories: Sequence[str] | None = None) -> Mapping[str, Difficulty]:
        """The devkit's viewpoint and scale variation of each pair by its id, from the pair files."""
        wanted = self._wanted(categories)
        return {x.pair_id: self._difficulty(x) for x in self._lines if x.category in wanted}

    def _difficulty(self, line: Line) -> Difficulty:
        return difficulty(self.folder / "PairAnnotation" / self.split / f"{line.pair_id}.json")

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        """Pairs in the order of the layout file, which is that of the pair files' names."""
        wanted = self._wanted(categories)
        return [self._pair(line) for line in self._lines if line.category in wanted]

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        wanted = self._wanted(categories)
        return [
            self._view(image_id)
            for image_id in self._annotations
            if category_of(image_id) in wanted
        ]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return read_rgb(self.folder / picture(view.image_id), view.size)

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return None if view.mask is None else read_mask(view.mask, view.size)

    @property
    def _layout_file(self) -> Path:
        return self.folder / "Layout" / self.layout / f"{self.split}.txt"

    @functools.cached_property
    def _lines(self) -> Sequence[Line]:
        return read_layout(self._layout_file, _FETCH)

    @functools.cached_property
    def _stems(self) -> Mapping[str, Sequence[str]]:
        """Names of the images that each category's pairs name; both by alphabet."""
        stems: dict[str, set[str]] = defaultdict(set)
        for line in self._lines:
            stems[line.category].update((line.source, line.target))
        return {category: sorted(stems[category]) for category in sorted(stems)}

    @functools.cached_property
    def _missing(self) -> Mapping[str, Sequence[str]]:
        """What each category lacks, as paths below the folder; found by listing folders."""
        return {
            category: [
                path
                for kind in (annotation, picture)
                for path in absent(self.folder, [kind(f"{category}/{stem}") for stem in stems])
            ]
            for category, stems in self._stems.items()
        }

    @functools.cached_property
    def _annotations(self) -> Mapping[str, bytes]:
        """What the annotation of each image of the whole categories holds, by image id."""
        ids = [
            f"{category}/{stem}" for category in self.categories for stem in self._stems[category]
        ]
        return {image_id: read(self.folder / annotation(image_id)) for image_id in ids}

    @functools.cached_property
    def _masks(self) -> frozenset[str]:
        folder = self.folder / "Segmentation"
        return frozenset(f"{c}/{name}" for c in self.categories for name in names_in(folder / c))

    @functools.cached_property
    def _present(self) -> Sequence[Line]:
        return [line for line in self._lines if line.category in self.categories]

    @functools.cached_property
    def _symmetry(self) -> Mapping[str, Symmetry]:
        if self.symmetry_file is None:
            return {category: symmetry(category) for category in self.categories}
        return {
            category: read_override(self.symmetry_file, category, n_keypoints(category))
            for category in self.categories
        }

    def _wanted(self, categories: Sequence[str] | None) -> frozenset[str]:
        for category in categories or ():
            missing = self._missing.get(category)
            if missing is None:
                raise unknown(
                    "category", category, self.categories, place=f"{self.name}, as present"
                )
            if missing:
                raise KapbenchError(
                    f"category '{category}' is not complete: {len(missing)} files missing",
                    place=self.folder / missing[0],
                    fix=_FETCH,
                )
        return frozenset(self.categories if categories is None else categories)

    def _view(self, image_id: str) -> View:
        if image_id not in self._read_views:
            mask = f"{image_id}.png"
            self._read_views[image_id] = parse_view(
                self._annotations[image_id],
                self.folder / annotation(image_id),
                category_of(image_id),
                self.folder / "Segmentation" / mask if mask in self._masks else None,
            )
        return self._read_views[image_id]

    def _pair(self, line: Line) -> Pair:
        category = line.category
        source, target = (self._view(f"{category}/{s}") for s in (line.source, line.target))
        x1, y1, x2, y2 = target.bbox
        size = float(max(x2 - x1, y2 - y1))
        return Pair(line.pair_id, source, target, size, *self._symmetry[category])
