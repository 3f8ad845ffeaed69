"""Validates the rest of a manifest where its schema refuses a part, so that one check lists all."""

import copy
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from kapbench.datasets.manifest.schema import Manifest
from kapbench.untrusted.refused_values import describe_value

Problem = tuple[str, str]  # key or line, what is wrong
UNREAD = "?"  # stands for a refused category
_ROUNDS = 3  # the schema checks the length of a list once its items are valid


def validate_partly(
    content: Any, validate: Callable[[Any], Manifest]
) -> tuple[Manifest | None, list[Problem]]:
    """The manifest without the values that its schema refuses, and why it refuses them.

    A refused value is left out, or replaced where it is required, so that the numbers of images
    and pairs stay. None where too little is left.
    """
    problems: dict[str, str] = {}
    for _ in range(_ROUNDS):
        try:
            return validate(content), list(problems.items())
        except ValidationError as error:
            content = copy.deepcopy(content)
            for refused in error.errors():
                problems.setdefault(_format_key(refused["loc"]), describe_value(refused))
                if isinstance(content, dict):
                    _take_out(content, refused["loc"])
    return None, list(problems.items())


def is_consequence(key: str, refused: str) -> bool:
    """Whether a problem at a key may follow from a refused value."""
    within_one = "[" in key or "." in key
    return _below(key, refused) or (within_one and _below(refused, key))


def _below(key: str, other: str) -> bool:
    return key == other or key.startswith((f"{other}.", f"{other}["))


def _format_key(place: tuple[int | str, ...]) -> str:
    words = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place if p != "[key]")
    return words.lstrip(".") or "the file"


def _take_out(content: dict[str, Any], place: tuple[int | str, ...]) -> None:
    match place:
        case ("images", int(i), *keys):
            _take_out_of_image(content["images"], i, keys)
        case ("pairs", int(i), *_):
            content["pairs"][i] = [f"{UNREAD}{i}", f"{UNREAD}{i}"]
        case ("categories", str(name), *keys):
            _take_out_of_category(content, name, keys)
        case ("categories",):
            content["categories"] = {
                name: _substitute(content, name) for name in _list_categories(content)
            }
        case ("name",):
            content["name"] = UNREAD
        case (str(key), *_):
            content.pop(key, None)


def _take_out_of_image(images: list[Any], i: int, keys: list[int | str]) -> None:
    substitutes = {"path": f"{UNREAD}{i}", "category": UNREAD, "keypoints": {}}
    image = images[i]
    if not keys or not isinstance(image, dict):
        images[i] = substitutes
    elif keys[0] == "keypoints" and len(keys) > 1:
        image["keypoints"].pop(keys[1], None)
    elif keys[0] in substitutes:
        image[keys[0]] = substitutes[str(keys[0])]
    else:
        image.pop(keys[0], None)


def _take_out_of_category(content: dict[str, Any], name: str, keys: list[int | str]) -> None:
    categories = content["categories"]
    if name not in categories:  # taken out already, with its name
        return
    match keys:
        case ["[key]"]:
            categories.pop(name, None)
        case ["keypoints", int(k)]:
            categories[name]["keypoints"][k] = f"{UNREAD}{k}"
        case ["keypoints"]:
            categories[name] |= _substitute(content, name)
        case [str(key), *_]:
            categories[name].pop(key, None)
        case _:
            categories[name] = _substitute(content, name)


def _substitute(content: dict[str, Any], name: str) -> dict[str, Any]:
    """A category with the keypoints that its images have."""
    used = [
        k
        for image in _list_images(content)
        if image.get("category") == name and isinstance(image.get("keypoints"), dict)
        for k in image["keypoints"]
    ]
    return {"keypoints": list(dict.fromkeys(used)) or [UNREAD]}


def _list_categories(content: dict[str, Any]) -> list[str]:
    names = [image.get("category") for image in _list_images(content)]
    return [name for name in dict.fromkeys(map(str, names)) if name]


def _list_images(content: dict[str, Any]) -> list[dict[str, Any]]:
    images = content.get("images")
    return [i for i in images if isinstance(i, dict)] if isinstance(images, list) else []
