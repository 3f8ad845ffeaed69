"""One picture of one object: rays through every pixel, exact visibility, mask, shade, ground."""

from dataclasses import dataclass, replace

import numpy as np
import trimesh
from jaxtyping import Bool, Float, UInt8

from kapbench.datasets.synthetic.mesh import Array, Solid
from kapbench.datasets.synthetic.paint import noise

SUPERSAMPLE = 2
TOLERANCE = 0.012  # of the object's extent: how far in front of a keypoint the first hit may lie
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Shot:
    """Camera, light and surroundings of one picture."""

    azimuth: float  # radians from the object's front towards its left
    elevation: float
    size: tuple[int, int]  # width, height
    fill: float  # share of the picture that the object takes
    shift: tuple[float, float]  # of the object's centre, shares of the picture
    light: tuple[float, float, float]  # towards the light: image-right, up, towards the camera
    ground: tuple[float, float, float]
    sky: tuple[float, float, float]
    seed: int

    def mirrored(self) -> "Shot":
        """The shot whose picture of a mirror-identical object is this one's mirror image."""
        x, y, z = self.light
        shift = (-self.shift[0], self.shift[1])
        return replace(self, azimuth=-self.azimuth, light=(-x, y, z), shift=shift)


@dataclass(frozen=True)
class Picture:
    """What was rendered, and where each keypoint fell."""

    pixels: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"]
    xy: Float[np.ndarray, "k 2"]
    visible: Bool[np.ndarray, "k"]


@dataclass(frozen=True)
class Camera:
    """A pinhole; rows of `axes` are image-right, image-down and forward."""

    position: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "3 3"]
    focal: float
    centre: tuple[float, float]

    @classmethod
    def of(cls, solid: Solid, shot: Shot) -> "Camera":
        """Far enough for mild perspective; focal length so that the object fills its share."""
        vertices = solid.vertices
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        level = np.array([np.cos(shot.azimuth), np.sin(shot.azimuth), 0.0])
        away = level * np.cos(shot.elevation) + UP * np.sin(shot.elevation)
        right = np.cross(-away, UP)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(-away, right), -away])
        unit = cls(middle + away * solid.extent * 2.2, axes, 1.0, (0.0, 0.0))
        seen = unit.project(vertices)
        span = np.ptp(seen, axis=0)
        focal = float(min(shot.fill * np.array(shot.size) / span))
        offset = (seen.min(axis=0) + seen.max(axis=0)) / 2 * focal
        w, h = shot.size
        x, y = w * (0.5 + shot.shift[0]) - offset[0], h * (0.5 + shot.shift[1]) - offset[1]
        return replace(unit, focal=focal, centre=(float(x), float(y)))

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """To pixels."""
        seen = (points - self.position) @ self.axes.T
        return np.asarray(seen[:, :2] / seen[:, 2:] * self.focal + np.array(self.centre))

    def rays(self, xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
        """Unit directions through pixels."""
        flat = (xy - np.array(self.centre)) / self.focal
        directions = np.concatenate([flat, np.ones((len(xy), 1))], axis=1) @ self.axes
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def render(solid: Solid, shot: Shot) -> Picture:
    """The object as the shot sees it."""
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False, validate=False)
    camera = Camera.of(solid, shot)
    w, h = (n * SUPERSAMPLE for n in shot.size)
    x, y = np.meshgrid((np.arange(w) + 0.5) / SUPERSAMPLE, (np.arange(h) + 0.5) / SUPERSAMPLE)
    directions = camera.rays(np.stack([x.ravel(), y.ravel()], axis=1))
    face = _first_hits(mesh, camera, solid, directions, (w, h))
    light = np.array(shot.light) @ (camera.axes * np.array([[1.0], [-1.0], [-1.0]]))
    light /= np.linalg.norm(light)
    colour = _surroundings(mesh, camera, shot, directions, light, (w, h))
    hit = np.flatnonzero(face >= 0)
    colour[hit] = _shade(solid, mesh, camera, face[hit], directions[hit], light)
    pixels = _pooled(colour.reshape(h, w, 3)).clip(0, 1)
    mask = _pooled((face >= 0).reshape(h, w, 1).astype(float))[..., 0] >= 0.5
    xy, visible = keypoints(solid, mesh, camera, shot.size)
    return Picture((pixels * 255).round().astype(np.uint8), mask, xy, visible)


def keypoints(
    solid: Solid, mesh: trimesh.Trimesh, camera: Camera, size: tuple[int, int]
) -> tuple[Float[np.ndarray, "k 2"], Bool[np.ndarray, "k"]]:
    """Where each keypoint falls, NaN where nothing shows it: hidden, outside or not there."""
    points = np.stack(list(solid.keypoints.values()))
    exists = ~np.isnan(points).any(axis=1)
    known = np.where(exists[:, None], points, 0.0)
    xy = camera.project(known)
    inside = ((xy >= 1) & (xy <= np.array(size) - 1)).all(axis=1)
    away = known - camera.position
    distance = np.linalg.norm(away, axis=1)
    directions = away / distance[:, None]
    face = _hits(mesh, np.tile(camera.position, (len(points), 1)), directions)
    first = np.full(len(points), np.inf)
    found = face >= 0
    first[found] = _depth(mesh, camera.position, directions[found], face[found])
    visible = exists & inside & (first > distance - TOLERANCE * solid.extent)
    xy[~visible] = np.nan
    return xy, visible


