"""Saloons, hatchbacks, vans. Frame: x forward, y to the object's left, z up, from the ground."""

import numpy as np

from kapbench.datasets.synthetic import mesh
from kapbench.datasets.synthetic.keypoints import GLASS, RUBBER, on_surface, pair
from kapbench.datasets.synthetic.paint import Marks, band, checks, hue, over, plain, stripes


def car(rng: np.random.Generator, marking: float) -> mesh.Solid:
    """Saloon, hatchback or van with lights, plates, windows, mirrors and four wheels."""
    length, width, height = rng.uniform(3.7, 4.6), rng.uniform(1.6, 1.85), rng.uniform(1.3, 1.6)
    half, w, r = length / 2, width / 2, rng.uniform(0.3, 0.36)
    hood = height * rng.uniform(0.56, 0.64)
    cabin_front, cabin_rear = half * rng.uniform(0.28, 0.4), -half * rng.uniform(0.55, 0.9)
    marks = Marks(marking, 0.55, ((0.97, 0.88, 0.15), (0.05, 0.1, 0.4)), (stripes, checks))
    base = plain(hue(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.9)), 0.5)

    def body(points: mesh.Array, normals: mesh.Array) -> mesh.Array:
        value = marks.pattern(base(points, normals), points, normals, np.abs(normals[:, 1]) > 0.6)
        side = (np.abs(normals[:, 1]) > 0.6) & (points[:, 2] > 0.3)
        for x in (cabin_front * 0.95, (cabin_front + cabin_rear) / 2, cabin_rear * 0.8):
            value = over(value, side * band(points[:, 0] - x, -0.02, 0.02), (0.05, 0.05, 0.05))
        grille = (points[:, 0] > half * 0.96) * band(points[:, 2], 0.33, 0.5)
        return over(value, grille * (np.abs(points[:, 1]) < w * 0.5), (0.08, 0.08, 0.08))

    def greenhouse(points: mesh.Array, normals: mesh.Array) -> mesh.Array:
        value = base(points, normals)
        glass = band(points[:, 2], hood + 0.05, height - 0.09)
        middle = (cabin_front + cabin_rear) / 2
        pillar = (np.abs(normals[:, 1]) > 0.5) & (np.abs(points[:, 0] - middle) < 0.05)
        return over(value, glass * ~pillar * (normals[:, 2] < 0.85), GLASS, 0.9)

    def section(x: float, top: float, sides: float) -> mesh.Array:
        middle, up = (0.2 + top) / 2, (top - 0.2) / 2
        return mesh.ring((x, 0, middle), (sides, up), power=5.0, n=40)

    shell = [
        section(-half, hood * 0.88, w * 0.86),
        section(-half * 0.93, hood * 0.97, w * 0.97),
        section(-half * 0.4, hood, w),
        section(half * 0.4, hood, w),
        section(half * 0.88, hood * 0.9, w * 0.96),
        section(half, hood * 0.74, w * 0.84),
    ]
    low, high = hood - 0.08, height
    cabin = [
        mesh.ring(((cabin_front + cabin_rear) / 2 + dx, 0, z), (sx, sy), "z", 5.0, 40)
        for z, sx, sy, dx in (
            (low, (cabin_front - cabin_rear) / 2 + 0.28, w * 0.93, 0.0),
            (high - 0.1, (cabin_front - cabin_rear) / 2 - 0.12, w * 0.78, -0.05),
            (high, (cabin_front - cabin_rear) / 2 - 0.3, w * 0.66, -0.06),
        )
    ]
    parts = [mesh.loft(shell, body), mesh.loft(cabin, greenhouse)]
    axle = half * 0.62
    points: dict[str, mesh.Array] = {}
    for name, x in (("wheel1", axle), ("wheel2", -axle)):
        parts += mesh.both(mesh.wheel((x, w - 0.07, r), r, 0.22, _tyre(marks, x, r)))
        pair(points, name, (x, w + 0.04, r))
    mirror, casing = (cabin_front + 0.22, w + 0.07, hood + 0.07), (0.1, 0.1, 0.1)
    parts += mesh.both(mesh.box(mirror, (0.08, 0.1, 0.07), marks.tinted(casing, 0.1, 0.85)))
    pair(points, "mirror", (cabin_front + 0.3, w + 0.08, hood + 0.07))
    lamp = marks.tinted((0.97, 0.95, 0.8), 0.6, 0.8)
    front = (half * 0.965, w * 0.68, hood * 0.66)
    parts += mesh.both(mesh.ellipsoid(front, (0.09, 0.17, 0.09), lamp))
    rear = marks.tinted((0.8, 0.05, 0.05), 0.4, 0.75)
    parts += mesh.both(mesh.box((-half * 0.965, w * 0.7, hood * 0.74), (0.07, 0.15, 0.08), rear))
    pair(points, "light1", (half * 0.99, w * 0.68, hood * 0.68))
    pair(points, "light2", (-half, w * 0.7, hood * 0.74))
    pair(points, "roof1", (cabin_front - 0.35, w * 0.68, height - 0.07))
    pair(points, "roof2", (cabin_rear + 0.22, w * 0.68, height - 0.07))
    plate = plain((0.95, 0.95, 0.92))
    parts += [mesh.box((half, 0, 0.34), (0.03, 0.26, 0.07), plate)]
    parts += [mesh.box((-half, 0, 0.42), (0.03, 0.26, 0.07), plate)]
    points["plate1"] = np.array((half + 0.03, 0, 0.34))
    points["plate2"] = np.array((-half - 0.03, 0, 0.42))
    mast = (cabin_rear * 0.6, 0.0, height - 0.02)
    path = [mast, (mast[0] - 0.06, 0, height + 0.1), (mast[0] - 0.2, 0, height + 0.22)]
    parts.append(mesh.tube(path, (0.05, 0.04, 0.03), plain(RUBBER), 8))
    points["antenna"] = np.array((mast[0] - 0.2, 0, height + 0.22))
    if rng.random() < 0.4:
        parts += [mesh.box((-half * 0.9, 0, hood + 0.14), (0.12, w * 0.75, 0.025), base)]
    return mesh.Solid(tuple(parts), on_surface(parts, points))


def _tyre(marks: Marks, axle: float, radius: float) -> mesh.Paint:
    rubber = plain(RUBBER, 0.05)

    def paint(points: mesh.Array, normals: mesh.Array) -> mesh.Array:
        distance = np.hypot(points[:, 0] - axle, points[:, 2] - radius)
        spokes = np.cos(5 * np.arctan2(points[:, 2] - radius, points[:, 0] - axle)) > -0.3
        rim = (distance < radius * 0.66) & (spokes | (distance < radius * 0.2))
        hub = marks.tint(plain((0.7, 0.7, 0.72), 0.6)(points, normals), points, 0.85)
        rim &= np.abs(normals[:, 1]) > 0.5
        return np.where(rim[:, None], hub, rubber(points, normals))

    return paint
