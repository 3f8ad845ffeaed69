"""Airliners. Frame: x forward, y to the object's left, z up, from the ground."""

import numpy as np

from kapbench.datasets.synthetic.keypoints import GLASS, on_surface, pair
from kapbench.datasets.synthetic.mesh import Array, Paint, Part, Solid, both, loft, ring, slab, tube
from kapbench.datasets.synthetic.paint import Colour, Marks, band, hue, over, plain, spots, stripes

Ends = tuple[float, float]


def aeroplane(rng: np.random.Generator, marking: float) -> Solid:
    """Airliner: fuselage with a row of windows, swept wings, engines, tail."""
    length, radius = rng.uniform(5.0, 6.2), rng.uniform(0.32, 0.42)
    half, span, sweep = length / 2, rng.uniform(2.4, 3.0), rng.uniform(0.6, 1.2)
    z, fin = 0.9, rng.uniform(0.9, 1.2)
    marks = Marks(marking, 0.45, ((0.95, 0.35, 0.1), (0.08, 0.15, 0.5)), (stripes, spots))
    white = plain((0.9, 0.9, rng.uniform(0.82, 0.95)), 0.4)
    livery = hue(rng.random(), 0.8, 0.7)

    def hull(points: Array, normals: Array) -> Array:
        value = over(white(points, normals), points[:, 2] < z - radius * 0.35, livery)
        side = np.abs(normals[:, 1]) > 0.3
        value = marks.pattern(value, points, normals, side * (points[:, 0] < half * 0.5))
        row = band(points[:, 2], z + 0.02, z + 0.13) * side * (points[:, 0] < half * 0.62)
        value = over(value, row * ((points[:, 0] * 5) % 1 < 0.5), GLASS, 0.8)
        cockpit = band(points[:, 0], half * 0.74, half * 0.86)
        return over(value, cockpit * band(points[:, 2], z + 0.08, z + 0.24), GLASS, 0.9)

    along = (-1.0, -0.75, -0.45, 0.0, 0.55, 0.78, 0.92, 1.0)
    thickness = (0.12, 0.55, 0.95, 1, 1, 0.86, 0.55, 0.1)
    lift = (0.3, 0.2, 0.04, 0, 0, -0.03, -0.08, -0.12)
    rings = [
        ring((half * x, 0, z + up * radius * 2), (radius * k, radius * k), n=36)
        for x, k, up in zip(along, thickness, lift, strict=True)
    ]

    def skin(points: Array, normals: Array) -> Array:
        return marks.pattern(white(points, normals), points, normals, np.abs(points[:, 1]) > radius)

    parts = [loft(rings, hull)]
    points: dict[str, Array] = {"nose": np.array((half, 0, z - 0.08))}
    root, tip = (0.65, -0.65), (-sweep + 0.15, -sweep - 0.25)
    parts += both(_wing(root, tip, (radius * 0.6, span), (z - 0.12, z + 0.12), 0.07, skin))
    pair(points, "wingtip", (-sweep, span, z + 0.12))
    pair(points, "wingroot1", (root[0] - 0.05, radius * 1.15, z - 0.06))
    pair(points, "wingroot2", (root[1] + 0.05, radius * 1.15, z - 0.06))
    tail = -half * 0.82
    tail_root, tail_tip = (tail + 0.35, tail - 0.25), (tail - 0.2, tail - 0.5)
    parts += both(_wing(tail_root, tail_tip, (0.05, span * 0.4), (z + 0.28, z + 0.33), 0.04, skin))
    pair(points, "tailtip", (tail - 0.35, span * 0.4, z + 0.33))
    parts.append(_fin(tail, z + 0.2, fin, livery, marks))
    points["fin"] = np.array((tail - 0.5, 0, z + 0.2 + fin))
    x, y = 0.35 - sweep * 0.3, span * 0.36
    casing = marks.tinted((0.75, 0.75, 0.78), 0.5, 0.85)
    engine = [(x + d, y, z - 0.3) for d in (-0.35, -0.1, 0.2, 0.4)]
    parts += both(tube(engine, (0.1, 0.16, 0.18, 0.15), casing))
    pair(points, "engine1", (x + 0.4, y, z - 0.3))
    pair(points, "engine2", (x - 0.35, y, z - 0.3))
    return Solid(tuple(parts), on_surface(parts, points))


def _wing(root: Ends, tip: Ends, y: Ends, z: Ends, thick: float, paint: Paint) -> Part:
    """From the front and back of its root to those of its tip; y and z of root and tip."""

    def outline(edge: Ends, y: float, z: float, t: float) -> list[tuple[float, float, float]]:
        front, back = edge
        return [(front, y, z), (front - 0.1, y, z + t), (back, y, z), (front - 0.1, y, z - t)]

    return slab(outline(root, y[0], z[0], thick), outline(tip, y[1], z[1], thick * 0.5), paint)


def _fin(x: float, z: float, height: float, livery: Colour, marks: Marks) -> Part:
    def paint(points: Array, normals: Array) -> Array:
        value = plain(livery, 0.4)(points, normals)
        # The fin is thin: its side is told by where it faces, not by where it lies.
        facing = points * np.array([1, 0, 1]) + np.array([0, 1, 0]) * normals[:, 1:2]
        return marks.pattern(value, facing, normals, 1.0)

    def outline(front: float, back: float, up: float, t: float) -> list[tuple[float, float, float]]:
        middle = (front + back) / 2
        return [(front, 0, up), (middle, t, up), (back, 0, up), (middle, -t, up)]

    top = outline(x - 0.3, x - 0.65, z + height, 0.03)
    return slab(outline(x + 0.55, x - 0.3, z, 0.05), top, paint)
