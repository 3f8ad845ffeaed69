"""Four-legged animals. Frame: x forward, y to the object's left, z up, from the ground."""

import numpy as np

from kapbench.datasets.synthetic import mesh
from kapbench.datasets.synthetic.keypoints import on_surface, pair
from kapbench.datasets.synthetic.paint import Marks, hoops, hue, over, patches, plain


def quadruped(rng: np.random.Generator, marking: float) -> mesh.Solid:
    """Barrel, neck, head with muzzle, ears and eyes, four legs, a tail; sometimes horns."""
    length, girth, leg = rng.uniform(0.85, 1.1), rng.uniform(0.3, 0.42), rng.uniform(0.7, 1.0)
    z = leg + girth * 0.6
    marks = Marks(marking, 0.42, ((0.97, 0.93, 0.85), (0.08, 0.06, 0.1)), (hoops, patches))
    coat = hue(rng.uniform(0.03, 0.12), rng.uniform(0.3, 0.75), rng.uniform(0.35, 0.75))
    fur = plain(coat, 0.02)

    def hide(points: mesh.Array, normals: mesh.Array) -> mesh.Array:
        value = over(fur(points, normals), (normals[:, 2] < -0.5) * 0.4, (0.9, 0.85, 0.75))
        return marks.pattern(value, points, normals)

    body = [
        (-length, 0.45, 0.05),
        (-length * 0.85, 0.92, 0.03),
        (-length * 0.3, 1.0, -0.03),
        (length * 0.3, 0.98, -0.03),
        (length * 0.8, 0.9, 0.05),
        (length, 0.5, 0.1),
    ]
    barrel = [mesh.ring((x, 0, z + up), (girth * k * 0.85, girth * k)) for x, k, up in body]
    parts: list[mesh.Part] = [mesh.loft(barrel, hide)]
    lift, reach = rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.55)
    head = np.array((length + reach, 0.0, z + lift))
    neck = [(length * 0.72, 0, z + 0.12), (length + reach * 0.5, 0, z + lift * 0.55), tuple(head)]
    parts.append(mesh.tube(neck, (girth * 0.72, girth * 0.52, girth * 0.48), hide))
    skull, snout = girth * rng.uniform(0.5, 0.6), rng.uniform(0.3, 0.5)
    parts.append(mesh.ellipsoid(head, (skull * 1.15, skull, skull), hide))
    tip = head + np.array((skull + snout, 0, -0.22))
    muzzle = [head + np.array((skull * 0.4, 0, -0.03)), (head + tip) / 2, tip]
    parts.append(mesh.tube(muzzle, (skull * 0.75, skull * 0.62, skull * 0.45), hide))
    nose, leather = tip + np.array((0.01, 0, 0.02)), plain((0.08, 0.05, 0.05))
    parts.append(mesh.ellipsoid(nose, (0.06, skull * 0.4, 0.07), leather))
    points: dict[str, mesh.Array] = {"nose": tip + np.array((0.07, 0, 0.02))}
    eye = head + np.array((skull * 0.65, skull * 0.78, skull * 0.3))
    pupil = marks.tinted((0.03, 0.03, 0.03), 0.9, 0.6)
    parts += mesh.both(mesh.ellipsoid(eye, (0.06, 0.05, 0.06), pupil))
    pair(points, "eye", eye + np.array((0.02, 0.05, 0)))
    ear = head + np.array((-skull * 0.3, skull * 0.7, skull * 0.7))
    ear_tip = ear + np.array((-0.08, rng.uniform(0.1, 0.22), rng.uniform(0.18, 0.3)))
    path, radii = [ear, (ear + ear_tip) / 2, ear_tip], ((0.05, 0.09), (0.04, 0.1), (0.01, 0.02))
    parts += mesh.both(mesh.tube(path, radii, marks.tinted(coat, 0.02, 0.85), 12))
    pair(points, "ear", ear_tip)
    if rng.random() < 0.35:
        curve = ((0, skull * 0.35, 0), (0.05, skull * 0.6, 0.22), (0.16, skull * 0.5, 0.4))
        horn = [head + np.array((dx, dy, skull * 0.7 + dz)) for dx, dy, dz in curve]
        parts += mesh.both(mesh.tube(horn, (0.06, 0.045, 0.01), plain((0.85, 0.8, 0.65), 0.3), 12))
    parts += _legs(points, length, girth, leg, z, marks, hide, rng)
    drop = rng.uniform(0.4, 0.7)
    rear = np.array((-length, 0.0, z + 0.12))
    path = [rear + np.array(p) for p in ((0.05, 0, 0), (-0.18, 0, -0.05), (-0.25, 0, -drop))]
    parts.append(mesh.tube(path, (0.07, 0.06, 0.09), marks.tinted(coat, 0.02, 0.3), 12))
    points["tail1"], points["tail2"] = rear + np.array((-0.02, 0, 0.07)), path[2]
    return mesh.Solid(tuple(parts), on_surface(parts, points))


def _legs(
    points: dict[str, mesh.Array],
    length: float,
    girth: float,
    leg: float,
    z: float,
    marks: Marks,
    hide: mesh.Paint,
    rng: np.random.Generator,
) -> list[mesh.Part]:
    parts: list[mesh.Part] = []
    thick, y = rng.uniform(0.09, 0.13), girth * 0.55
    hoof = marks.tinted((0.1, 0.08, 0.07), 0.2, 0.85)
    for number, x, bend in ((1, length * 0.72, 0.05), (2, -length * 0.75, -0.1)):
        stride = rng.uniform(-0.1, 0.1)
        knee, foot = (x + bend, y, leg * 0.5), (x + stride, y, 0.08)
        path = [(x, y, z), knee, foot]
        parts += mesh.both(mesh.tube(path, (thick * 1.7, thick * 0.95, thick * 0.75), hide))
        parts += mesh.both(mesh.ellipsoid((foot[0] + 0.03, y, 0.07), (0.13, 0.1, 0.08), hoof))
        pair(points, f"knee{number}", (knee[0] + 0.05, y + thick * 0.8, knee[2]))
        pair(points, f"hoof{number}", (foot[0] + 0.1, y + 0.06, 0.06))
    return parts
