"""Lists every problem of a manifest at once, also those that its schema cannot see."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.datasets.images import find_file
from kapbench.datasets.manifest import schema
from kapbench.datasets.manifest.exif import (
    Headers,
    check_size,
    decide_exif,
    find_size,
    read_headers,
    take_sizes,
)
from kapbench.datasets.manifest.files import FIX, Source, open_source
from kapbench.datasets.manifest.partial import UNREAD, Problem, is_consequence, validate_partly
from kapbench.errors import KapbenchError
from kapbench.untrusted.regular_files import is_file


@dataclass(frozen=True, slots=True)
class OpenedManifest:
    """
    Args:
        content: With `exif` decided, and with the size of each photograph.
        files: Contents of its files.
        remarks: What was assumed, as sentences.
        decided_exif: Whether EXIF orientations are followed although the file does not say so.
    """

    content: schema.Manifest
    files: Sequence[bytes]
    remarks: tuple[str, ...]
    decided_exif: bool


def open_manifest(path: Path, exif: bool | None = None) -> OpenedManifest:
    """
    Args:
        exif: Takes the place of what the file says; None: it does not.

    Raises:
        KapbenchError: the first problem.
    """
    source = open_source(path)
    manifest, problems, remarks, decided_exif = _check(source, path, exif)
    if problems or manifest is None:
        key, message = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise KapbenchError(
            f"{message}{more}",
            place=f"{path}, {key}",
            fix=f"Run `kapbench list datasets --check {path}` for all problems. {FIX}",
        )
    return OpenedManifest(manifest, source.files, remarks, decided_exif)


def list_problems(path: Path) -> list[Problem]:
    """All problems of a manifest. KapbenchError where it is neither JSON nor CSV."""
    return _check(open_source(path), path, None)[1]


def _check(
    source: Source, path: Path, exif: bool | None
) -> tuple[schema.Manifest | None, list[Problem], tuple[str, ...], bool]:
    """The manifest, its problems, remarks, and whether EXIF is followed though the file is silent."""
    manifest, refused = validate_partly(source.content, source.validate)
    refused = [problem for problem in refused if not source.explains(problem[0])]
    problems, remarks, decided_exif = list(refused), source.remarks, False
    if manifest is not None:
        headers = read_headers(manifest, path.parent)
        follows, reasons, undecided = decide_exif(manifest, path.parent, headers, exif)
        decided_exif = follows and not manifest.exif
        manifest = manifest.model_copy(update={"exif": follows})
        checks = (
            undecided,
            _check_categories(manifest),
            _check_images(manifest, path.parent, headers),
            _check_pairs(manifest),
        )
        problems += [
            (key, message)
            for key, message in itertools.chain(*checks)
            if not source.explains(key)
            and not any(is_consequence(key, refused_key) for refused_key, _ in refused)
        ]
        manifest, other_sizes = take_sizes(manifest, headers)
        remarks += (*reasons, *other_sizes)
    located = [(source.locate(key), message) for key, message in problems]
    return manifest, [*source.problems, *located], remarks, decided_exif


def _check_categories(manifest: schema.Manifest) -> Iterator[Problem]:
    for name, category in manifest.categories.items():
        place = f"categories.{name}"
        for keypoint, n in Counter(category.keypoints).items():
            if n > 1:
                yield f"{place}.keypoints", f"'{keypoint}' occurs {n} times"
        known = set(category.keypoints)
        mirrored = [k for pair in category.mirror or () for k in pair]
        for kind, names in (
            ("groups", [k for group in category.groups or () for k in group]),
            ("mirror", mirrored),
        ):
            for keypoint, n in Counter(names).items():
                if keypoint not in known:
                    yield f"{place}.{kind}", f"'{keypoint}' is not a keypoint of {name}"
                if n > 1:
                    yield f"{place}.{kind}", f"'{keypoint}' occurs {n} times"
        yield from _check_twins(category, place)


def _check_twins(category: schema.Category, place: str) -> Iterator[Problem]:
    group = {k: i for i, members in enumerate(schema.groups_of(category)) for k in members}
    for left, right in schema.mirror_of(category):
        if group.get(left) != group.get(right):
            yield f"{place}.mirror", f"The twins '{left}' and '{right}' are in different groups"


def _check_images(manifest: schema.Manifest, folder: Path, headers: Headers) -> Iterator[Problem]:
    for name, n in Counter(schema.image_id(image) for image in manifest.images).items():
        if n > 1:
            yield "images", f"The id '{name}' occurs {n} times: give each image an id of its own"
    beyond = 0
    for i, image in enumerate(manifest.images):
        for key, message in _check_image(image, manifest, folder, headers):
            beyond += key == "box" and "beyond" in message
            yield f"images[{i}].{key}", message
    if beyond == len(manifest.images):
        yield (
            "images",
            "Every box reaches beyond its image: give x1, y1, x2, y2, not x, y, width, height",
        )


def _check_image(
    image: schema.Image, manifest: schema.Manifest, folder: Path, headers: Headers
) -> Iterator[Problem]:
    yield from check_size(image, folder, headers)
    if image.mask is not None and not is_file(find_file(folder, image.mask)):
        yield "mask", f"There is no file {folder / image.mask}"
    if image.category in manifest.categories:
        yield from _check_keypoints(image, manifest)
    else:
        known = ", ".join(manifest.categories)
        yield "category", f"'{image.category}' is not one of the categories: {known}"
    yield from _check_positions(image, find_size(image, manifest, headers))


def _check_keypoints(image: schema.Image, manifest: schema.Manifest) -> Iterator[Problem]:
    names = schema.names_of(image, manifest)
    for name in sorted(set(image.keypoints) - set(names)):
        yield f"keypoints.{name}", f"'{name}' is not a keypoint of {image.category}"
    for name, n in Counter(names if image.names is not None else ()).items():
        if n > 1:
            yield "names", f"'{name}' occurs {n} times"
    if image.names is not None and manifest.pairs is None:
        yield "names", "Images with their own keypoints need a list of pairs"
    n_distinct = len({point for point in image.keypoints.values() if point is not None})
    if manifest.size_from == "box" and image.box is None and n_distinct < 2:
        yield (
            "keypoints",
            "The image has no box, and fewer than two distinct keypoints to take one from",
        )


def _check_positions(image: schema.Image, size: tuple[int, int] | None) -> Iterator[Problem]:
    """Boxes and keypoints against the image; `size` is None where it is unknown."""
    box = image.box
    if box is not None and not (box[2] > box[0] and box[3] > box[1]):
        yield "box", f"The box {list(box)} (x1, y1, x2, y2) has no area"
    if size is None:
        return
    if box is not None and (box[2] > size[0] + 1 or box[3] > size[1] + 1):
        yield "box", f"The box {list(box)} reaches beyond the image of {size[0]}×{size[1]} px"
    for name, point in image.keypoints.items():
        if point is not None and not (0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]):
            yield (
                f"keypoints.{name}",
                f"The keypoint {list(point)} lies outside {size[0]}×{size[1]} px",
            )


def _check_pairs(manifest: schema.Manifest) -> Iterator[Problem]:
    images = {schema.image_id(image): image for image in manifest.images}
    for i, pair in enumerate(manifest.pairs or ()):
        for name in pair:
            if name not in images:
                yield f"pairs[{i}]", f"There is no image '{name}'"
        if pair[0] == pair[1]:
            yield f"pairs[{i}]", f"'{pair[0]}' is paired with itself"
        elif set(pair) <= set(images):
            for message in _check_pair(images[pair[0]], images[pair[1]], manifest):
                yield f"pairs[{i}]", message
    for pair, n in Counter(manifest.pairs or ()).items():
        if n > 1:
            yield "pairs", f"The pair {pair[0]}, {pair[1]} occurs {n} times"


def _check_pair(
    source: schema.Image, target: schema.Image, manifest: schema.Manifest
) -> Iterator[str]:
    """Why two images cannot be a pair."""
    if UNREAD in (source.category, target.category):
        return
    if source.category != target.category:
        yield f"Pairs are within a category, not {source.category} to {target.category}"
    elif source.category not in manifest.categories:
        return
    elif schema.names_of(source, manifest) != schema.names_of(target, manifest):
        yield "The two images have different lists of keypoints"
