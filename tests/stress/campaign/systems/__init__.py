"""Systems that lack locks, room, rights, files, streams or UTF-8, and models that do odd things."""

import itertools
import random
from collections.abc import Iterator

from campaign.case import Case
from campaign.systems import disks, inputs, models, processes, streams

NAME, SHORT, FULL = "systems", 5, 110
# The test suite runs the first case of the first five.
FAMILIES = (
    streams.streams,
    disks.without_locks,
    inputs.outputs,
    disks.odd_names,
    processes.interrupts,
    inputs.datasets,
    models.defects,
    models.that_raise,
    models.that_move,
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
