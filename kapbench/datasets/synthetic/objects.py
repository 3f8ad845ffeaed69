"""Four kinds of object. Frame: x forward, y to the object's left, z up; ground at z = 0.

A builder draws its proportions from a generator and wears the marks it is given. Keypoints are
named; `L` and `R` in front of a name make twins, the rest of a name before a digit a repeated part.
"""

from collections.abc import Callable

import numpy as np

from kapbench.datasets.synthetic.mesh import (
    Array,
    Paint,
    Part,
    Solid,
    both,
    box,
    ellipsoid,
    loft,
    ring,
    slab,
    tube,
    wheel,
)
from kapbench.datasets.synthetic.paint import (
    Marks,
    band,
    checks,
    hoops,
    hue,
    over,
    patches,
    plain,
    spots,
    stripes,
)

Builder = Callable[[np.random.Generator, float], Solid]
RUBBER, GLASS = (0.06, 0.06, 0.07), (0.13, 0.19, 0.24)


def car(rng: np.random.Generator, marking: float) -> Solid:
    """Saloon, hatchback or van with lights, plates, windows, mirrors and four wheels."""
    length, width, height = rng.uniform(3.7, 4.6), rng.uniform(1.6, 1.85), rng.uniform(1.3, 1.6)
    half, w, r = length / 2, width / 2, rng.uniform(0.3, 0.36)
    hood = height * rng.uniform(0.56, 0.64)
    cabin_front, cabin_rear = half * rng.uniform(0.28, 0.4), -half * rng.uniform(0.55, 0.9)
    marks = Marks(marking, 0.55, ((0.97, 0.88, 0.15), (0.05, 0.1, 0.4)), (stripes, checks))
    base = plain(hue(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.9)), 0.5)

    def body(points: Array, normals: Array) -> Array:
        value = marks.pattern(base(points, normals), points, normals, np.abs(normals[:, 1]) > 0.6)
        side = (np.abs(normals[:, 1]) > 0.6) & (points[:, 2] > 0.3)
        for x in (cabin_front * 0.95, (cabin_front + cabin_rear) / 2, cabin_rear * 0.8):
            value = over(value, side * band(points[:, 0] - x, -0.02, 0.02), (0.05, 0.05, 0.05))
        grille = (points[:, 0] > half * 0.96) * band(points[:, 2], 0.33, 0.5)
        return over(value, grille * (np.abs(points[:, 1]) < w * 0.5), (0.08, 0.08, 0.08))

    def greenhouse(points: Array, normals: Array) -> Array:
        value = base(points, normals)
        glass = band(points[:, 2], hood + 0.05, height - 0.09)
        middle = (cabin_front + cabin_rear) / 2
        pillar = (np.abs(normals[:, 1]) > 0.5) & (np.abs(points[:, 0] - middle) < 0.05)
        return over(value, glass * ~pillar * (normals[:, 2] < 0.85), GLASS, 0.9)

    def section(x: float, top: float, sides: float) -> Array:
        middle, up = (0.2 + top) / 2, (top - 0.2) / 2
        return ring((x, 0, middle), (sides, up), power=5.0, n=40)

    shell = [
        section(-half, hood * 0.88, w * 0.86), section(-half * 0.93, hood * 0.97, w * 0.97),
        section(-half * 0.4, hood, w), section(half * 0.4, hood, w),
        section(half * 0.88, hood * 0.9, w * 0.96), section(half, hood * 0.74, w * 0.84),
    ]  # fmt: skip
    low, high = hood - 0.08, height
    cabin = [
        ring(((cabin_front + cabin_rear) / 2 + dx, 0, z), (sx, sy), "z", 5.0, 40)
        for z, sx, sy, dx in (
            (low, (cabin_front - cabin_rear) / 2 + 0.28, w * 0.93, 0.0),
            (high - 0.1, (cabin_front - cabin_rear) / 2 - 0.12, w * 0.78, -0.05),
            (high, (cabin_front - cabin_rear) / 2 - 0.3, w * 0.66, -0.06),
        )
    ]
    parts = [loft(shell, body), loft(cabin, greenhouse)]
    axle = half * 0.62
    points: dict[str, Array] = {}
    for name, x in (("wheel1", axle), ("wheel2", -axle)):
        parts += both(wheel((x, w - 0.07, r), r, 0.22, _tyre(marks, x, r)))
        _pair(points, name, (x, w + 0.04, r))
    parts += both(box((cabin_front + 0.22, w + 0.07, hood + 0.07), (0.08, 0.1, 0.07),
                      marks.tinted((0.1, 0.1, 0.1), 0.1, 0.85)))  # fmt: skip
    _pair(points, "mirror", (cabin_front + 0.3, w + 0.08, hood + 0.07))
    lamp = marks.tinted((0.97, 0.95, 0.8), 0.6, 0.8)
    parts += both(ellipsoid((half * 0.965, w * 0.68, hood * 0.66), (0.09, 0.17, 0.09), lamp))
    rear = marks.tinted((0.8, 0.05, 0.05), 0.4, 0.75)
    parts += both(box((-half * 0.965, w * 0.7, hood * 0.74), (0.07, 0.15, 0.08), rear))
    _pair(points, "light1", (half * 0.99, w * 0.68, hood * 0.68))
    _pair(points, "light2", (-half, w * 0.7, hood * 0.74))
    _pair(points, "roof1", (cabin_front - 0.35, w * 0.68, height - 0.07))
    _pair(points, "roof2", (cabin_rear + 0.22, w * 0.68, height - 0.07))
    plate = plain((0.95, 0.95, 0.92))
    parts += [box((half, 0, 0.34), (0.03, 0.26, 0.07), plate)]
    parts += [box((-half, 0, 0.42), (0.03, 0.26, 0.07), plate)]
    points["plate1"], points["plate2"] = (
        np.array((half + 0.03, 0, 0.34)),
        np.array((-half - 0.03, 0, 0.42)),
    )
    mast = (cabin_rear * 0.6, 0.0, height - 0.02)
    parts.append(tube([mast, (mast[0] - 0.06, 0, height + 0.1), (mast[0] - 0.2, 0, height + 0.22)],
                      (0.05, 0.04, 0.03), plain(RUBBER), 8))  # fmt: skip
    points["antenna"] = np.array((mast[0] - 0.2, 0, height + 0.22))
    if rng.random() < 0.4:
        parts += [box((-half * 0.9, 0, hood + 0.14), (0.12, w * 0.75, 0.025), base)]
    return Solid(tuple(parts), _on_surface(parts, points))


