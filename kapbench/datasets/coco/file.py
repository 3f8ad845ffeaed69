"""Reads a COCO-keypoints file: images, categories and the annotations that can be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import (
    CocoAnnotation,
    Strict,
    check_annotation,
    count_numbers,
    has_keypoints,
)
from kapbench.errors import KapbenchError, agreeing, counted, name_first
from kapbench.untrusted.strict_text import parse_json, read_bytes


class CocoImage(Strict):
    id: int
    file_name: Annotated[str, Field(min_length=1)]
    width: reading.Side | None = None
    height: reading.Side | None = None


class CocoCategory(Strict):
    id: int
    name: Annotated[str, Field(min_length=1)]
    supercategory: str | None = None
    keypoints: list[str] = Field(default_factory=list)  # not every category has keypoints
    flip_pairs: list[list[int]] | None = None


class _File(Strict):
    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[Any]  # checked one by one: a wrong one does not stop the others


@dataclass(frozen=True)
class CocoFile:
    """Content of a file; annotations by id, without crowds, those without keypoints and wrong ones.

    Args:
        remarks: What was left out and what was assumed, as sentences.
    """

    content: bytes
    images: Mapping[int, CocoImage]
    categories: Mapping[int, CocoCategory]
    annotations: list[CocoAnnotation]
    remarks: tuple[str, ...]


def open_coco(path: Path, fix: str, *, strict: bool) -> CocoFile:
    """
    Args:
        fix: What to do where the file is missing.
        strict: Whether an annotation that cannot be used is an error. Otherwise it is left out.

    Raises:
        KapbenchError: a missing file; a key that is missing or of a wrong type; an id that occurs
            twice; no annotation that can be used; annotations of a category without names of
            keypoints that have different numbers of them.
    """
    content = read_bytes(path, fix)
    file = reading.validate(_File, parse_json(content, path, nan=True), path)
    return check_content(content, file.images, file.categories, file.annotations, path, strict)


def check_content(
    content: bytes,
    images: list[CocoImage],
    categories: list[CocoCategory],
    entries: list[Any],
    path: Path,
    strict: bool,
) -> CocoFile:
    """As `open_coco`, of what was read of a file."""
    images_by_id = _by_id(images, "images", path)
    labelled = [(i, entry) for i, entry in enumerate(entries) if has_keypoints(entry)]
    categories_by_id, remarks = _name_keypoints(
        _by_id(categories, "categories", path), labelled, path
    )
    annotations, problems = dict[int, CocoAnnotation](), list[KapbenchError]()
    for i, entry in labelled:
        try:
            annotation = check_annotation(entry, i, images_by_id, categories_by_id, path)
        except KapbenchError as error:
            if strict:
                raise
            problems.append(error)
            continue
        if annotation.id in annotations:
            raise reading.wrong_file(f"The id {annotation.id} occurs twice in annotations", path)
        annotations[annotation.id] = annotation
    if problems and not annotations:
        raise KapbenchError(
            f"No annotation of the file can be used: {_list_problems(problems, path)}",
            place=path,
            fix="Correct the file",
        )
    n_without = len(entries) - len(labelled)
    remarks += (
        *_remark_on_left_out(n_without),
        *_remark_on_problems(problems, path),
        *_remark_on_boxes(sum(annotation.bbox is None for annotation in annotations.values())),
    )
    kept = [annotations[number] for number in sorted(annotations)]
    return CocoFile(content, images_by_id, categories_by_id, kept, remarks)


def _by_id(entries: list[Any], kind: str, path: Path) -> dict[int, Any]:
    by_id: dict[int, Any] = {}
    for entry in entries:
        if entry.id in by_id:
            raise reading.wrong_file(f"The id {entry.id} occurs twice in {kind}", path)
        by_id[entry.id] = entry
    return by_id


def _name_keypoints(
    categories: dict[int, CocoCategory], labelled: list[tuple[int, Any]], path: Path
) -> tuple[dict[int, CocoCategory], tuple[str, ...]]:
    """Categories with keypoints; those that name none get the names 0, 1, …, and a remark."""
    numbers: dict[int, set[int]] = {}
    for _, entry in labelled:
        n_numbers = count_numbers(entry)
        number = entry.get("category_id") if n_numbers else None
        category = categories.get(number) if isinstance(number, int) else None
        if n_numbers and category is not None and not category.keypoints:
            numbers.setdefault(category.id, set()).add(n_numbers)
    named, remarks = dict(categories), []
    for number, lengths in numbers.items():
        name, n = categories[number].name, max(lengths) // 3
        if len(lengths) > 1 or max(lengths) % 3:
            raise KapbenchError(
                f"Category '{name}' names no keypoints, and its annotations have "
                f"{' or '.join(map(str, sorted(lengths)))} numbers",
                place=path,
                fix="Give the category a list of names: keypoints",
            )
        keypoints = [str(k) for k in range(n)]
        named[number] = categories[number].model_copy(update={"keypoints": keypoints})
        remarks.append(
            f"Category '{name}' names no keypoints. They are named 0 to {n - 1}, and none has a "
            "mirror counterpart unless flip_pairs or symmetry_file names it"
        )
    return named, tuple(remarks)


def _remark_on_left_out(n: int) -> tuple[str, ...]:
    because = (
        "is left out: it is a crowd or has" if n == 1 else "are left out: they are crowds or have"
    )
    message = f"{counted(n, 'annotation')} {because} no keypoints"
    return (message,) if n else ()


def _remark_on_problems(problems: list[KapbenchError], path: Path) -> tuple[str, ...]:
    if not problems:
        return ()
    n = len(problems)
    message = (
        f"{counted(n, 'annotation')} cannot be used and {agreeing('is', n)} left out: "
        f"{_list_problems(problems, path)}. strict=true refuses such a file"
    )
    return (message,)


def _list_problems(problems: list[KapbenchError], path: Path) -> str:
    return name_first(
        [f"{str(problem.place).removeprefix(f'{path}, ')}: {problem.thing}" for problem in problems]
    )


def _remark_on_boxes(n: int) -> tuple[str, ...]:
    message = (
        f"{counted(n, 'annotation')} {agreeing('has', n)} no box: the box around the "
        "visible keypoints is taken"
    )
    return (message,) if n else ()
