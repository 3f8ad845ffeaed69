"""What every object needs: twins by name, keypoints on the surface."""

from collections.abc import Callable

import numpy as np

from kapbench.datasets.synthetic.mesh import Array, Part, Solid

Builder = Callable[[np.random.Generator, float], Solid]
RUBBER, GLASS = (0.06, 0.06, 0.07), (0.13, 0.19, 0.24)


def pair(points: dict[str, Array], name: str, left: tuple[float, float, float] | Array) -> None:
    x, y, z = left
    points[f"L{name}"], points[f"R{name}"] = np.array((x, y, z)), np.array((x, -y, z))


def on_surface(parts: list[Part], points: dict[str, Array]) -> dict[str, Array]:
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