def _tyre(marks: Marks, axle: float, radius: float) -> Paint:
    rubber = plain(RUBBER, 0.05)

    def paint(points: Array, normals: Array) -> Array:
        distance = np.hypot(points[:, 0] - axle, points[:, 2] - radius)
        spokes = np.cos(5 * np.arctan2(points[:, 2] - radius, points[:, 0] - axle)) > -0.3
        rim = (distance < radius * 0.66) & (spokes | (distance < radius * 0.2))
        hub = marks.tint(plain((0.7, 0.7, 0.72), 0.6)(points, normals), points, 0.85)
        return np.where(
            (rim & (np.abs(normals[:, 1]) > 0.5))[:, None], hub, rubber(points, normals)
        )

    return paint


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
        cockpit = band(points[:, 0], half * 0.74, half * 0.86) * band(
            points[:, 2], z + 0.08, z + 0.24
        )
        return over(value, cockpit, GLASS, 0.9)

    stations = ((-1.0, 0.12, 0.3), (-0.75, 0.55, 0.2), (-0.45, 0.95, 0.04), (0.0, 1, 0),
                (0.55, 1, 0), (0.78, 0.86, -0.03), (0.92, 0.55, -0.08), (1.0, 0.1, -0.12))  # fmt: skip
    rings = [
        ring((half * s, 0, z + up * radius * 2), (radius * k, radius * k), n=36)
        for s, k, up in stations
    ]

    def skin(points: Array, normals: Array) -> Array:
        return marks.pattern(white(points, normals), points, normals, np.abs(points[:, 1]) > radius)

    parts = [loft(rings, hull)]
    points: dict[str, Array] = {"nose": np.array((half, 0, z - 0.08))}
    root, tip = (0.65, -0.65), (-sweep + 0.15, -sweep - 0.25)
    parts += both(_wing(root, tip, radius * 0.6, span, z - 0.12, z + 0.12, 0.07, skin))
    _pair(points, "wingtip", (-sweep, span, z + 0.12))
    _pair(points, "wingroot1", (root[0] - 0.05, radius * 1.15, z - 0.06))
    _pair(points, "wingroot2", (root[1] + 0.05, radius * 1.15, z - 0.06))
    tail = -half * 0.82
    parts += both(_wing((tail + 0.35, tail - 0.25), (tail - 0.2, tail - 0.5), 0.05, span * 0.4,
                        z + 0.28, z + 0.33, 0.04, skin))  # fmt: skip
    _pair(points, "tailtip", (tail - 0.35, span * 0.4, z + 0.33))
    parts.append(_fin(tail, z + 0.2, fin, livery, marks))
    points["fin"] = np.array((tail - 0.5, 0, z + 0.2 + fin))
    x, y = 0.35 - sweep * 0.3, span * 0.36
    casing = marks.tinted((0.75, 0.75, 0.78), 0.5, 0.85)
    parts += both(
        tube(
            [(x + d, y, z - 0.3) for d in (-0.35, -0.1, 0.2, 0.4)], (0.1, 0.16, 0.18, 0.15), casing
        )
    )
    _pair(points, "engine1", (x + 0.4, y, z - 0.3))
    _pair(points, "engine2", (x - 0.35, y, z - 0.3))
    return Solid(tuple(parts), _on_surface(parts, points))