def _first_hits(
    mesh: trimesh.Trimesh, camera: Camera, solid: Solid, directions: Array, size: tuple[int, int]
) -> Array:
    """Face behind each sub-pixel, -1 for none; rays beside the object are not cast."""
    w, h = size
    seen = camera.project(solid.vertices) * SUPERSAMPLE
    (x0, y0), (x1, y1) = np.floor(seen.min(axis=0)) - 1, np.ceil(seen.max(axis=0)) + 1
    column, row = np.arange(w), np.arange(h)
    near = ((row >= y0) & (row <= y1))[:, None] & ((column >= x0) & (column <= x1))[None]
    index = np.flatnonzero(near.ravel())
    face = np.full(w * h, -1, np.int64)
    face[index] = _hits(mesh, np.tile(camera.position, (len(index), 1)), directions[index])
    return face


def _hits(mesh: trimesh.Trimesh, origins: Array, directions: Array) -> Array:
    return np.asarray(mesh.ray.intersects_first(origins, directions), np.int64)


def _barycentric(corners: Array, points: Array) -> Array:
    found: Array = trimesh.triangles.points_to_barycentric(corners, points)  # type: ignore[no-untyped-call]
    return found


def _depth(mesh: trimesh.Trimesh, origin: Array, directions: Array, face: Array) -> Array:
    """Distance along each ray to the plane of a face, in double precision."""
    normal = mesh.face_normals[face]
    corner = mesh.vertices[mesh.faces[face, 0]]
    slope = np.einsum("ij,ij->i", directions, normal)
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    return np.asarray(np.einsum("ij,ij->i", corner - origin, normal) / slope)


def _shade(
    solid: Solid,
    mesh: trimesh.Trimesh,
    camera: Camera,
    face: Array,
    directions: Array,
    light: Array,
) -> Array:
    """Paint under a sky from above, a lamp, and a gloss."""
    points = camera.position + directions * _depth(mesh, camera.position, directions, face)[:, None]
    corners = mesh.triangles[face]
    bary = np.clip(_barycentric(corners, points), 0, 1)
    normals = np.einsum("ij,ijk->ik", bary, solid.normals[solid.faces[face]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    part = solid.part_of_face[face]
    surface = np.empty((len(face), 4))
    for number, piece in enumerate(solid.parts):
        rows = np.flatnonzero(part == number)
        if len(rows):
            surface[rows] = piece.paint(points[rows], normals[rows])
    # Normals that look away belong to the far side of a thin part.
    away = np.einsum("ij,ij->i", normals, directions) > 0
    normals[away] *= -1
    diffuse = np.maximum(normals @ light, 0)
    sky = 0.5 + 0.5 * normals[:, 2]
    halfway = light - directions
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    gloss = surface[:, 3] * np.maximum(np.einsum("ij,ij->i", normals, halfway), 0) ** 40
    brightness = 0.28 + 0.3 * sky + 0.52 * diffuse
    return np.asarray(surface[:, :3] * brightness[:, None] + 0.6 * gloss[:, None])


def _surroundings(
    mesh: trimesh.Trimesh,
    camera: Camera,
    shot: Shot,
    directions: Array,
    light: Array,
    size: tuple[int, int],
) -> Array:
    """Sky above, textured ground below with the object's shadow; both fade at the horizon."""
    w, h = size
    down = -directions[:, 2]
    reach = np.where(down > 1e-3, camera.position[2] / np.maximum(down, 1e-3), np.inf)
    ground = np.flatnonzero(np.isfinite(reach) & (reach < 40 * np.linalg.norm(camera.position)))
    height = np.clip(directions[:, 2] * 2.5 + 0.3, 0, 1)[:, None]
    colour = np.array(shot.sky) * (0.75 + 0.25 * height)
    place = (camera.position + directions[ground] * reach[ground, None])[:, :2]
    coarse, fine = noise(place * 3.0 + 100, shot.seed), noise(place * 11.0 + 50, shot.seed + 1)
    texture = 0.75 + 0.3 * coarse + 0.2 * fine
    fade = np.exp(-reach[ground] / (8 * np.linalg.norm(camera.position)))[:, None]
    lit = np.array(shot.ground) * (texture * 0.85 * _lit(mesh, place, light))[:, None]
    colour[ground] = lit * fade + colour[ground] * (1 - fade)
    pixels = np.stack([np.tile(np.arange(w), h), np.repeat(np.arange(h), w)], 1)
    clouds = noise(pixels / 61.0, shot.seed + 2)
    return np.asarray(colour * (0.94 + 0.12 * clouds)[:, None])


def _lit(mesh: trimesh.Trimesh, place: Array, light: Array) -> Array:
    """1 in the light, less in the object's shadow; the light is raised for a shadow below it."""
    raised = light + UP * 1.2
    raised /= np.linalg.norm(raised)
    low, high = mesh.bounds
    margin = 2.0 * (high[2] - low[2])
    near = np.flatnonzero(((place > low[:2] - margin) & (place < high[:2] + margin)).all(axis=1))
    origins = np.concatenate([place[near], np.full((len(near), 1), 1e-4)], axis=1)
    shade = np.ones(len(place))
    shade[near] = np.where(_hits(mesh, origins, np.tile(raised, (len(near), 1))) >= 0, 0.5, 1.0)
    return shade


def _pooled(values: Array) -> Array:
    h, w, c = values.shape
    s = SUPERSAMPLE
    return np.asarray(values.reshape(h // s, s, w // s, s, c).mean(axis=(1, 3)))
