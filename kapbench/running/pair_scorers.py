"""Scoring one chunk: read features or call a pair model, return rows."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Float16, Int

from kapbench.features.cache import FeatureCache
from kapbench.features.threads import ahead
from kapbench.models.cached_map import CachedMap
from kapbench.models.inputs import copy_picture, make_picture
from kapbench.models.outputs import refuse_zero, similarity_map
from kapbench.protocols import AnnotatedModel, Dataset, PairModel
from kapbench.running.local_executors import set_threads, threads
from kapbench.running.plan import Chunk
from kapbench.running.source_maps import InterpolatedMaps, of_each_source, place_of
from kapbench.running.target_masks import TargetMasks
from kapbench.scoring.build_records import pair_columns, table, target_columns
from kapbench.scoring.grid_geometry import anchor_points, interpolated_cells, source_cells
from kapbench.scoring.part_groups import KeypointsInUse
from kapbench.scoring.rules import Decode, Geometry
from kapbench.scoring.schema import Columns, Needs
from kapbench.types import Grid, Pair, SimilarityMap, View

PAIRS_AT_ONCE = 16  # more gain nothing: maps of 60×60 cells no longer fit the processor's cache
MOST_THREADS = 8  # each holds all maps of one target


@runtime_checkable
class PairScorer(Protocol):
    """Takes lists of pairs of one target each; yields the rows of every pair, in order."""

    needs: Needs
    seconds_per_image: float | None  # from file to features; None: not all were made now

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]: ...


def score_chunk(chunk: Chunk, scorer: PairScorer) -> pd.DataFrame:
    """Rows of all pairs of a chunk, with each pair's position in the data set's order."""
    by_target = groupby(chunk.pairs, key=lambda pair: pair.target.image_id)
    rows = table(list(scorer([list(pairs) for _, pairs in by_target])))
    n_rows = [pair.source.keypoints.visible.sum() for pair in chunk.pairs]
    rows.insert(0, "place", np.repeat(np.asarray(chunk.places, np.int64), n_rows))
    return rows


def visible_keypoints(view: View) -> Float[np.ndarray, "q 2"]:
    return np.asarray(view.keypoints.xy[view.keypoints.visible])


@dataclass
class EncoderScorer:
    """Scores pairs of one target from cached features. Holds no model: any process can run it."""

    cache: FeatureCache
    hashes: dict[str, str]  # image_id → hash in the cache
    similarity: str
    needs: Needs
    device: str = "cpu"
    seconds_per_image: float | None = None
    keypoints_in_use: KeypointsInUse | None = None
    masks: TargetMasks = field(default_factory=TargetMasks)
    _sources: dict[str, tuple[np.ndarray, np.ndarray, int]] = field(
        default_factory=dict, repr=False
    )

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        before = threads()
        n = min(before, MOST_THREADS)
        try:
            with closing(ahead(self._rows, by_target, n, n)) as of_targets:
                for rows in of_targets:
                    yield from rows
        finally:
            set_threads(before)  # else threads that start later may have one, as these had

    def _rows(self, pairs: list[Pair]) -> list[Columns]:
        """The rows of pairs of one target."""
        target = self.cache.read(self.hashes[pairs[0].target.image_id])
        self._refuse_zero(target, pairs[0].target)
        # A data set may annotate an image differently in each pair.
        same_target = all(pair.target is pairs[0].target for pair in pairs)
        mask = self.masks(pairs[0].target)
        interpolated = self._interpolated(pairs, target)
        columns, n_rows = [], 0
        for some_pairs, maps in self._batches(pairs, target, PAIRS_AT_ONCE if same_target else 1):
            rows = slice(n_rows, n_rows + len(maps.values))
            n_rows = rows.stop
            columns.append(
                target_columns(
                    some_pairs,
                    of_each_source(maps, interpolated, rows),
                    self.needs,
                    self._pixels(some_pairs, target),
                    self.keypoints_in_use,
                    mask,
                )
            )
        return columns

    def maps(self, pairs: list[Pair], target: CachedMap) -> Iterator[SimilarityMap]:
        """Each pair's maps of its source-visible keypoints; all pairs have one target."""
        return (maps for _, maps in self._batches(pairs, target, 1))

    def _batches(
        self, pairs: list[Pair], target: CachedMap, n_pairs: int
    ) -> Iterator[tuple[list[Pair], SimilarityMap]]:
        """Every `n_pairs` pairs and their maps, all of which come from one matrix product."""
        from kapbench.features import match

        cells, queries, exponents = zip(*(self._source(p.source) for p in pairs), strict=True)
        ends = np.cumsum([0, *map(len, cells)])
        image = np.repeat(np.arange(len(pairs)), np.diff(ends))
        first, inverse = match.distinct(np.concatenate(cells), image)
        maps = match.similarity(
            np.concatenate(queries)[first],
            target,
            self.similarity,
            self.device,
            np.asarray(exponents)[image[first]],
        ).reshape(-1, target.grid.height, target.grid.width)
        for i in range(0, len(pairs), n_pairs):
            batch = pairs[i : i + n_pairs]
            rows = inverse[ends[i] : ends[i + len(batch)]]
            xy = np.concatenate([visible_keypoints(p.source) for p in batch])
            yield batch, SimilarityMap(maps[rows], target.grid, xy)

    def _source(self, view: View) -> tuple[Int[np.ndarray, "q"], Float16[np.ndarray, "q c"], int]:
        """Cells of an image's keypoints, their features and the exponent of these, read once."""
        if view.image_id not in self._sources:
            image = self.hashes[view.image_id]
            grid, exponent = self.cache.grid_and_exponent(image)
            cells = source_cells(grid, view.size, visible_keypoints(view))
            rows = self.cache.rows(image, cells)
            if not rows.any():
                self._refuse_zero(self.cache.read(image), view)
            self._sources[view.image_id] = cells, rows, exponent
        return self._sources[view.image_id]

    def _interpolated(self, pairs: list[Pair], target: CachedMap) -> InterpolatedMaps:
        """Maps of the features interpolated at every keypoint, where a decode asks for them."""
        from kapbench.features import match

        maps: InterpolatedMaps = {}
        for decode in self.needs.decodes:
            if decode.source == "cell" or place_of(decode) in maps:
                continue
            queries, exponents = [], []
            for view in (p.source for p in pairs):
                image, xy = self.hashes[view.image_id], visible_keypoints(view)
                grid, exponent = self.cache.grid_and_exponent(image)
                cells, weights = interpolated_cells(decode, grid, view.size, xy)
                rows = self.cache.rows(image, cells.reshape(-1)).reshape(*cells.shape, -1)
                queries.append(match.interpolated(rows, weights, self.similarity))
                exponents += [exponent] * len(xy)
            values = match.similarity(
                np.concatenate(queries),
                target,
                self.similarity,
                self.device,
                np.array(exponents),
                unit_queries=False,
            )
            maps[place_of(decode)] = values.reshape(-1, target.grid.height, target.grid.width)
        return maps

    def _refuse_zero(self, features: CachedMap, view: View) -> None:
        """Features that an earlier version kept, or another program wrote."""
        middle = features.cells[len(features.cells) // 2]
        if not middle.any():  # else there is no need to look at all
            place = f"image {view.image_id}, {self.cache.path(self.hashes[view.image_id])}"
            refuse_zero(features.cells, self.similarity, place)

    def _pixels(self, pairs: list[Pair], target: CachedMap) -> dict[str, np.ndarray] | None:
        """Predicted pixels of the decodes that upsample features; None where no rule has one."""
        from kapbench.features import match

        keys = [d.key for d in self.needs.decodes if d.offset == "pixel"]
        if not keys:
            return None
        queries = []
        for source in (p.source for p in pairs):
            features = self.cache.read(self.hashes[source.image_id])
            queries.append(match.features_at(features, visible_keypoints(source), source.size))
        size = pairs[0].target.size
        pixels = match.pixel_argmax(np.concatenate(queries), target, size, self.device)
        return dict.fromkeys(keys, pixels)


@dataclass
class PairModelScorer:
    """Calls a model that must see both images."""

    model: PairModel
    dataset: Dataset
    needs: Needs
    seconds_per_image: float | None = None
    keypoints_in_use: KeypointsInUse | None = None
    masks: TargetMasks = field(default_factory=TargetMasks)

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        for pairs in by_target:
            yield from self._rows(pairs)

    def _rows(self, pairs: list[Pair]) -> Iterator[Columns]:
        target = make_picture(self.dataset, pairs[0].target, self.model.conditions_on)
        mask = self.masks(pairs[0].target)
        for pair in pairs:
            source = make_picture(self.dataset, pair.source, self.model.conditions_on)
            queries = visible_keypoints(pair.source)
            maps = similarity_map(self.model, pair, source, copy_picture(target), queries)
            yield pair_columns(pair, maps, self.needs, None, self.keypoints_in_use, mask)


@dataclass
class OracleScorer:
    """Calls the oracle once per decode and geometry: each calls another cell the nearest."""

    model: AnnotatedModel
    needs: Needs
    seconds_per_image: float | None = None
    keypoints_in_use: KeypointsInUse | None = None
    masks: TargetMasks = field(default_factory=TargetMasks)

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        for pair in chain.from_iterable(by_target):

            def maps(rule: Decode | Geometry, pair: Pair = pair) -> SimilarityMap:
                def anchor(grid: Grid) -> Float[np.ndarray, "h w 2"]:
                    return anchor_points(rule, grid, pair.target.size)

                return self.model.match_pair(pair, anchor)

            mask = self.masks(pair.target)
            yield pair_columns(pair, maps, self.needs, None, self.keypoints_in_use, mask)
