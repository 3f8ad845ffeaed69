"""Noise dressed up as a model: it is refused, or scores no more than models without information do.

The limit is the best of the controls, plus 2 points for so few pairs. The controls are `random`,
`constant`, the prevalence, and maps that are constant, each at a level of its own drawn by chance.
That last one knows nothing either, and orders the keypoints of a pair by chance: with few samples in
a pair, average precision of a random order is above their share of positives, so that its score is
what a model gets for no information. It needs no extreme value and no odd grid, so it lends nothing to
the attacks. It is part of the limit because of few pairs, and not a model that may score more.

A model that is scored has as many samples as the controls: none is lost on the way to a score.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import kapbench
from campaign.case import Case
from kapbench.errors import KapbenchError
from kapbench.running.result_set import ResultSet
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap

NAME, SHORT, FULL = "noise models", 8, 162
DATASET = "synthetic.small"
RULES = ("kap-cvpr24", "kap-neurips25-fixed", "kap-v1")
CHANCE = 0.02  # by which noise on so few pairs exceeds the highest of the controls
Values = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Place = Callable[[tuple[int, int], int, int], Grid]


@dataclass(frozen=True)
class NoisePairs:
    """A pair model that looks at nothing but the names of the images."""

    name: str
    values: Values
    shape: tuple[int, int] = (60, 60)
    place: Place = Grid.stretched
    revision: str = "1"
    conditions_on: tuple[str, ...] = ()

    def match(self, source: Picture, target: Picture, queries: np.ndarray) -> SimilarityMap:
        rng = np.random.default_rng([*f"{source.image_id}>{target.image_id}".encode()])
        maps = self.values(rng, (len(queries), *self.shape))
        return SimilarityMap(maps, self.place(target.size, *self.shape), queries)


@dataclass(frozen=True)
class NoiseEncoder:
    """An encoder of features that are drawn for each image."""

    name: str
    values: Values
    shape: tuple[int, int] = (60, 60)
    place: Place = Grid.stretched
    similarity: str = "dot"
    revision: str = "1"
    conditions_on: tuple[str, ...] = ()

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        return [
            FeatureMap(
                self.values(np.random.default_rng([*p.image_id.encode()]), (4, *self.shape)),
                self.place(p.size, *self.shape),
            )
            for p in pictures
        ]


def cases(seed: int) -> Iterator[Case]:
    """Honest noise, which must be scored, then one attack of every family in turn."""
    for honest in (NoisePairs("pairs", _uniform32), NoiseEncoder("features", _uniform32)):
        yield Case(f"control: {honest.name} of noise are scored", partial(_check_scored, honest))
    order = random.Random(seed)
    waiting = [list(family()) for family in _FAMILIES]
    for family in waiting:
        order.shuffle(family)
    while any(waiting):
        for family in waiting:
            if family:
                model = family.pop()
                yield Case(model.name, partial(_check, model))


def _check_scored(model: NoisePairs | NoiseEncoder, folder: Path) -> str | None:
    try:
        _evaluate(model, folder)
    except KapbenchError as error:
        return f"honest noise is refused: {error}"
    return _check(model, folder)


def _check(model: NoisePairs | NoiseEncoder, folder: Path) -> str | None:
    with np.errstate(all="ignore"):
        try:
            result = _evaluate(model, folder)
        except KapbenchError:
            return None
    highest, samples = _without_information()
    wrong = [
        f"{rule} {100 * value:.1f}, and models without information have up to {100 * most:.1f}"
        for rule, most in highest.items()
        if not (value := result.headline(rule)) <= most + CHANCE
    ]
    if _n_samples(result) != samples:
        wrong.append("other numbers of samples than the controls")
    return "; ".join(wrong) or None


def _evaluate(model: object, folder: Path) -> ResultSet:
    return kapbench.evaluate(
        model, DATASET, rule=RULES, intervals=False, cache=folder / "cache", device="cpu"
    )


@cache
def _without_information() -> tuple[dict[str, float], dict[str, list[int]]]:
    """The highest score of the controls and the prevalence, and the number of samples, by rule.

    Average precision of the few samples of one pair in a random order is above their prevalence, so
    a random level for each map is a third control: it orders the keypoints by chance.
    """
    levels = NoisePairs("random levels", _level(1.0))
    with TemporaryDirectory() as folder:
        controls = [_evaluate(model, Path(folder)) for model in ("random", "constant", levels)]
    highest = {rule: max(c.headline(rule) for c in controls) for rule in RULES}
    for row in controls[0].card.scores:
        if row.metric == "prevalence" and row.category == "mean" and row.alpha == 0.10:
            highest[row.rule] = max(highest[row.rule], row.value or 0.0)
    return highest, _n_samples(controls[0])


def _n_samples(result: ResultSet) -> dict[str, list[int]]:
    rows = [row for row in result.card.scores if row.metric == "prevalence"]
    return {rule: [row.n for row in rows if row.rule == rule] for rule in RULES}


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape) - 0.5


def _uniform32(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape, np.float32)


def _scaled(factor: float, offset: float = 0.0, kind: type = np.float32) -> Values:
    return lambda rng, shape: (_uniform(rng, shape) * factor + offset).astype(kind)


def _one_cell(row: int, column: int) -> Values:
    def values(_rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        maps = np.zeros(shape, np.float32)
        maps[:, row % shape[1], column % shape[2]] = 1.0
        return maps

    return values


def _with(value: float, share: float) -> Values:
    def values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return np.where(rng.random(shape) < share, np.float32(value), rng.random(shape))

    return values


def _level(spread: float) -> Values:
    """Every cell of a map has the same value; maps differ by up to `spread`."""
    return lambda rng, shape: np.broadcast_to(
        (rng.random((shape[0], 1, 1)) * spread).astype(np.float32), shape
    )


def _box(share: float, at: float) -> Place:
    """A grid over a share of the image's width and height, or over many times as much."""

    def place(size: tuple[int, int], height: int, width: int) -> Grid:
        (w, h), low, high = size, at - share / 2, at + share / 2
        return Grid(height, width, (w * low, h * low, w * high, h * high))

    return place


