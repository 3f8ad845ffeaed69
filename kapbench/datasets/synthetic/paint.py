"""Colours on surfaces as functions of the point: nothing is stored, both sides are one formula."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kapbench.datasets.synthetic.mesh import Array, Paint

Colour = tuple[float, float, float]


def hue(h: float, saturation: float, value: float) -> Colour:
    """sRGB of a hue in turns."""
    k = (np.array([5.0, 3.0, 1.0]) + h * 6) % 6
    r, g, b = (value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)).tolist()
    return r, g, b


def noise(points: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n"]:
    """Value noise in 0..1 of period-free lattice values; the same on every machine."""
    cell = np.floor(points)
    frac = points - cell
    frac = frac * frac * (3 - 2 * frac)
    base = cell.astype(np.int64).astype(np.uint32)
    primes = np.array([374761393, 668265263, 2246822519], dtype=np.uint32)
    total = np.zeros(len(points))
    for corner in range(1 << points.shape[1]):
        bits = [(corner >> d) & 1 for d in range(points.shape[1])]
        h = np.full(len(points), (seed * 40503 + 2654435769) & 0xFFFFFFFF, dtype=np.uint32)
        weight = np.ones(len(points))
        for d, bit in enumerate(bits):
            h ^= (base[:, d] + np.uint32(bit)) * primes[d]
            h = (h ^ (h >> np.uint32(15))) * np.uint32(2246822519)
            weight *= frac[:, d] if bit else 1 - frac[:, d]
        total += weight * ((h ^ (h >> np.uint32(13))) & np.uint32(0xFFFF)) / 65535.0
    return total


def plain(colour: Colour, gloss: float = 0.1) -> Paint:
    """One colour everywhere."""
    value = np.array([*colour, gloss])
    return lambda points, _: np.tile(value, (len(points), 1))


def over(under: Array, cover: Array, colour: Colour, gloss: float | None = None) -> Array:
    """Lays a colour over [n 4] with a share 0..1 [n]; returns a new array."""
    top = under.copy()
    top[:, :3] = colour
    if gloss is not None:
        top[:, 3] = gloss
    share = np.asarray(cover, dtype=float)[:, None]
    return np.asarray(under * (1 - share) + top * share)


def band(value: Array, low: float, high: float) -> Array:
    """1 inside an interval, else 0."""
    inside: Array = ((value > low) & (value < high)).astype(float)
    return inside


def _surface_uv(points: Array, normals: Array) -> Array:
    """The two coordinates that lie flattest in the surface [n 2]."""
    axis = np.abs(normals).argmax(axis=1)
    first = np.where(axis == 0, 1, 0)
    second = np.where(axis == 2, 1, 2)
    rows = np.arange(len(points))
    return np.stack([points[rows, first], points[rows, second]], axis=1)


def stripes(points: Array, _normals: Array) -> Array:
    """Oblique bands, one a unit of length."""
    return band((points[:, 0] + 0.6 * points[:, 2]) % 1.0, 0.0, 0.45)


def hoops(points: Array, _normals: Array) -> Array:
    """Wavering upright bands, as of a tiger."""
    wave = 0.25 * np.sin(5.0 * points[:, 2]) + 0.15 * np.sin(9.0 * points[:, 1])
    return band((points[:, 0] + wave) % 1.0, 0.0, 0.42)


def spots(points: Array, normals: Array) -> Array:
    """Round dots, one a unit square."""
    centred = (_surface_uv(points, normals)) % 1.0 - 0.5
    return band(np.hypot(centred[:, 0], centred[:, 1]), -1.0, 0.34)


def checks(points: Array, normals: Array) -> Array:
    """A chessboard of half units."""
    cell = np.floor(2 * _surface_uv(points, normals)).sum(axis=1)
    return np.asarray((cell % 2).astype(float))


def patches(points: Array, _normals: Array) -> Array:
    """Irregular blotches, as of a cow."""
    return band(noise(points * 0.9 + 40.0, 11), 0.55, 2.0)


@dataclass(frozen=True)
class Marks:
    """What the two sides of a category wear: the knob of the data set.

    The left side always wears the first kind. At marking 0 the right side wears its mirror image,
    at 1 the second kind, in between a blend. How much paint a side carries, and with it how
    textured it is, does not depend on the knob.
    """

    marking: float  # 0..1
    unit: float  # size of the pattern in the object's units
    colours: tuple[Colour, Colour]  # left, right
    patterns: tuple[Paint, Paint]  # left, right: share of cover [n] at points in pattern units
    strength: float = 1.0
    wash: float = 0.85  # of the side's colour under its pattern

    def shares(self, points: Array) -> tuple[Array, Array]:
        """Weights of the first and the second kind, changing over in the middle plane."""
        right = np.clip(0.5 - points[:, 1] / (0.3 * self.unit), 0.0, 1.0)
        return 1.0 - self.marking * right, self.marking * right

    def pattern(
        self, under: Array, points: Array, normals: Array, cover: Array | float = 1.0
    ) -> Array:
        """Lays both patterns over a painted surface [n 4]."""
        folded = np.stack([points[:, 0], np.abs(points[:, 1]), points[:, 2]], axis=1) / self.unit
        flat_normals = np.abs(normals)
        under = self.tint(under, points, self.wash * np.broadcast_to(cover, len(points)))
        kinds = zip(self.shares(points), self.colours, self.patterns, strict=True)
        for share, colour, pattern in kinds:
            amount = cover * share * self.strength * pattern(folded, flat_normals)
            under = over(under, amount, colour)
        return under

    def tint(self, under: Array, points: Array, amount: Array | float = 0.7) -> Array:
        """Colours a small part by its side."""
        left, right = self.shares(points)
        left_colour, right_colour = np.array(self.colours)
        mixed = left[:, None] * left_colour + right[:, None] * right_colour
        share = np.broadcast_to(np.asarray(amount, float), (len(points),))[:, None]
        return np.concatenate([under[:, :3] * (1 - share) + mixed * share, under[:, 3:]], axis=1)

    def tinted(self, colour: Colour, gloss: float = 0.1, amount: float = 0.6) -> Paint:
        """Paint of a small part: its own colour, tinted by its side."""
        base = plain(colour, gloss)
        return lambda points, normals: self.tint(base(points, normals), points, amount)
