"""Servers that drip, lie, redirect and change their mind, and archives that should not be unpacked.

A fetch ends with the right bytes, or with an error in words and nothing half-written; a second fetch,
from a server that behaves, ends with the right bytes.
"""

import random
from collections.abc import Iterator

from campaign.case import Case
from campaign.servers import archives, transfers

NAME, SHORT, FULL = "servers", 5, 110
_FAMILIES = (
    transfers.transfers,
    transfers.tags,
    transfers.changes,
    transfers.redirects,
    archives.archives,
)


def cases(seed: int) -> Iterator[Case]:
    """One of each family in turn, for as long as there are transfers."""
    draw = random.Random(seed)
    rows = [family(draw) for family in _FAMILIES]
    while True:
        for row in rows:
            yield from (case for case in (next(row, None),) if case is not None)