def _scales() -> Iterator[NoisePairs]:
    for factor, kind in product(
        (1e-45, 3e-44, 1e-39, 1e-30, 1.0, 1e30, 3e37, 3.3e38, 6e38, 6.8e38),
        (np.float32, np.float64),
    ):
        yield NoisePairs(f"noise × {factor:g} as {kind.__name__}", _scaled(factor, kind=kind))


def _offsets() -> Iterator[NoisePairs]:
    for offset in (-3e38, -1e30, -1e8, -1.0, 1e4, 1e8, 1e30, 3e38):
        for factor in (1.0, abs(offset) / 1e6, abs(offset)):
            yield NoisePairs(f"noise × {factor:g} + {offset:g}", _scaled(factor, offset))


def _beyond() -> Iterator[NoisePairs]:
    for value in (np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -0.0):
        for share in (1e-4, 0.5, 1.0):
            yield NoisePairs(f"{value:g} in {share:g} of the cells", _with(value, share))


_FEW = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2), (1, 8), (8, 1), (2, 4))


def _coarse_grids() -> Iterator[NoisePairs]:
    for shape in (*_FEW, (3, 3), (1, 9), (9, 1), (2, 5), (4, 4), (200, 200)):
        yield NoisePairs(f"noise on {shape[0]}×{shape[1]} cells", _uniform, shape)


def _one_high() -> Iterator[NoisePairs]:
    for shape in (*_FEW, (3, 3), (4, 4), (60, 60)):
        for row, column in ((0, 0), (shape[0] // 2, shape[1] // 2), (-1, -1)):
            name = f"cell ({row}, {column}) of {shape[0]}×{shape[1]} is high"
            yield NoisePairs(name, _one_cell(row, column), shape)


def _odd_boxes() -> Iterator[NoisePairs]:
    for share, at in product((1e-6, 0.1, 0.5, 1.9, 10.0, 1e4), (0.0, 0.5, 1.0)):
        name = f"on a grid of {share:g} images around {at:g}"
        yield NoisePairs(f"noise {name}", _uniform, place=_box(share, at))
        yield NoisePairs(f"a high cell {name}", _one_cell(30, 30), place=_box(share, at))


def _constant() -> Iterator[NoisePairs]:
    for spread in (0.0, 1e-45, 1.0, 3e38):
        yield NoisePairs(f"constant maps, up to {spread:g} apart", _level(spread))


def _encoders() -> Iterator[NoiseEncoder]:
    for similarity, factor in product(("dot", "neg_l2"), (1e-40, 1e-8, 1.0, 1e4, 1e30)):
        name = f"features × {factor:g} by {similarity}"
        yield NoiseEncoder(name, _scaled(factor), similarity=similarity)
    for shape in _FEW:
        yield NoiseEncoder(f"features of {shape[0]}×{shape[1]} cells", _uniform, shape)
    for share in (0.1, 10.0, 1e4):
        name = f"features on a grid of {share:g} images"
        yield NoiseEncoder(name, _one_cell(30, 30), place=_box(share, 0.5))


_FAMILIES = (_scales, _offsets, _beyond, _coarse_grids, _one_high, _odd_boxes, _constant, _encoders)