def _wing(
    root: tuple[float, float], tip: tuple[float, float], y0: float, y1: float,
    z0: float, z1: float, thick: float, paint: Paint,
) -> Part:  # fmt: skip
    def outline(
        edge: tuple[float, float], y: float, z: float, t: float
    ) -> list[tuple[float, float, float]]:
        front, back = edge
        return [(front, y, z), (front - 0.1, y, z + t), (back, y, z), (front - 0.1, y, z - t)]

    return slab(outline(root, y0, z0, thick), outline(tip, y1, z1, thick * 0.5), paint)


def _fin(
    x: float, z: float, height: float, livery: tuple[float, float, float], marks: Marks
) -> Part:
    def paint(points: Array, normals: Array) -> Array:
        value = plain(livery, 0.4)(points, normals)
        # The fin is thin: its side is told by where it faces, not by where it lies.
        facing = points * np.array([1, 0, 1]) + np.array([0, 1, 0]) * normals[:, 1:2]
        return marks.pattern(value, facing, normals, 1.0)

    def outline(front: float, back: float, up: float, t: float) -> list[tuple[float, float, float]]:
        return [
            (front, 0, up),
            ((front + back) / 2, t, up),
            (back, 0, up),
            ((front + back) / 2, -t, up),
        ]

    return slab(
        outline(x + 0.55, x - 0.3, z, 0.05), outline(x - 0.3, x - 0.65, z + height, 0.03), paint
    )


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
        _pair(points, name, (x, w - leg + leg * 0.9, 0.04))
    _pair(points, "seat1", (d, w, seat + 0.02))
    _pair(points, "seat2", (-d, w, seat + 0.02))
    posts = [(-d + leg - lean * k, w - leg, seat + back * k) for k in (0.0, 0.5, 1.0)]
    parts += both(tube(posts, (leg, leg, leg * 0.9), grained))
    _pair(points, "back", (-d + leg - lean, w - leg, top))
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
        _pair(points, "arm", (d, w, arm))
    else:
        _pair(points, "arm", (np.nan, np.nan, np.nan))
    return Solid(tuple(parts), _on_surface(parts, points))


