"""Scoring one shard: read features or ask a pair model, return rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby

import numpy as np
import pandas as pd
from jaxtyping import Float, Float16, Int

from kapbench.features.cache import CachedMap, FeatureCache
from kapbench.features.threads import ahead
from kapbench.models.inputs import picture
from kapbench.models.outputs import similarity_map
from kapbench.protocols import AnnotatedModel, Dataset, PairModel
from kapbench.running.local_executors import set_threads, threads
from kapbench.running.plan import Shard
from kapbench.scoring.build_records import pair_columns, table, target_columns
from kapbench.scoring.grid_geometry import anchor_points, source_cells
from kapbench.scoring.rules import Decode, Geometry
from kapbench.scoring.schema import Columns, Needs
from kapbench.types import Grid, Pair, SimilarityMap, View

PAIRS_AT_ONCE = 16  # more gain nothing: maps of 60×60 cells leave the processor's cache
MOST_THREADS = 8  # each holds all maps of one target
# Lists of pairs of one target each: the rows of all of them, in order.
PairScorer = Callable[[Sequence[list[Pair]]], Iterator[Columns]]


def score_shard(shard: Shard, scorer: PairScorer) -> pd.DataFrame:
    """Rows of all pairs of a shard, with each pair's place in the data set's order."""
    by_target = groupby(shard.pairs, key=lambda pair: pair.target.image_id)
    rows = table(list(scorer([list(pairs) for _, pairs in by_target])))
    n_rows = [pair.source.keypoints.visible.sum() for pair in shard.pairs]
    rows.insert(0, "place", np.repeat(np.asarray(shard.places, np.int64), n_rows))
    return rows


def shown_keypoints(view: View) -> Float[np.ndarray, "q 2"]:
    return np.asarray(view.keypoints.xy[view.keypoints.visible])


@dataclass
class EncoderScorer:
    """Scores pairs of one target from cached features. Holds no model: any process can run it."""

    cache: FeatureCache
    hashes: dict[str, str]  # image_id → hash in the cache
    similarity: str
    needs: Needs
    device: str = "cpu"
    seconds_per_image: float | None = None  # from file to features; None: not all were made now
    _sources: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        before = threads()
        n = min(before, MOST_THREADS)
        try:
            for rows in ahead(self._rows, by_target, n, n):
                yield from rows
        finally:
            set_threads(before)  # else threads that start later may have one, as these had

    def _rows(self, pairs: list[Pair]) -> list[Columns]:
        """Of one target."""
        target = self.cache.read(self.hashes[pairs[0].target.image_id])
        # A data set may annotate one image otherwise in each pair.
        alike = all(pair.target is pairs[0].target for pair in pairs)
        return [
            target_columns(some, given, self.needs, self._pixels(some, target))
            for some, given in self._stretches(pairs, target, PAIRS_AT_ONCE if alike else 1)
        ]

    def maps(self, pairs: list[Pair], target: CachedMap) -> Iterator[SimilarityMap]:
        """Of each pair, the maps of its source-visible keypoints; all pairs are of one target."""
        return (given for _, given in self._stretches(pairs, target, 1))

    def _stretches(
        self, pairs: list[Pair], target: CachedMap, n_pairs: int
    ) -> Iterator[tuple[list[Pair], SimilarityMap]]:
        """Every `n_pairs` pairs and their maps, all of which come from one matrix product."""
        from kapbench.features import match

        cells, queries = zip(*(self._source(p.source) for p in pairs), strict=True)
        ends = np.cumsum([0, *map(len, cells)])
        image = np.repeat(np.arange(len(pairs)), np.diff(ends))
        first, inverse = match.distinct(np.concatenate(cells), image)
        maps = match.similarity(
            np.concatenate(queries)[first], target, self.similarity, self.device
        ).reshape(-1, target.grid.height, target.grid.width)
        for i in range(0, len(pairs), n_pairs):
            some = pairs[i : i + n_pairs]
            mine = inverse[ends[i] : ends[i + len(some)]]
            at = np.concatenate([shown_keypoints(p.source) for p in some])
            yield some, SimilarityMap(maps[mine], target.grid, at)

    def _source(self, view: View) -> tuple[Int[np.ndarray, "q"], Float16[np.ndarray, "q c"]]:
        """Cells of an image's keypoints and the features there, read once."""
        if view.image_id not in self._sources:
            image = self.hashes[view.image_id]
            cells = source_cells(self.cache.grid(image), view.size, shown_keypoints(view))
            self._sources[view.image_id] = cells, self.cache.rows(image, cells)
        return self._sources[view.image_id]

    def _pixels(self, pairs: list[Pair], target: CachedMap) -> dict[str, np.ndarray] | None:
        """Predicted pixels of the decodes that upsample features; None where none is asked for."""
        from kapbench.features import match

        keys = [d.key for d in self.needs.decodes if d.offset == "pixel"]
        if not keys:
            return None
        queries = []
        for source in (p.source for p in pairs):
            features = self.cache.read(self.hashes[source.image_id])
            queries.append(match.features_at(features, shown_keypoints(source), source.size))
        joined = np.concatenate(queries)
        found = match.pixel_argmax(joined, target, pairs[0].target.size, self.device)
        return dict.fromkeys(keys, found)


@dataclass
class PairModelScorer:
    """Asks a model that must see both images."""

    model: PairModel
    dataset: Dataset
    needs: Needs

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        for pairs in by_target:
            yield from self._rows(pairs)

    def _rows(self, pairs: list[Pair]) -> Iterator[Columns]:
        target = picture(self.dataset, pairs[0].target, self.model.conditions_on)
        for pair in pairs:
            source = picture(self.dataset, pair.source, self.model.conditions_on)
            queries = shown_keypoints(pair.source)
            given = similarity_map(self.model, pair, source, target, queries)
            yield pair_columns(pair, given, self.needs)


@dataclass
class OracleScorer:
    """Asks the oracle for one map per decode and geometry: each calls another cell the nearest."""

    model: AnnotatedModel
    needs: Needs

    def __call__(self, by_target: Sequence[list[Pair]]) -> Iterator[Columns]:
        for pair in chain.from_iterable(by_target):

            def maps(rule: Decode | Geometry, pair: Pair = pair) -> SimilarityMap:
                def anchor(grid: Grid) -> Float[np.ndarray, "h w 2"]:
                    return anchor_points(rule, grid, pair.target.size)

                return self.model.match_pair(pair, anchor)

            yield pair_columns(pair, maps, self.needs)
