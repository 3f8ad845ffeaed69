"""Decides whether saved features are [c h w] or [h w c]: from what all files share, or as stated."""

from collections.abc import Collection, Mapping
from typing import Literal

from kapbench.errors import KapbenchError

Axes = Literal["chw", "hwc"]
Shape = tuple[int, ...]
_NAMES = {"chw": "[channels, height, width]", "hwc": "[height, width, channels]"}


def drop_batch(shape: Shape) -> Shape:
    """Without the axes of length 1 before the last three."""
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    return shape


def decide_axes(
    shapes: Mapping[str, Shape], stated: Axes | None, *, letterbox: bool
) -> tuple[Axes, str]:
    """The order of the axes, and what shows it.

    Channels are the axis that has one length in all files while the other end's differs, which needs
    images of different aspect. A letterbox has as many cells across as down. What leaves both orders
    open is refused: nothing is guessed.

    Args:
        shapes: Of each file's array, without a batch axis.
        stated: By the user, which must not contradict the shapes.
        letterbox: Whether the user stated that the cells lie over a letterbox.

    Raises:
        KapbenchError: not three axes; no order, or both, fit the shapes.
    """
    for place, shape in shapes.items():
        _check_rank(place, shape)
    possible: list[Axes] = [a for a in ("chw", "hwc") if _fits(a, shapes.values(), letterbox)]
    place, example = next(iter(shapes.items()))
    if stated is not None:
        if stated not in possible:
            raise _contradiction(stated, shapes, letterbox=letterbox)
        return stated, "as --axes states"
    if not possible:
        raise _contradiction(None, shapes, letterbox=letterbox)
    if len(possible) == 2:
        raise KapbenchError(
            f"The arrays do not show whether channels are first or last: {_describe(shapes)}",
            place=place,
            fix=f"State it: --axes chw where they are {_NAMES['chw']}, --axes hwc where they are "
            f"{_NAMES['hwc']}",
        )
    axes = possible[0]
    end, other = ("first", "last") if axes == "chw" else ("last", "first")
    n_channels = example[0 if axes == "chw" else 2]
    if len({_channels(shape, axes) for shape in shapes.values()}) == 1 and not all(
        _fits(a, shapes.values(), letterbox=False) for a in ("chw", "hwc")
    ):
        return axes, f"the {end} axis is {n_channels} in all files, the {other} one differs"
    return axes, f"a letterbox has as many cells across as down: {n_channels} is the {end} axis"


def _channels(shape: Shape, axes: Axes) -> int:
    return shape[0] if axes == "chw" else shape[2]


def _fits(axes: Axes, shapes: Collection[Shape], letterbox: bool) -> bool:
    """Whether all files have the same channels in this order, and square cells in a letterbox."""
    cells = [shape[1:] if axes == "chw" else shape[:2] for shape in shapes]
    same = len({_channels(shape, axes) for shape in shapes}) == 1
    return same and (not letterbox or all(height == width for height, width in cells))


def _check_rank(place: str, shape: Shape) -> None:
    if len(shape) == 3 and 0 not in shape:
        return
    fix = "Save one array of three axes for each image"
    if len(shape) == 2:
        fix += "; of tokens [height·width, channels] tokens.reshape(height, width, channels)"
    elif len(shape) == 4:
        fix += ": several images of a batch need a file each"
    raise KapbenchError(
        f"The array has the shape {list(shape)}, not three axes", place=place, fix=fix
    )


def _describe(shapes: Mapping[str, Shape]) -> str:
    distinct = list(dict.fromkeys(shapes.values()))
    if len(distinct) == 1:
        return f"all have the shape {list(distinct[0])}"
    return "shapes are " + ", ".join(str(list(s)) for s in distinct[:3])


def _contradiction(
    stated: Axes | None, shapes: Mapping[str, Shape], *, letterbox: bool
) -> KapbenchError:
    """What of the shapes excludes the stated order, or both."""
    axes = stated or "chw"
    by_channels: dict[int, str] = {}
    for place, shape in shapes.items():
        by_channels.setdefault(_channels(shape, axes), place)
    place = next(iter(shapes))
    order = f" as {_NAMES[stated]}" if stated else " in either order"
    if letterbox and len(by_channels) == 1:
        return KapbenchError(
            f"Cells of a letterbox are a square, and these are not{order}: {_describe(shapes)}",
            place=place,
            fix="State --grid stretched where the network saw the image at another aspect",
        )
    places = list(by_channels.values())
    fix = "Save the features of all images by one model"
    if stated:
        other = "hwc" if stated == "chw" else "chw"
        fix += f", or state --axes {other} where they are {_NAMES[other]}"
    return KapbenchError(
        f"The number of channels differs{order}: {_describe(shapes)}", place=places[-1], fix=fix
    )