def quadruped(rng: np.random.Generator, marking: float) -> Solid:
    """Barrel, neck, head with muzzle, ears and eyes, four legs, a tail; sometimes horns."""
    length, girth, leg = rng.uniform(0.85, 1.1), rng.uniform(0.3, 0.42), rng.uniform(0.7, 1.0)
    z = leg + girth * 0.6
    marks = Marks(marking, 0.42, ((0.97, 0.93, 0.85), (0.08, 0.06, 0.1)), (hoops, patches))
    coat = hue(rng.uniform(0.03, 0.12), rng.uniform(0.3, 0.75), rng.uniform(0.35, 0.75))
    fur = plain(coat, 0.02)

    def hide(points: Array, normals: Array) -> Array:
        value = over(fur(points, normals), (normals[:, 2] < -0.5) * 0.4, (0.9, 0.85, 0.75))
        return marks.pattern(value, points, normals)

    body = [(-length, 0.45, 0.05), (-length * 0.85, 0.92, 0.03), (-length * 0.3, 1.0, -0.03),
            (length * 0.3, 0.98, -0.03), (length * 0.8, 0.9, 0.05), (length, 0.5, 0.1)]  # fmt: skip
    parts: list[Part] = [
        loft([ring((x, 0, z + up), (girth * k * 0.85, girth * k)) for x, k, up in body], hide)
    ]
    lift, reach = rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.55)
    head = np.array((length + reach, 0.0, z + lift))
    neck = [(length * 0.72, 0, z + 0.12), (length + reach * 0.5, 0, z + lift * 0.55), tuple(head)]
    parts.append(tube(neck, (girth * 0.72, girth * 0.52, girth * 0.48), hide))
    skull, snout = girth * rng.uniform(0.5, 0.6), rng.uniform(0.3, 0.5)
    parts.append(ellipsoid(head, (skull * 1.15, skull, skull), hide))
    tip = head + np.array((skull + snout, 0, -0.22))
    muzzle = [head + np.array((skull * 0.4, 0, -0.03)), (head + tip) / 2, tip]
    parts.append(tube([tuple(p) for p in muzzle], (skull * 0.75, skull * 0.62, skull * 0.45), hide))
    parts.append(
        ellipsoid(
            tip + np.array((0.01, 0, 0.02)), (0.06, skull * 0.4, 0.07), plain((0.08, 0.05, 0.05))
        )
    )
    points: dict[str, Array] = {"nose": tip + np.array((0.07, 0, 0.02))}
    eye = head + np.array((skull * 0.65, skull * 0.78, skull * 0.3))
    parts += both(ellipsoid(eye, (0.06, 0.05, 0.06), marks.tinted((0.03, 0.03, 0.03), 0.9, 0.6)))
    _pair(points, "eye", eye + np.array((0.02, 0.05, 0)))
    ear = head + np.array((-skull * 0.3, skull * 0.7, skull * 0.7))
    ear_tip = ear + np.array((-0.08, rng.uniform(0.1, 0.22), rng.uniform(0.18, 0.3)))
    parts += both(tube([tuple(ear), tuple((ear + ear_tip) / 2), tuple(ear_tip)],
                       ((0.05, 0.09), (0.04, 0.1), (0.01, 0.02)), marks.tinted(coat, 0.02, 0.85), 12))  # fmt: skip
    _pair(points, "ear", ear_tip)
    if rng.random() < 0.35:
        horn = [tuple(head + np.array((dx, dy, skull * 0.7 + dz))) for dx, dy, dz in
                ((0, skull * 0.35, 0), (0.05, skull * 0.6, 0.22), (0.16, skull * 0.5, 0.4))]  # fmt: skip
        parts += both(tube(horn, (0.06, 0.045, 0.01), plain((0.85, 0.8, 0.65), 0.3), 12))
    parts += _legs(points, length, girth, leg, z, marks, hide, rng)
    drop = rng.uniform(0.4, 0.7)
    rear = np.array((-length, 0.0, z + 0.12))
    path = [rear + np.array(p) for p in ((0.05, 0, 0), (-0.18, 0, -0.05), (-0.25, 0, -drop))]
    parts.append(
        tube([tuple(p) for p in path], (0.07, 0.06, 0.09), marks.tinted(coat, 0.02, 0.3), 12)
    )
    points["tail1"], points["tail2"] = rear + np.array((-0.02, 0, 0.07)), path[2]
    return Solid(tuple(parts), _on_surface(parts, points))


def _legs(
    points: dict[str, Array], length: float, girth: float, leg: float, z: float,
    marks: Marks, hide: Paint, rng: np.random.Generator,
) -> list[Part]:  # fmt: skip
    parts: list[Part] = []
    thick, y = rng.uniform(0.09, 0.13), girth * 0.55
    hoof = marks.tinted((0.1, 0.08, 0.07), 0.2, 0.85)
    for number, x, bend in ((1, length * 0.72, 0.05), (2, -length * 0.75, -0.1)):
        stride = rng.uniform(-0.1, 0.1)
        knee, foot = (x + bend, y, leg * 0.5), (x + stride, y, 0.08)
        path = [(x, y, z), knee, foot]
        parts += both(tube(path, (thick * 1.7, thick * 0.95, thick * 0.75), hide))
        parts += both(ellipsoid((foot[0] + 0.03, y, 0.07), (0.13, 0.1, 0.08), hoof))
        _pair(points, f"knee{number}", (knee[0] + 0.05, y + thick * 0.8, knee[2]))
        _pair(points, f"hoof{number}", (foot[0] + 0.1, y + 0.06, 0.06))
    return parts


def _pair(points: dict[str, Array], name: str, left: tuple[float, float, float] | Array) -> None:
    x, y, z = left
    points[f"L{name}"], points[f"R{name}"] = np.array((x, y, z)), np.array((x, -y, z))


def _on_surface(parts: list[Part], points: dict[str, Array]) -> dict[str, Array]:
    """Moves each keypoint to the nearest vertex: it must lie on the surface exactly."""
    vertices = np.concatenate([p.vertices for p in parts])
    moved = {}
    for name, point in points.items():
        if np.isnan(point).any():
            moved[name] = point
            continue
        mirrored = name.startswith("R")
        sought = point * np.array([1.0, -1.0, 1.0]) if mirrored else point
        found = vertices[int(np.square(vertices - sought).sum(axis=1).argmin())]
        moved[name] = found * np.array([1.0, -1.0, 1.0]) if mirrored else found
    return moved


BUILDERS: dict[str, Builder] = {
    "aeroplane": aeroplane,
    "car": car,
    "chair": chair,
    "quadruped": quadruped,
}
