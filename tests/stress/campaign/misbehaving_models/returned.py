"""Models that return maps of wrong shapes, types, values or scales."""

from collections.abc import Iterator

from campaign.misbehaving_models.attack import Attack, returning

_MAP = "FeatureMap({}, grid)"
_SHAPES = {
    "flat": "values[0]",
    "scalar": "np.float32(1)",
    "no cells": "values[:, :0]",
    "no channels": "values[:0]",
    "a row less": "values[:, 1:]",
    "channels last": "values.transpose(1, 2, 0)",
    "one axis more": "values[None]",
    "channels that change": "values[: 2 + number]",
}
_TYPES = {
    "complex": "values.astype(complex)",
    "object": "values.astype(object)",
    "text": "values.astype(str)",
    "bool": "values > 0.5",
    "structured": "values.astype([('a', 'f4')])",
    "dates": "values.astype('datetime64[s]')",
    "None": "None",
    "a dictionary": "{}",
    "masked": "np.ma.masked_greater(values, 0.5)",
}
_TYPES_THAT_COUNT = {
    "float64": "values.astype(np.float64)",
    "longdouble": "values.astype(np.longdouble)",
    "lists": "values.tolist()",
    "big-endian": "values.astype('>f4')",
    "Fortran order": "np.asfortranarray(values)",
    "negative strides": "values[::-1][::-1]",
    "every other value": "np.repeat(values, 2, axis=2)[:, :, ::2]",
    "read-only": "np.frombuffer(values.tobytes(), np.float32).reshape(values.shape)",
    "subclass": "values.view(np.recarray)",
    "memory map": "_mapped(values)",
    "tensor": "torch.tensor(values)",
}
_TENSORS = {
    "needs a gradient": "torch.tensor(values, requires_grad=True)",
    "meta": "torch.tensor(values, device='meta')",
    "bfloat16": "torch.tensor(values, dtype=torch.bfloat16)",
    "sparse": "torch.tensor(values).to_sparse()",
    "conjugate": "torch.tensor(values, dtype=torch.complex64).conj()",
    "quantised": "torch.quantize_per_tensor(torch.tensor(values), 0.1, 0, torch.qint8)",
}
_MAPPED = """
import tempfile, torch

def _mapped(values):
    path = tempfile.mktemp()
    mapped = np.memmap(path, np.float32, "w+", shape=values.shape)
    mapped[:] = values
    os.unlink(path)
    return mapped
"""


def _shapes() -> Iterator[Attack]:
    for name, expression in _SHAPES.items():
        yield Attack(f"shape: {name}", returning(_MAP.format(expression)), must_fail=True)
    for name, grid in {
        "no grid": "None",
        "another grid": "Grid.stretched(picture.size, 4, 4)",
        "a grid without area": "Grid(16, 16, (0, 0, 0, 0))",
        "a grid of NaN": "Grid(16, 16, (np.nan, 0, 1, 1))",
        "a negative grid": "Grid(-16, -16, (0, 0, 64, 64))",
    }.items():
        yield Attack(f"shape: {name}", returning(f"FeatureMap(values, {grid})"), must_fail=True)
    same = "FeatureMap(values, Grid(np.int64(16), np.int64(16), grid.box))"
    yield Attack("shape: NumPy numbers in the grid", returning(same))
    for name, expression in {"one map less": "values[1:]", "no cells": "values[:, :0]"}.items():
        code = returning(f"SimilarityMap({expression}, grid, queries)", "pairs")
        yield Attack(f"shape: {name} of a pair", code, "pairs", must_fail=True)


def _types() -> Iterator[Attack]:
    for name, expression in (_TYPES | _TENSORS).items():
        code = returning(_MAP.format(expression), before="import torch")
        yield Attack(f"type: {name}", code, must_fail=name not in ("bool", "bfloat16"), tolerance=9)
    for name, expression in _TYPES_THAT_COUNT.items():
        yield Attack(f"type: {name}", returning(_MAP.format(expression), before=_MAPPED))


def _values() -> Iterator[Attack]:
    for name, expression in {
        "NaN": "np.full_like(values, np.nan)",
        "one NaN": "np.where(np.arange(16) == 3, np.nan, values)",
        "inf": "np.full_like(values, np.inf)",
        "-inf": "-np.inf * values",
    }.items():
        yield Attack(f"value: {name}", returning(_MAP.format(expression)), must_fail=True)
        code = returning(f"SimilarityMap({expression}, grid, queries)", "pairs")
        yield Attack(f"value: {name} of a pair", code, "pairs", must_fail=True)


def _scales() -> Iterator[Attack]:
    """Powers of two: equal scores then stay equal, so that the twin's scores must come out."""
    for power in (-100, -66, -40, -27, -23, -20, -17, -14, -12, -7, 7, 14, 16, 17, 20, 40, 66, 100):
        for twin in ("encoder", "l2"):
            code = returning(_MAP.format(f"np.ldexp(values, {power})"), twin)
            # Above the bound, what is stored as it is has fewer digits where it is small.
            tolerance = 0.1 if -10 < power < 0 else 0.0
            yield Attack(
                f"scale: 2^{power} of {twin}", code, twin, False, True, tolerance=tolerance
            )
    each = "int(60 * np.sin(picture.pixels.sum(dtype=int)))"
    mixed = _MAP.format(f"np.ldexp(values, -70 + {each})")
    yield Attack("scale: another for each image", returning(mixed), must_score=True)


FAMILIES = (("shape", _shapes()), ("type", _types()), ("value", _values()), ("scale", _scales()))
