"""Files of strangers: bombs, pipes and devices, damaged files, pictures that run programs, servers."""

import itertools
import random
from collections.abc import Iterator

from campaign.case import Case
from campaign.hostile_files import irregular, malformed, parquet_bombs, pictures, servers

NAME = "hostile files"
SHORT = 10
FULL = 100
_FAMILIES = (parquet_bombs, irregular, malformed, pictures, servers)


def cases(seed: int) -> Iterator[Case]:
    """One case of each family in turn: a control, then the others in an order of the seed's."""
    mixed = []
    for number, family in enumerate(_FAMILIES):
        first, *own = family.cases()
        random.Random(seed * 31 + number).shuffle(own)
        mixed.append([first, *own])
    for row in itertools.zip_longest(*mixed):
        yield from (case for case in row if case is not None)
