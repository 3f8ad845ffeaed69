"""What must hold within every records table, whatever the model: identities and inequalities.

Records that break a law were not computed by kapbench from maps and annotations, or were changed
afterwards. The laws need no model and no data set, and hold for every version of scoring.
"""

from collections.abc import Iterator

import numpy as np

from kapbench.errors import counted
from kapbench.scoring.neighbour_laws import neighbour_laws
from kapbench.scoring.object_laws import object_laws
from kapbench.scoring.part_laws import part_laws
from kapbench.scoring.prediction_laws import Law, decode_laws, geometry_laws
from kapbench.scoring.record_index import NOWHERE, Places, RecordIndex, codes, differing, floats
from kapbench.scoring.schema import SINCE_5, TEXT, Needs, Records, has_column
from kapbench.scoring.stretched_laws import stretched_laws

_RANGES = {  # of columns of whole numbers: smallest, largest
    "keypoint": (0, None),
    "twin": (0, None),
    "group": (-1, None),
    "group_visible": (0, None),
    "group_visible_renumbered": (0, None),
    "target_visible": (0, 1),
    "twin_visible": (0, 1),
    "viewpoint_change": (-1, 4),
    "truncation": (-1, 3),
    "occlusion": (-1, 3),
    "extent": (0, 2),
    "on_object": (-1, 1),
    "nearest": (-1, None),
}


def broken_laws(records: Records, needs: Needs) -> Iterator[str]:
    """Every law that some rows break, as a sentence with their number and the first of them.

    Args:
        records: Has the columns of `needs`. The order of rows is irrelevant.
        needs: Of the rules that the records serve.
    """
    wrong = [*_sentences(_number_laws(records, needs), records)]
    yield from wrong
    if wrong or not len(records):  # what follows looks rows up by these numbers
        return
    rows = RecordIndex.of(records)
    yield from _sentences(_pair_laws(rows), records)
    yield from _sentences(_annotation_laws(rows), records)
    for decode in needs.decodes:
        yield from _sentences(decode_laws(rows, decode), records)
        yield from _sentences(neighbour_laws(rows, decode), records)
        yield from _sentences(stretched_laws(rows, decode), records)
    yield from _sentences(object_laws(rows, needs), records)
    yield from _sentences(geometry_laws(rows, needs), records)
    yield from _sentences(part_laws(rows), records)


def _sentences(laws: Iterator[Law], records: Records) -> Iterator[str]:
    for words, broken in laws:
        if n := int(broken.sum()):
            first = int(broken.argmax())
            pair, keypoint = records["pair_id"].iloc[first], records["keypoint"].iloc[first]
            yield f"{words} in {counted(n, 'row')}; the first is keypoint {keypoint} of pair {pair}."


def _number_laws(records: Records, needs: Needs) -> Iterator[Law]:
    """Every number fits its column's type, and ids and codes lie in their range."""
    for name, column in needs.columns.items():
        if name in TEXT or (column in SINCE_5 and not has_column(records, name)):
            continue
        values = floats(records, name)
        if column.type.startswith("float"):
            with np.errstate(over="ignore"):
                yield f"{name} is infinite in {column.type}", np.isinf(values.astype(column.type))
            continue
        low, high = _RANGES[column.name]
        limit = np.inf if column.type == "bool" else np.iinfo(column.type).max
        within = (values >= low) & (values <= (limit if high is None else high))
        yield f"{name} is not a whole number {_range(low, high)}", ~(within & (values % 1 == 0))


def _range(low: int, high: int | None) -> str:
    return f"from {low}" if high is None else f"from {low} to {high}"


def _pair_laws(rows: RecordIndex) -> Iterator[Law]:
    records = rows.records
    first = Places([rows.pair]).first
    for name in ("category", "source_image", "target_image"):
        yield f"{name} differs within a pair", differing(codes(records, name), first)
    yield "A pair has the same keypoint twice", rows.in_pair.first != np.arange(len(first))
    for name in ("size_px", "viewpoint_change", "truncation", "occlusion"):
        yield f"{name} differs within a pair", differing(rows.floats(name), first)
    yield "size_px is not above 0", ~(rows.floats("size_px") > 0)


def _annotation_laws(rows: RecordIndex) -> Iterator[Law]:
    """One image has one annotation, and what is said of twins and groups follows from it."""
    for side, places in (("source", rows.in_source), ("target", rows.in_target)):
        names = [f"{side}_x", f"{side}_y"]
        if side == "target":
            names += ["target_visible", "twin_visible", "group_visible", "group_visible_renumbered"]
        for name in names:
            yield (
                f"{name} differs between pairs of one {side} image and keypoint",
                differing(rows.floats(name), places.first),
            )
    for name in ("source_x", "source_y"):
        yield f"{name} is NaN", np.isnan(rows.floats(name))
    for column, values in zip(("target_x", "target_y"), rows.target_xy.T, strict=True):
        yield (
            f"{column} is NaN where the keypoint is visible, or a number where it is absent",
            np.isnan(values) == rows.visible,
        )
    yield from _twin_laws(rows)
    yield from _group_laws(rows)


def _twin_laws(rows: RecordIndex) -> Iterator[Law]:
    twin, twin_visible = rows.ids("twin"), rows.ids("twin_visible") == 1
    has_twin = twin != rows.keypoint
    row = rows.in_target.rows(twin)
    known = has_twin & (row != NOWHERE)
    yield (
        "twin_visible is not whether the target shows the keypoint's counterpart",
        np.where(known, twin_visible != rows.visible[row], twin_visible & ~has_twin),
    )


def _group_laws(rows: RecordIndex) -> Iterator[Law]:
    group, members = rows.ids("group"), rows.ids("group_visible")
    yield (
        "group_visible is not 0 for a keypoint without a part group",
        (group < 0) & (members != 0),
    )
    places = rows.in_target
    of_group = Places([places.outer, group + 1])
    once = np.arange(len(group)) == places.first  # each keypoint of a target image
    n_visible = np.bincount(of_group.of, rows.visible & once)[of_group.of]
    yield (
        "group_visible differs within the part group of one target image",
        differing(members, of_group.first),
    )
    yield (
        "group_visible is below the number of members that the rows of the target image show",
        (group >= 0) & (members < n_visible),
    )
