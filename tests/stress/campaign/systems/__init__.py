"""Systems that lack locks, room, rights, files, streams or UTF-8, and models that do odd things."""

import itertools
import random
from collections.abc import Iterator

from campaign.case import Case
from campaign.systems import disks, inputs, models, processes, streams

NAME, SHORT, FULL = "systems", 9, 110
# Those of which one case is cheap come first: the test suite runs no others.
FAMILIES = (
    streams.streams,
    models.defects,
    models.that_raise,
    disks.without_locks,
    models.that_move,
    inputs.outputs,
    inputs.datasets,
    processes.interrupts,
    disks.odd_names,
    models.that_leave_a_lock,
    disks.only_to_be_read,
    disks.full_disks,
    disks.open_files,
    disks.places,
    inputs.records,
    inputs.sessions,
    streams.environments,
    processes.clocks,
)


def cases(seed: int) -> Iterator[Case]:
    """One of each family in turn; what is drawn within a family depends on the seed."""
    draw = random.Random(seed)
    for row in itertools.zip_longest(*(family(draw) for family in FAMILIES)):
        yield from (case for case in row if case is not None)
