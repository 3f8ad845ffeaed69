"""Systems that lack locks, room, rights, files, streams or UTF-8, and models that do odd things."""

import itertools
import random
from collections.abc import Iterator

from campaign.case import Case
from campaign.systems import disks, inputs, models, processes, streams

NAME, SHORT, FULL = "systems", 16, 110


def cases(seed: int) -> Iterator[Case]:
    """One of each family in turn; what is drawn within a family depends on the seed."""
    draw = random.Random(seed)
    rooms = (disks, models, processes, streams, inputs)
    families = [family(draw) for room in rooms for family in room.FAMILIES]
    for row in itertools.zip_longest(*families):
        yield from (case for case in row if case is not None)
