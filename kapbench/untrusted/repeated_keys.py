"""Finds the objects of a JSON text that have a key twice, and where they are."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

WHOLE = "the file"  # where the outermost object is


@dataclass
class RepeatedKeys:
    """Collects, while a JSON text is read, the objects with two equal keys.

    `objects`: each such object, and the keys that occur more than once with their numbers.
    """

    objects: list[tuple[dict[str, Any], dict[str, int]]] = field(default_factory=list)

    def as_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The object of its keys and values, for the `object_pairs_hook` of `json`."""
        values = dict(pairs)
        if len(values) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            self.objects.append((values, {key: n for key, n in counts.items() if n > 1}))
        return values

    def describe(self, content: Any) -> Iterator[tuple[str, str]]:
        """Path and problem of each repeated key, e.g. images[12].keypoints.

        An object that a repeated key of an outer object replaces has no path: `WHOLE`.
        """
        if not self.objects:
            return
        paths = {id(values): path for path, values in _walk(content, "")}
        for values, counts in self.objects:
            for key, n in counts.items():
                place = paths.get(id(values)) or WHOLE
                yield place, f"Key '{key}' occurs {n} times in one object"


def _walk(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object below a value, and its path; nested no deeper than `strict_text` allows."""
    if isinstance(value, dict):
        yield path, value
        for key, child in value.items():
            yield from _walk(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from _walk(child, f"{path}[{i}]")
