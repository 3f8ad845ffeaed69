"""Closed surfaces to build objects from. Frame: x forward, y to the object's left, z up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray
Paint = Callable[[Array, Array], Array]  # points [n 3], normals [n 3] -> sRGB and gloss [n 4]


@dataclass(frozen=True)
class Part:
    """One surface with one paint."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    normals: Float[np.ndarray, "n 3"]  # of unit length, outwards
    paint: Paint

    def mirrored(self) -> "Part":
        """The same part beyond the plane y = 0; its paint is a function of the point."""
        flip = np.array([1.0, -1.0, 1.0])
        vertices, normals = self.vertices * flip, self.normals * flip
        return replace(self, vertices=vertices, normals=normals, faces=self.faces[:, ::-1])


@dataclass(frozen=True)
class Solid:
    """An object: its parts and its named keypoints; one that it has not is NaN."""

    parts: tuple[Part, ...]
    keypoints: dict[str, Array]

    @property
    def vertices(self) -> Float[np.ndarray, "n 3"]:
        return np.concatenate([p.vertices for p in self.parts])

    @property
    def faces(self) -> Int[np.ndarray, "m 3"]:
        starts = np.cumsum([0] + [len(p.vertices) for p in self.parts[:-1]])
        return np.concatenate([p.faces + s for p, s in zip(self.parts, starts, strict=True)])

    @property
    def normals(self) -> Float[np.ndarray, "n 3"]:
        return np.concatenate([p.normals for p in self.parts])

    @property
    def part_of_face(self) -> Int[np.ndarray, "m"]:
        return np.repeat(np.arange(len(self.parts)), [len(p.faces) for p in self.parts])

    @property
    def extent(self) -> float:
        """Diagonal of the bounding box."""
        v = self.vertices
        return float(np.linalg.norm(v.max(axis=0) - v.min(axis=0)))


def both(part: Part) -> list[Part]:
    """A part of the left side and its mirror image."""
    return [part, part.mirrored()]


def smooth(vertices: Array, faces: Array, paint: Paint) -> Part:
    """A part whose normals are averaged over the faces that share a vertex."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return Part(vertices, faces, normals / np.maximum(length, 1e-12), paint)


def loft(rings: Sequence[Array], paint: Paint) -> Part:
    """A closed skin over rings [m 3] of equal length; both ends are capped flat.

    Rings run so that their own turning, seen from the last ring, is counter-clockwise.
    """
    n_rings, n_around = len(rings), len(rings[0])
    vertices = np.concatenate(rings)
    i, j = np.meshgrid(np.arange(n_rings - 1), np.arange(n_around), indexing="ij")
    k = (j + 1) % n_around
    low, high = i * n_around, (i + 1) * n_around
    a, b, c, d = low + j, low + k, high + k, high + j
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    parts = [vertices]
    start = len(vertices)
    for ring, turn in ((rings[0], -1), (rings[-1], 1)):  # own vertices: a cap's edge is sharp
        parts.append(np.vstack([ring, ring.mean(axis=0)]))
        around = np.arange(n_around)
        middle = np.full(n_around, n_around)
        cap = np.stack([around, (around + 1) % n_around, middle], -1)
        faces.append(start + cap[:, ::turn])
        start += n_around + 1
    return smooth(np.concatenate(parts), np.concatenate(faces), paint)


def ring(
    centre: Sequence[float],
    half: tuple[float, float],
    axis: str = "x",
    power: float = 2.0,
    n: int = 32,
) -> Array:
    """A superellipse (power 2: an ellipse, above: a rounded box) across an axis.

    `half` are the half sizes along the two other axes in the order (y, z), (z, x) or (x, y).
    """
    t = (np.arange(n) + 0.5) * 2 * np.pi / n  # symmetric to both axes for every n divisible by 4
    u = half[0] * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power)
    v = half[1] * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power)
    order = {"x": (np.zeros(n), u, v), "y": (v, np.zeros(n), u), "z": (u, v, np.zeros(n))}[axis]
    return np.asarray(np.stack(order, axis=1) + np.asarray(centre, dtype=float))


def tube(
    path: Sequence[Sequence[float] | Array],
    radii: Sequence[float | tuple[float, float]],
    paint: Paint,
    n: int = 16,
) -> Part:
    """A round limb along a path; a radius may be (sideways, across) of the path's x-z plane."""
    points = np.asarray(path, dtype=float)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0])
    t = (np.arange(n) + 0.5) * 2 * np.pi / n
    rings = []
    for point, tangent, radius in zip(points, tangents, radii, strict=True):
        r_side, r_across = radius if isinstance(radius, tuple) else (radius, radius)
        u = side - tangent * (side @ tangent)
        u /= np.linalg.norm(u)
        v = np.cross(tangent, u)
        rings.append(point + r_side * np.cos(t)[:, None] * u + r_across * np.sin(t)[:, None] * v)
    return loft(rings, paint)


def ellipsoid(
    centre: Sequence[float] | Array, half: Sequence[float], paint: Paint, n: int = 16
) -> Part:
    """An ellipsoid with axes along the frame's."""
    latitude = np.linspace(-1, 1, n // 2 + 1) * np.pi / 2 * 0.97
    rings = [ring((np.sin(a), 0, 0), (float(np.cos(a)), float(np.cos(a))), n=n) for a in latitude]
    unit = loft(rings, paint)
    scaled = unit.vertices * np.asarray(half) + np.asarray(centre)
    return smooth(scaled, unit.faces, paint)


def wheel(centre: Sequence[float], radius: float, width: float, paint: Paint, n: int = 32) -> Part:
    """A disc with rounded shoulders, axle along y, centred on `centre`."""
    x, y, z = centre
    profile = [(-0.5, 0.80), (-0.42, 0.95), (-0.2, 1.0), (0.2, 1.0), (0.42, 0.95), (0.5, 0.80)]
    rings = [ring((x, y + o * width, z), (radius * r, radius * r), "y", n=n) for o, r in profile]
    return loft(rings, paint)


def box(centre: Sequence[float], half: Sequence[float], paint: Paint, bevel: float = 0.15) -> Part:
    """A box with bevelled edges; `bevel` is a share of the smallest half size."""
    hx, hy, hz = half
    b = bevel * min(half)
    x, y, z = centre
    levels = [(-hz, b), (-hz + b, 0.0), (hz - b, 0.0), (hz, b)]
    rings = []
    for dz, inset in levels:
        ax, ay = hx - inset, hy - inset
        u, v = ax - b, ay - b
        corner = [(ax, -v), (ax, v), (u, ay), (-u, ay), (-ax, v), (-ax, -v), (-u, -ay), (u, -ay)]
        rings.append(np.array([(x + cx, y + cy, z + dz) for cx, cy in corner]))
    return flat(loft(rings, paint))


def flat(part: Part) -> Part:
    """The same surface with one normal a face: for things with edges."""
    vertices = part.vertices[part.faces].reshape(-1, 3)
    return smooth(vertices, np.arange(len(vertices)).reshape(-1, 3), part.paint)


def slab(
    outline_low: Sequence[Sequence[float]], outline_high: Sequence[Sequence[float]], paint: Paint
) -> Part:
    """A prism between two outlines [m 3] (wings, fins, backs)."""
    return flat(loft([np.asarray(outline_low, float), np.asarray(outline_high, float)], paint))
