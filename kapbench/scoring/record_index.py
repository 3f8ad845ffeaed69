"""A records table as arrays, and where its rows stand: what the laws of records look up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int, Shaped

from kapbench.scoring.schema import Records

NOWHERE = -1


@dataclass(frozen=True)
class RecordIndex:
    """Rows by pair and by target image; numbers in float64, ids as whole numbers."""

    records: Records
    pair: Int[np.ndarray, "n"]
    keypoint: Int[np.ndarray, "n"]
    visible: Bool[np.ndarray, "n"]
    target_xy: Float64[np.ndarray, "n 2"]
    in_pair: "Places"  # (pair, keypoint)
    in_target: "Places"  # (target image, category, keypoint): one annotation
    in_source: "Places"  # (source image, category, keypoint): one annotation

    @classmethod
    def of(cls, records: Records) -> "RecordIndex":
        """Of records whose ids are whole numbers from 0."""
        pair, category = codes(records, "pair_id"), codes(records, "category")
        keypoint = ids(records, "keypoint")
        return cls(
            records,
            pair,
            keypoint,
            records["target_visible"].to_numpy(bool),
            np.stack([floats(records, c) for c in ("target_x", "target_y")], axis=1),
            Places([pair, keypoint]),
            Places([codes(records, "target_image"), category, keypoint]),
            Places([codes(records, "source_image"), category, keypoint]),
        )

    def floats(self, name: str) -> Float64[np.ndarray, "n"]:
        return floats(self.records, name)

    def ids(self, name: str) -> Int[np.ndarray, "n"]:
        return ids(self.records, name)


class Places:
    """Rows by a key of several whole numbers from 0, the last of which can be looked up."""

    def __init__(self, key: Sequence[Int[np.ndarray, "n"]]) -> None:
        *first, self._last = key
        self.outer = np.zeros(len(self._last), np.int64)
        for part in first:
            joined = self.outer * (int(part.max(initial=0)) + 1) + part
            self.outer = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        self._n = int(self._last.max(initial=0)) + 1
        keys = self.outer * self._n + self._last
        self._keys, self._first, self.of = np.unique(keys, return_index=True, return_inverse=True)

    @property
    def first(self) -> Int[np.ndarray, "n"]:
        """The first row that has the key of each row."""
        return np.asarray(self._first[self.of])

    def rows(self, last: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """The first row with each row's key but for its last part, which is given; or NOWHERE."""
        wanted = self.outer * self._n + last
        place = np.searchsorted(self._keys, wanted).clip(0, max(len(self._keys) - 1, 0))
        inside = (last >= 0) & (last < self._n)
        known = inside & (self._keys[place] == wanted) if len(self._keys) else inside
        return np.where(known, self._first[place] if len(self._first) else place, NOWHERE)


def codes(records: Records, name: str) -> Int[np.ndarray, "n"]:
    """A number for each text of a column."""
    return np.asarray(pd.factorize(records[name])[0], np.int64)


def floats(records: Records, name: str) -> Float64[np.ndarray, "n"]:
    return records[name].to_numpy(np.float64)


def ids(records: Records, name: str) -> Int[np.ndarray, "n"]:
    return records[name].to_numpy(np.int64)


def differing(
    values: Shaped[np.ndarray, "n"], first: Int[np.ndarray, "n"]
) -> Bool[np.ndarray, "n"]:
    """Rows whose value is not that of another row; NaN is equal to NaN."""
    of_first = values[first]
    return np.asarray((values != of_first) & ~((values != values) & (of_first != of_first)))  # noqa: PLR0124
