"""Every problem of a manifest, all at once: what its schema cannot see."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kapbench.datasets.images import image_size, upright_size
from kapbench.datasets.manifest.files import FIX, Source, open_source
from kapbench.datasets.manifest.partial import UNREAD, Problem, follows, readable
from kapbench.datasets.manifest.schema import (
    Category,
    Image,
    Manifest,
    groups_of,
    image_id,
    mirror_of,
    names_of,
)
from kapbench.errors import KapbenchError


def open_manifest(path: Path) -> tuple[Manifest, list[bytes]]:
    """A manifest and the contents of its files.

    Raises:
        KapbenchError: no such file, or anything is wrong with it; its first problems are named.
    """
    source = open_source(path)
    manifest, found = _checked(source, path)
    if found or manifest is None:
        key, said = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise KapbenchError(
            f"{said}{more}", place=f"{path}, {key}",
            fix=f"`kapbench list datasets --check {path}` says all that is wrong; {FIX}",
        )  # fmt: skip
    return manifest, source.contents


def problems(path: Path) -> list[Problem]:
    """All that is wrong with a manifest. KapbenchError where it is neither JSON nor CSV."""
    return _checked(open_source(path), path)[1]


def _checked(source: Source, path: Path) -> tuple[Manifest | None, list[Problem]]:
    manifest, refused = readable(source.given, source.validated)
    refused = [(key, said) for key, said in refused if not source.explains(key)]
    found = []
    if manifest is not None:
        found = [
            (key, said) for key, said in (
                *_of_categories(manifest), *_of_images(manifest, path.parent), *_of_pairs(manifest)
            ) if not source.explains(key) and not any(follows(key, told) for told, _ in refused)
        ]  # fmt: skip
    return manifest, [
        *source.problems, *((source.place(key), said) for key, said in (*refused, *found))
    ]  # fmt: skip


def _of_categories(manifest: Manifest) -> Iterator[Problem]:
    for name, category in manifest.categories.items():
        place = f"categories.{name}"
        for keypoint, n in Counter(category.keypoints).items():
            if n > 1:
                yield f"{place}.keypoints", f"'{keypoint}' stands there {n} times"
        known = set(category.keypoints)
        mirrored = [k for pair in category.mirror or () for k in pair]
        for kind, names in (
            ("groups", [k for group in category.groups or () for k in group]), ("mirror", mirrored),
        ):  # fmt: skip
            for keypoint, n in Counter(names).items():
                if keypoint not in known:
                    yield f"{place}.{kind}", f"'{keypoint}' is no keypoint of {name}"
                if n > 1:
                    yield f"{place}.{kind}", f"'{keypoint}' stands there {n} times"
        yield from _split_twins(category, place)


def _split_twins(category: Category, place: str) -> Iterator[Problem]:
    group = {k: i for i, members in enumerate(groups_of(category)) for k in members}
    for left, right in mirror_of(category):
        if group.get(left) != group.get(right):
            yield f"{place}.mirror", f"'{left}' and '{right}' are twins of two groups"


def _of_images(manifest: Manifest, folder: Path) -> Iterator[Problem]:
    for name, n in Counter(image_id(image) for image in manifest.images).items():
        if n > 1:
            yield "images", f"id '{name}' stands there {n} times"
    beyond = 0
    for i, image in enumerate(manifest.images):
        for key, said in _of_image(image, manifest, folder):
            beyond += key == "box" and "beyond" in said
            yield f"images[{i}].{key}", said
    if beyond == len(manifest.images):
        yield "images", "every box reaches beyond its image: is it x, y, width, height? x1 y1 x2 y2"


def _of_image(image: Image, manifest: Manifest, folder: Path) -> Iterator[Problem]:
    said, stored = (image.width, image.height), None
    try:
        stored = size_as_read(folder / image.path, manifest)
    except KapbenchError as error:
        yield "path", f"{error.thing}: {error.place}"
    if None in said and said != (None, None):
        yield "width", "width and height stand together, or neither"
    elif stored is not None and said not in ((None, None), stored):
        yield "width", f"{said[0]}×{said[1]} px, the photograph has {stored[0]}×{stored[1]}"
    if image.mask is not None and not (folder / image.mask).is_file():
        yield "mask", f"no file {folder / image.mask}"
    if image.category in manifest.categories:
        yield from _of_keypoints(image, manifest)
    else:
        yield "category", f"'{image.category}' is none of {', '.join(manifest.categories)}"
    size = (image.width or 0, image.height or 0) if None not in said else stored
    yield from _of_places(image, size)


def size_as_read(path: Path, manifest: Manifest) -> tuple[int, int]:
    """Width and height of a photograph's pixels. KapbenchError as `image_size`."""
    return upright_size(path) if manifest.exif else image_size(path)


def _of_keypoints(image: Image, manifest: Manifest) -> Iterator[Problem]:
    names = names_of(image, manifest)
    for name in sorted(set(image.keypoints) - set(names)):
        yield f"keypoints.{name}", f"'{name}' is no keypoint of {image.category}"
    for name, n in Counter(names if image.names is not None else ()).items():
        if n > 1:
            yield "names", f"'{name}' stands there {n} times"
    if image.names is not None and manifest.pairs is None:
        yield "names", "keypoints of its own, and no list of pairs"
    n_shown = sum(point is not None for point in image.keypoints.values())
    if manifest.size_from == "box" and image.box is None and n_shown < 2:
        yield "keypoints", "no box, and fewer than two keypoints to take one from"


def _of_places(image: Image, size: tuple[int, int] | None) -> Iterator[Problem]:
    """Where boxes and keypoints lie; `size` is None where nobody knows it."""
    box = image.box
    if box is not None and not (box[2] > box[0] and box[3] > box[1]):
        yield "box", f"{list(box)} has no area: x1 y1 x2 y2 are meant"
    if size is None:
        return
    if box is not None and (box[2] > size[0] + 1 or box[3] > size[1] + 1):
        yield "box", f"{list(box)} reaches beyond the image of {size[0]}×{size[1]} px"
    for name, point in image.keypoints.items():
        if point is not None and not (0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]):
            yield f"keypoints.{name}", f"{list(point)} lies outside {size[0]}×{size[1]} px"


def _of_pairs(manifest: Manifest) -> Iterator[Problem]:
    images = {image_id(image): image for image in manifest.images}
    for i, pair in enumerate(manifest.pairs or ()):
        for name in pair:
            if name not in images:
                yield f"pairs[{i}]", f"no image '{name}'"
        if pair[0] == pair[1]:
            yield f"pairs[{i}]", f"'{pair[0]}' with itself"
        elif set(pair) <= set(images):
            for said in _of_two(images[pair[0]], images[pair[1]], manifest):
                yield f"pairs[{i}]", said
    for pair, n in Counter(manifest.pairs or ()).items():
        if n > 1:
            yield "pairs", f"{pair[0]}, {pair[1]} stands there {n} times"


def _of_two(source: Image, target: Image, manifest: Manifest) -> Iterator[str]:
    """What keeps two images from being a pair."""
    if UNREAD in (source.category, target.category):
        return
    if source.category != target.category:
        yield f"{source.category} to {target.category}: pairs are of one category"
    elif source.category not in manifest.categories:
        return
    elif names_of(source, manifest) != names_of(target, manifest):
        yield "images whose keypoints are named differently"
