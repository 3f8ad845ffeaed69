"""Features of the images that were seen last, for models of pairs: they meet an image many times."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from kapbench.models.inputs import picture_hash
from kapbench.types import Picture


@runtime_checkable
class Sized(Protocol):
    @property
    def n_bytes(self) -> int: ...


_Features = TypeVar("_Features", bound=Sized)


class RecentFeatures(Generic[_Features]):
    """Makes the features of a picture, or finds them among those of up to `max_bytes`.

    Args:
        at_least: Images whose features are kept however large they are: those of one pair.
    """

    def __init__(
        self, make: Callable[[Picture], _Features], *, max_bytes: int, at_least: int
    ) -> None:
        self._make, self._max_bytes, self._at_least = make, max_bytes, at_least
        self._kept: OrderedDict[str, _Features] = OrderedDict()

    def __call__(self, picture: Picture) -> _Features:
        key = picture_hash(picture, by_name=True)
        if key not in self._kept:
            self._kept[key] = self._make(picture)
            while len(self._kept) > self._at_least and self._n_bytes > self._max_bytes:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    @property
    def _n_bytes(self) -> int:
        return sum(features.n_bytes for features in self._kept.values())
