"""Chairs. Frame: x forward, y to the object's left, z up, from the ground."""

import numpy as np

from kapbench.datasets.synthetic.keypoints import on_surface, pair
from kapbench.datasets.synthetic.mesh import Array, Part, Solid, both, box, tube
from kapbench.datasets.synthetic.paint import Marks, checks, hoops, hue, over, plain


def chair(rng: np.random.Generator, marking: float) -> Solid:
    """Four legs, a seat, a back of slats or one panel, often armrests."""
    w, d = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.52)
    seat, back = rng.uniform(0.85, 1.0), rng.uniform(0.95, 1.25)
    top, leg = seat + back, rng.uniform(0.045, 0.065)
    marks = Marks(marking, 0.3, ((0.98, 0.75, 0.2), (0.1, 0.15, 0.5)), (hoops, checks))
    shade = hue(rng.uniform(0.05, 0.12), rng.uniform(0.4, 0.7), rng.uniform(0.35, 0.75))
    wood, cloth = plain(shade, 0.2), plain(hue(rng.random(), 0.5, 0.7), 0.05)

    def grained(points: Array, normals: Array) -> Array:
        rings_ = np.sin(points[:, 2] * 9 + 3 * np.sin(points[:, 0] * 4)) > 0.55
        value = over(wood(points, normals), rings_ * 0.35, (0.15, 0.08, 0.03))
        return marks.pattern(value, points, normals)

    def cushion(points: Array, normals: Array) -> Array:
        return marks.pattern(cloth(points, normals), points, normals)

    lean = rng.uniform(0.05, 0.18)
    parts: list[Part] = [box((0, 0, seat), (d, w, 0.045), grained)]
    parts.append(box((0, 0, seat + 0.06), (d * 0.92, w * 0.92, 0.03), cushion, 0.5))
    points: dict[str, Array] = {}
    for name, x, height in (("leg1", d - leg, seat), ("leg2", -d + leg, seat)):
        parts += both(
            tube([(x, w - leg, z) for z in (0, height * 0.5, height)], (leg, leg, leg), grained)
        )
        pair(points, name, (x, w - leg + leg * 0.9, 0.04))
    pair(points, "seat1", (d, w, seat + 0.02))
    pair(points, "seat2", (-d, w, seat + 0.02))
    posts = [(-d + leg - lean * k, w - leg, seat + back * k) for k in (0.0, 0.5, 1.0)]
    parts += both(tube(posts, (leg, leg, leg * 0.9), grained))
    pair(points, "back", (-d + leg - lean, w - leg, top))
    if rng.random() < 0.5:
        for k in (0.45, 0.7, 0.93):
            parts.append(
                box((-d + leg - lean * k, 0, seat + back * k), (0.025, w - leg, 0.07), grained)
            )
    else:
        middle = (-d + leg - lean * 0.65, 0.0, seat + back * 0.65)
        parts.append(box(middle, (0.03, w - leg, back * 0.3), cushion))
    if rng.random() < 0.7:
        arm = seat + rng.uniform(0.35, 0.45)
        parts += both(box((0.02, w, arm), (d * 0.98, 0.05, 0.03), grained, 0.4))
        parts += both(tube([(d * 0.75, w, z) for z in (seat, arm)], (0.035, 0.035), grained))
        pair(points, "arm", (d, w, arm))
    else:
        pair(points, "arm", (np.nan, np.nan, np.nan))
    return Solid(tuple(parts), on_surface(parts, points))
