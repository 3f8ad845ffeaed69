"""Finds saved maps whose axes are not in the order that kapbench reads, from their shapes alone.

Features are [channels, height, width], similarity maps [queries, height, width]. Nothing is guessed:
what contradicts that order is refused, and so is what leaves it open, unless kapbench.json states
`"axes": "chw"`. docs/models.md states the rule.
"""

from collections.abc import Mapping
from pathlib import Path

from kapbench.errors import KapbenchError, documentation

Shape = tuple[int, ...]
PAGE = "models.md#featuresdir"
TRANSPOSE = "np.ascontiguousarray(values.transpose(2, 0, 1))"  # [h, w, c] to [c, h, w]
STATE = '{"axes": "chw"}'
# How many times as long as wide cells may be that are plausible, and that are possible.
MOST_PLAUSIBLE, MOST_POSSIBLE = 1.5, 4.0
_PLAUSIBLE, _POSSIBLE, _IMPOSSIBLE = range(3)


def check_feature_axes(shapes: Mapping[Path, Shape]) -> bool:
    """Whether the shapes of all images' features show that channels are first.

    The axis of the channels is the one that agrees over images. Where both the first and the last
    do, two equal first axes of another length than the last are a square of cells, channels last;
    all else is left to `check_cells`.

    Args:
        shapes: Shape of the tensor `features` in each file.

    Raises:
        KapbenchError: they show that channels are not first; all axes of all files are equal.
    """
    for path, shape in shapes.items():
        check_rank("features", shape, path)
    path, example = next(iter(shapes.items()))
    n_first, _, n_last = (len(set(lengths)) for lengths in zip(*shapes.values(), strict=True))
    if n_first > 1 and n_last > 1:
        raise _differing_channels(shapes)
    if n_first > 1:
        raise _channels_last(
            example, path, f"the last axis is {example[2]} in every file, the first differs"
        )
    if n_last > 1:
        return True
    if all(shape[0] == shape[1] != shape[2] for shape in shapes.values()):
        raise _channels_last(example, path, "the first two axes are equal, the last is not")
    if all(len(set(shape)) == 1 for shape in shapes.values()):
        raise _undecided(example, path, "")
    return False


def check_cells(
    shape: Shape, size: tuple[int, int], path: Path, *, channels_are_first: bool = False
) -> None:
    """KapbenchError unless the cells of [c, h, w] fit the image, and better than those of [h, w, c].

    Cells of a grid over the whole image are plausible where they are at most 1.5 times as long as
    wide, or as many across as down; possible up to 4 times; and otherwise impossible.

    Args:
        size: Width and height of the image.
        channels_are_first: As other files show: [h, w, c] is out of the question.
    """
    as_read, channels_last = _misfit(shape[1:], size), _misfit(shape[:2], size)
    image = f"an image of {size[0]}×{size[1]} px"
    if channels_last < as_read and not channels_are_first:
        reason = f"{shape[0]}×{shape[1]} cells fit {image}, {shape[1]}×{shape[2]} do not"
        raise _channels_last(shape, path, reason)
    if as_read == _IMPOSSIBLE:
        raise KapbenchError(
            f"The tensor 'features' has the shape {list(shape)}, which does not look like "
            f"[channels, height, width]: {shape[1]}×{shape[2]} cells over {image}",
            place=path,
            fix="Save features as [channels, height, width]: of [height, width, channels] "
            f"{TRANSPOSE}, of tokens [height·width, channels] "
            f"tokens.T.reshape(channels, height, width). If they are, write {STATE} into "
            "kapbench.json",
        )
    if channels_last == as_read and not channels_are_first:
        cells = f"{shape[1]}×{shape[2]} and {shape[0]}×{shape[1]} cells"
        raise _undecided(shape, path, f": both {cells} fit {image}")


def _misfit(cells: Shape, size: tuple[int, int]) -> int:
    """How badly the cells of a grid fit an image of this size: in three steps."""
    in_image, of_grid = _oblongness(cells, size), _oblongness(cells, (1, 1))
    if in_image <= MOST_PLAUSIBLE or cells[0] == cells[1]:
        return _PLAUSIBLE
    return _POSSIBLE if min(in_image, of_grid) <= MOST_POSSIBLE else _IMPOSSIBLE


def check_similarity_axes(shapes: Mapping[Path, tuple[Shape, int]]) -> None:
    """KapbenchError where the last axis, not the first, is as long as the pair has queries.

    Args:
        shapes: Shape of the tensor `similarity` and number of queries of each file.
    """
    for path, (shape, _) in shapes.items():
        check_rank("similarity", shape, path)
    first = all(shape[0] == n for shape, n in shapes.values())
    last = all(shape[2] == n for shape, n in shapes.values())
    path, (shape, n) = next(iter(shapes.items()))
    if last and not first:
        path, (shape, n) = next(x for x in shapes.items() if x[1][0][0] != x[1][1])
        raise KapbenchError(
            f"The tensor 'similarity' has the shape {list(shape)} for {n} queries: it is "
            "[height, width, queries]",
            place=path,
            fix=f"Save similarity as [queries, height, width]: {TRANSPOSE}",
        )
    if last and first:
        raise KapbenchError(
            f"The tensor 'similarity' has the shape {list(shape)} for {n} queries, which does not "
            "show whether the queries are first or last",
            place=path,
            fix=f"Write {STATE} into kapbench.json if it is [queries, height, width], otherwise "
            f"save {TRANSPOSE}",
        )


def _oblongness(cells: Shape, size: tuple[int, int]) -> float:
    """The longer side of a cell, of a grid over the whole image, in units of its shorter one."""
    n_rows, n_columns = cells
    ratio = (size[0] / n_columns) / (size[1] / n_rows)
    return max(ratio, 1 / ratio)


def check_rank(name: str, shape: Shape, path: Path) -> None:
    """KapbenchError where a tensor has not three axes, or one of them is empty."""
    if len(shape) == 3 and 0 not in shape[1:] and (name != "features" or shape[0]):
        return
    first = "channels" if name == "features" else "queries"
    fix = f"Save them as [{first}, height, width]"
    if len(shape) == 4 and shape[0] == 1:
        fix += ": values[0] in place of values"
    raise KapbenchError(f"The tensor '{name}' has the shape {list(shape)}", place=path, fix=fix)


def _channels_last(shape: Shape, path: Path, reason: str) -> KapbenchError:
    return KapbenchError(
        f"The tensor 'features' has the shape {list(shape)}, which looks like "
        f"[height, width, channels]: {reason}",
        place=path,
        fix=f"Save {TRANSPOSE} of each image. If it is [channels, height, width] as it is, write "
        f"{STATE} into kapbench.json. {documentation(PAGE)} describes the format",
    )


def _undecided(shape: Shape, path: Path, reason: str) -> KapbenchError:
    return KapbenchError(
        f"The tensor 'features' has the shape {list(shape)}, which does not show whether channels "
        f"are first or last{reason}",
        place=path,
        fix=f"Write {STATE} into kapbench.json if it is [channels, height, width], otherwise save "
        f"{TRANSPOSE}",
    )


def _differing_channels(shapes: Mapping[Path, Shape]) -> KapbenchError:
    path, shape = next(iter(shapes.items()))
    other_path, other = next(x for x in shapes.items() if x[1][0] != shape[0])
    return KapbenchError(
        f"The tensor 'features' has {shape[0]} channels in {path.name} and {other[0]} in "
        f"{other_path.name}, with the shapes {list(shape)} and {list(other)}",
        place=other_path,
        fix="Save the features of all images by one model, as [channels, height, width]",
    )
