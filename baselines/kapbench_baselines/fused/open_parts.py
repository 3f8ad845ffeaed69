"""`fuse:A+B` from its name: which encoders, with which options and weights."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kapbench.errors import KapbenchError, any_of, nearest
from kapbench.loading import load_model
from kapbench.protocols import Encoder, model_info
from kapbench.scoring.input_remarks import OF_IMAGES
from kapbench_baselines.fused.encoder import FusedEncoder

_OF_THE_WHOLE = ("weights", "layers", "grid")
_EXAMPLE = "--model fuse:dinov2.vitb14+lite0"


def fuse(
    parts: str,
    weights: str | list[float] | None = None,
    layers: str | list[int] | None = None,
    grid: int | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    **options: Any,
) -> FusedEncoder:
    """Several encoders, or layers of one: the weighted sum of their cosines.

    Args:
        parts: Their names, joined by +.
        weights: Of each part, e.g. 0.7,0.3: divided by their sum; none: equal ones.
        layers: Of one model, which is then a part with each of these as its option `layer`.
        grid: The part whose cells the map has, counted from 1; none: that with the smallest cells.
        options: N.KEY, an option KEY of part N, e.g. 2.layer; of one model also without N.

    Raises:
        KapbenchError: fewer than two parts; a part that is not an encoder, or is not compared by
            cosine; weights or options that fit no part.
    """
    place = f"model fuse:{parts}"
    specs = [spec.strip() for spec in parts.split("+")]
    of_parts = _options_by_part(specs, options, place)
    if layers is not None:
        specs, of_parts = _by_layer(specs, of_parts, _numbers("layers", layers, place), place)
    if len(specs) < 2 or not all(specs):
        raise KapbenchError(
            f"A fusion needs two parts or more, and '{parts}' names {sum(map(bool, specs))}",
            place=place,
            fix=f"Join names by +, e.g. {_EXAMPLE}, or give layers of one model: -o layers=8,11",
        )
    shares = _shares(weights, len(specs), place)
    if grid is not None and not 1 <= grid <= len(specs):
        raise KapbenchError(
            f"The grid of part {grid} is wanted, but the parts have the numbers 1 to {len(specs)}",
            place=place,
            fix="Give the number of a part, or leave it out for that with the smallest cells",
        )
    opened = [
        _open(number, spec, own, device, dataset)
        for number, (spec, own) in enumerate(zip(specs, of_parts, strict=True), 1)
    ]
    name = None if layers is None else f"fuse:{opened[0].name}"
    chosen = {"weights": weights if weights is None else shares, "layers": layers, "grid": grid}
    if layers is not None:
        chosen["layers"] = [own["layer"] for own in of_parts]
    declared = chosen | _of_parts(opened, options, one_model=layers is not None)
    declared = {key: value for key, value in declared.items() if value is not None}
    return FusedEncoder(opened, shares, grid, name, declared)


def _of_parts(
    parts: Sequence[Encoder], options: Mapping[str, Any], *, one_model: bool
) -> dict[str, Any]:
    """The user's options of parts, and those that say on which images a part's maps are made.

    Args:
        one_model: All parts are layers of one: its options need no number.
    """
    if one_model:
        parts, options = parts[:1], {k.removeprefix("1."): v for k, v in options.items()}
    of_images = {
        key if one_model else f"{number}.{key}": value
        for number, part in enumerate(parts, 1)
        for key, value in model_info(part).options.items()
        if key in OF_IMAGES
    }
    return {**options, **of_images}


def _options_by_part(
    specs: Sequence[str], options: Mapping[str, Any], place: str
) -> list[dict[str, Any]]:
    of_parts: list[dict[str, Any]] = [{} for _ in specs]
    for key, value in options.items():
        number, dot, name = key.partition(".")
        if not dot and len(specs) == 1:
            number, dot, name = "1", ".", key
        near = [] if dot else nearest(key, _OF_THE_WHOLE)
        if near and not near[0].startswith(key):  # layer is an option of parts
            raise KapbenchError(
                f"Unknown option '{key}'", place=place, fix=f"Did you mean {any_of(near)}?"
            )
        if not dot or not name or number not in map(str, range(1, len(specs) + 1)):
            raise KapbenchError(
                f"Unknown option '{key}': it belongs to no part",
                place=place,
                fix=f"Write the number of the part before it, e.g. -o 1.{name or key}=VALUE for "
                f"{specs[0]}; options of the whole are weights, layers and grid",
            )
        own = of_parts[int(number) - 1]
        if name in own:  # of one model, once without its number
            raise KapbenchError(
                f"Option '{name}' of part 1 is given twice: {own[name]} and {value}",
                place=place,
                fix=f"Keep one of them, e.g. -o {name}={value}",
            )
        own[name] = value
    return of_parts


def _by_layer(
    specs: Sequence[str], of_parts: Sequence[Mapping[str, Any]], layers: list[float], place: str
) -> tuple[list[str], list[dict[str, Any]]]:
    if len(specs) != 1:
        raise KapbenchError(
            f"Option layers is for the layers of one model, and {len(specs)} are named",
            place=place,
            fix="Give the layer of each part, e.g. -o 1.layer=8 -o 2.layer=11",
        )
    if not all(layer.is_integer() for layer in layers):
        raise KapbenchError(
            "A layer is not a whole number", place=place, fix="Write -o layers=8,11"
        )
    return list(specs) * len(layers), [{**of_parts[0], "layer": int(layer)} for layer in layers]


def _shares(weights: str | list[float] | None, n_parts: int, place: str) -> list[float]:
    """The weights divided by their sum."""
    numbers = [1.0] * n_parts if weights is None else _numbers("weights", weights, place)
    example = ",".join([str(round(1 / n_parts, 2))] * n_parts)
    if len(numbers) != n_parts:
        raise KapbenchError(
            f"There are {len(numbers)} weights for {n_parts} parts",
            place=place,
            fix=f"Give one for each part, e.g. -o weights={example}",
        )
    total = math.fsum(numbers)
    if min(numbers) < 0 or not 0 < total < math.inf:
        raise KapbenchError(
            f"The weights are {', '.join(f'{w:g}' for w in numbers)}",
            place=place,
            fix=f"Give numbers from 0, and one above 0, e.g. -o weights={example}",
        )
    return [number / total for number in numbers]


def _numbers(option: str, value: str | Sequence[float], place: str) -> list[float]:
    texts = value.split(",") if isinstance(value, str) else value
    example = "8,11" if option == "layers" else "0.7,0.3"
    try:
        return [float(text) for text in texts]
    except ValueError as error:
        raise KapbenchError(
            f"{option}={value} is not a list of numbers",
            place=place,
            fix=f"Separate them by commas, e.g. -o {option}={example}",
        ) from error


def _open(
    number: int, spec: str, options: Mapping[str, Any], device: str, dataset: str | None
) -> Encoder:
    """A part, which must be an encoder that is compared by cosine."""
    from kapbench.cli.options import typed

    texts = [f"{key}={value}" for key, value in options.items() if isinstance(value, str)]
    try:
        options = {**options, **typed("models", spec, texts)}
        model = load_model(spec, device=device, dataset=dataset, **options)
    except KapbenchError as error:  # an option of a part has the part's number before it
        fix = error.fix and error.fix.replace("-o ", f"-o {number}.")
        raise KapbenchError(error.thing, place=error.place, fix=fix) from error
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"{model.name} cannot be part of a fusion: it looks at both images of a pair at once, "
            "and has no features of one",
            place=f"part {number}, {spec}",
            fix="Choose encoders; SD+DINO is fused by --model sd_dino",
        )
    if model.similarity != "dot":
        raise KapbenchError(
            f"{model.name} is compared by {model.similarity}; a fusion is a sum of cosines",
            place=f"part {number}, {spec}",
            fix="Choose encoders whose similarity is dot",
        )
    return model
