"""What of a manifest can be read, where its schema refuses some of it: the rest is checked too."""

import copy
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from kapbench.datasets.manifest.schema import Manifest

Problem = tuple[str, str]  # key or line, what is wrong
UNREAD = "?"  # stands for a category that cannot be read
_ROUNDS = 3  # a list that is too short is seen when its items are in order


def readable(
    given: Any, validated: Callable[[Any], Manifest]
) -> tuple[Manifest | None, list[Problem]]:
    """The manifest without the values that its schema refuses, and what it says of them.

    What is refused is left out, or has a stand-in where it is needed, so that numbers of images and
    pairs stay. None where too little is left.
    """
    told: dict[str, str] = {}
    for _ in range(_ROUNDS):
        try:
            return validated(given), list(told.items())
        except ValidationError as error:
            given = copy.deepcopy(given)
            for found in error.errors():
                told.setdefault(_key(found["loc"]), found["msg"].lower())
                if isinstance(given, dict):
                    _take_out(given, found["loc"])
    return None, list(told.items())


def follows(key: str, told: str) -> bool:
    """Whether a problem at a key may come of another one, at the key that was told before."""
    within_one = "[" in key or "." in key
    return _below(key, told) or (within_one and _below(told, key))


def _below(key: str, other: str) -> bool:
    return key == other or key.startswith((f"{other}.", f"{other}["))


def _key(place: tuple[int | str, ...]) -> str:
    words = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place if p != "[key]")
    return words.lstrip(".") or "the file"


def _take_out(given: dict[str, Any], place: tuple[int | str, ...]) -> None:
    match place:
        case ("images", int(i), *keys):
            _from_images(given["images"], i, keys)
        case ("pairs", int(i), *_):
            given["pairs"][i] = [f"{UNREAD}{i}", f"{UNREAD}{i}"]
        case ("categories", str(name), *keys):
            _from_categories(given, name, keys)
        case ("categories",):
            given["categories"] = {name: _stand_in(given, name) for name in _named(given)}
        case ("name",):
            given["name"] = UNREAD
        case (str(key), *_):
            given.pop(key, None)


def _from_images(images: list[Any], i: int, keys: list[int | str]) -> None:
    stand_in = {"path": f"{UNREAD}{i}", "category": UNREAD, "keypoints": {}}
    image = images[i]
    if not keys or not isinstance(image, dict):
        images[i] = stand_in
    elif keys[0] == "keypoints" and len(keys) > 1:
        image["keypoints"].pop(keys[1], None)
    elif keys[0] in stand_in:
        image[keys[0]] = stand_in[str(keys[0])]
    else:
        image.pop(keys[0], None)


def _from_categories(given: dict[str, Any], name: str, keys: list[int | str]) -> None:
    categories = given["categories"]
    match keys:
        case ["[key]"]:
            categories.pop(name, None)
        case ["keypoints", int(k)]:
            categories[name]["keypoints"][k] = f"{UNREAD}{k}"
        case ["keypoints"]:
            categories[name] |= _stand_in(given, name)
        case [str(key), *_]:
            categories[name].pop(key, None)
        case _:
            categories[name] = _stand_in(given, name)


def _stand_in(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A category with the keypoints that its images name."""
    used = [
        k for image in _images(given) if image.get("category") == name
        and isinstance(image.get("keypoints"), dict) for k in image["keypoints"]
    ]  # fmt: skip
    return {"keypoints": list(dict.fromkeys(used)) or [UNREAD]}


def _named(given: dict[str, Any]) -> list[str]:
    names = [image.get("category") for image in _images(given)]
    return [name for name in dict.fromkeys(map(str, names)) if name]


def _images(given: dict[str, Any]) -> list[dict[str, Any]]:
    images = given.get("images")
    return [i for i in images if isinstance(i, dict)] if isinstance(images, list) else []
