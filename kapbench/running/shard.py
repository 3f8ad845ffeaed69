"""Scoring one shard: read features or ask a pair model, return rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pandas as pd
from jaxtyping import Float, Float16, Int

from kapbench.features.cache import CachedMap, FeatureCache
from kapbench.protocols import AnnotatedModel, Dataset, PairModel
from kapbench.running.answers import similarity_map
from kapbench.running.pictures import picture
from kapbench.running.plan import Shard
from kapbench.scoring.cells import source_cells
from kapbench.scoring.records import Columns, Needs, anchor_points, pair_columns, table
from kapbench.scoring.rules import Decode, Geometry
from kapbench.types import Grid, Pair, SimilarityMap, View

PairScorer = Callable[[list[Pair]], Iterator[Columns]]


def score_shard(shard: Shard, scorer: PairScorer) -> pd.DataFrame:
    """Rows of all pairs of a shard, with each pair's place in the data set's order."""
    parts: list[Columns] = []
    places = iter(shard.places)
    for _, group in groupby(shard.pairs, key=lambda pair: pair.target.image_id):
        of_target = list(group)
        for _, columns in zip(of_target, scorer(of_target), strict=True):
            n = len(columns["keypoint"])
            parts.append({"place": np.full(n, next(places), np.int64), **columns})
    return table(parts)


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

    def __call__(self, pairs: list[Pair]) -> Iterator[Columns]:
        target = self.cache.read(self.hashes[pairs[0].target.image_id])
        for pair, given in zip(pairs, self.maps(pairs, target), strict=True):
            yield pair_columns(pair, given, self.needs, self._pixels(pair, target))

    def maps(self, pairs: list[Pair], target: CachedMap) -> Iterator[SimilarityMap]:
        """Of each pair, the maps of its source-visible keypoints; all pairs are of one target."""
        from kapbench.features import match

        cells, queries = zip(*(self._source(p.source) for p in pairs), strict=True)
        image = np.repeat(np.arange(len(pairs)), [len(c) for c in cells])
        first, inverse = match.distinct(np.concatenate(cells), image)
        maps = match.similarity(
            np.concatenate(queries)[first], target, self.similarity, self.device
        )
        start = 0
        for pair, mine in zip(pairs, cells, strict=True):
            chosen = maps[inverse[start : start + len(mine)]]
            start += len(mine)
            values = chosen.reshape(-1, target.grid.height, target.grid.width)
            yield SimilarityMap(values, target.grid, shown_keypoints(pair.source))

    def _source(self, view: View) -> tuple[Int[np.ndarray, "q"], Float16[np.ndarray, "q c"]]:
        """Cells of an image's keypoints and the features there, read once."""
        if view.image_id not in self._sources:
            image = self.hashes[view.image_id]
            cells = source_cells(self.cache.grid(image), view.size, shown_keypoints(view))
            self._sources[view.image_id] = cells, self.cache.rows(image, cells)
        return self._sources[view.image_id]

    def _pixels(self, pair: Pair, target: CachedMap) -> dict[str, np.ndarray] | None:
        """Predicted pixels of the decodes that upsample features; None where none is asked for."""
        from kapbench.features import match

        keys = [d.key for d in self.needs.decodes if d.offset == "pixel"]
        if not keys:
            return None
        source = self.cache.read(self.hashes[pair.source.image_id])
        queries = match.features_at(source, shown_keypoints(pair.source), pair.source.size)
        found = match.pixel_argmax(queries, target, pair.target.size, self.device)
        return dict.fromkeys(keys, found)


@dataclass
class PairModelScorer:
    """Asks a model that must see both images."""

    model: PairModel
    dataset: Dataset
    needs: Needs

    def __call__(self, pairs: list[Pair]) -> Iterator[Columns]:
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

    def __call__(self, pairs: list[Pair]) -> Iterator[Columns]:
        for pair in pairs:

            def maps(rule: Decode | Geometry, pair: Pair = pair) -> SimilarityMap:
                def anchor(grid: Grid) -> Float[np.ndarray, "h w 2"]:
                    return anchor_points(rule, grid, pair.target.size)

                return self.model.match_pair(pair, anchor)

            yield pair_columns(pair, maps, self.needs)
