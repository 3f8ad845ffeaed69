"""Every problem of a manifest, all at once: what its schema cannot see."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from kapbench.datasets import annotations as read
from kapbench.datasets.images import image_size
from kapbench.datasets.manifest_csv import from_csv
from kapbench.datasets.manifest_schema import Category, Image, Manifest, image_id
from kapbench.errors import KapbenchError

Problem = tuple[str, str]  # key or line, what is wrong
FIX = "see docs/datasets/manifest.md"


def open_manifest(path: Path) -> tuple[Manifest, bytes]:
    """
    Raises:
        KapbenchError: no such file, or anything is wrong with it; its first problems are named.
    """
    found = problems(path)
    if found:
        key, said = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise KapbenchError(
            f"{said}{more}", place=f"{path}, {key}",
            fix=f"`kapbench list datasets --check {path}` says all that is wrong; {FIX}",
        )  # fmt: skip
    content = read.read_bytes(path, FIX)
    return _validated(path, content), content


def problems(path: Path) -> list[Problem]:
    """All that is wrong with a manifest. KapbenchError where it is neither JSON nor CSV."""
    content = read.read_bytes(path, FIX)
    try:
        manifest = _validated(path, content)
    except ValidationError as error:
        found = [(_key(e["loc"]), e["msg"].lower()) for e in error.errors()]
    else:
        found = [
            *_of_categories(manifest), *_of_images(manifest, path.parent), *_of_pairs(manifest)
        ]  # fmt: skip
    return [(_line(key), said) for key, said in found] if _is_table(path) else found


def _validated(path: Path, content: bytes) -> Manifest:
    if _is_table(path):  # all of it is text
        return Manifest.model_validate(from_csv(read.read_text(path, FIX), path))
    read.read_json(content, path)
    return Manifest.model_validate_json(content, strict=True)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _line(key: str) -> str:
    """An image's number as its line in a table, the first below the head being 2."""
    return re.sub(r"^images\[(\d+)\]\.?", lambda m: f"line {int(m[1]) + 2}, ", key)


def _key(place: tuple[int | str, ...]) -> str:
    words = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)
    return words.lstrip(".") or "the file"


def _of_categories(manifest: Manifest) -> Iterator[Problem]:
    for name, category in manifest.categories.items():
        place = f"categories.{name}"
        for keypoint, n in Counter(category.keypoints).items():
            if n > 1:
                yield f"{place}.keypoints", f"'{keypoint}' stands there {n} times"
        known = set(category.keypoints)
        mirrored = [k for pair in category.mirror or () for k in pair]
        for kind, names in (
            ("groups", [k for group in category.groups for k in group]), ("mirror", mirrored),
        ):  # fmt: skip
            for keypoint, n in Counter(names).items():
                if keypoint not in known:
                    yield f"{place}.{kind}", f"'{keypoint}' is no keypoint of {name}"
                if n > 1:
                    yield f"{place}.{kind}", f"'{keypoint}' stands there {n} times"
        yield from _split_twins(category, place)


def _split_twins(category: Category, place: str) -> Iterator[Problem]:
    group = {k: i for i, members in enumerate(category.groups) for k in members}
    for left, right in category.mirror or ():
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
        stored = image_size(folder / image.path)
    except KapbenchError as error:
        yield "path", f"{error.thing}: {error.place}"
    if stored is not None and said not in ((None, None), stored) and not manifest.exif:
        yield "width", f"{said[0]}×{said[1]} px, the photograph has {stored[0]}×{stored[1]}"
    if image.mask is not None and not (folder / image.mask).is_file():
        yield "mask", f"no file {folder / image.mask}"
    if image.category in manifest.categories:
        yield from _of_keypoints(image, manifest)
    else:
        yield "category", f"'{image.category}' is none of {', '.join(manifest.categories)}"
    size = (image.width or 0, image.height or 0) if None not in said else stored
    yield from _of_places(image, size)


def _of_keypoints(image: Image, manifest: Manifest) -> Iterator[Problem]:
    for name in sorted(set(image.keypoints) - set(manifest.categories[image.category].keypoints)):
        yield f"keypoints.{name}", f"'{name}' is no keypoint of {image.category}"
    n_shown = sum(point is not None for point in image.keypoints.values())
    if manifest.size_from == "box" and image.box is None and n_shown < 2:
        yield "box", "no box, and fewer than two keypoints to take one from"


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
    category = {image_id(image): image.category for image in manifest.images}
    for i, (source, target) in enumerate(manifest.pairs or ()):
        for name in (source, target):
            if name not in category:
                yield f"pairs[{i}]", f"no image '{name}'"
        if source in category and target in category and category[source] != category[target]:
            yield (
                f"pairs[{i}]",
                f"{category[source]} to {category[target]}: pairs are of one category",
            )
        if source == target:
            yield f"pairs[{i}]", f"'{source}' with itself"
    for pair, n in Counter(manifest.pairs or ()).items():
        if n > 1:
            yield "pairs", f"{pair[0]}, {pair[1]} stands there {n} times"
