"""Models that return what they must not, or use again what they have given or were given."""

from collections.abc import Iterator

from campaign.misbehaving_models.attack import Attack, in_hook, returning

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


def _buffers() -> Iterator[Attack]:
    filled = "self.out[...] = right.values\n                    "
    ring = """
        def encode(self, pictures):
            answers = []
            for right in self.maps(pictures):
                if not hasattr(Model, "ring"):
                    Model.ring, Model.turn = [right.values.copy() for _ in range({n})], 0
                buffer = Model.ring[Model.turn % {n}]
                Model.turn += 1
                {fill}
                answers.append(FeatureMap({give}, right.grid))
            return answers
    """
    del filled
    for n in (1, 2, 3, 4):
        for name, fill, give in (
            ("array", "buffer[...] = right.values", "buffer"),
            ("view", "buffer[...] = right.values", "buffer[:]"),
            ("tensor", "buffer[...] = right.values", "__import__('torch').from_numpy(buffer)"),
        ):
            body = ring.format(n=n, fill=fill, give=give)
            yield Attack(f"buffer: {n} {name}s in a ring", _class("GoodEncoder", body))
    batch = """
        def encode(self, pictures):
            maps = self.maps(pictures)
            batch = np.stack([m.values for m in maps])
            return [FeatureMap(batch[i], m.grid) for i, m in enumerate(maps)]
    """
    yield Attack("buffer: views of one batch", _class("GoodEncoder", batch), must_score=True)
    later = """
        def encode(self, pictures):
            for kept in getattr(Model, "kept", []):
                kept.values[...] = 0.5
            Model.kept = self.maps(pictures)
            time.sleep(0.01)
            return list(Model.kept)
    """
    yield Attack("buffer: overwritten at the next call", _class("GoodEncoder", later))
    pairs = """
        def match(self, source, target, queries):
            right = self.answer(source, target, queries)
            if not hasattr(Model, "out"):
                Model.out = np.zeros((4, 16, 16), np.float32)
            Model.out[: len(queries)] = right.values
            return SimilarityMap(Model.out[: len(queries)], right.grid, queries)
    """
    yield Attack("buffer: one of all pairs", _class("GoodPairs", pairs), "pairs", must_score=True)
    lazy = """
        def encode(self, pictures):
            maps, out = self.maps(pictures), np.zeros((3, 16, 16), np.float32)
            class Lazy(list):
                def __iter__(self):
                    for m in maps:
                        out[...] = m.values
                        yield FeatureMap(out, m.grid)
            return Lazy(maps)
    """
    yield Attack("buffer: one of a lazy list", _class("GoodEncoder", lazy))


def _writes() -> Iterator[Attack]:
    for what in ("source.pixels", "target.pixels", "queries"):
        for name, action in {
            "in place": f"{what}[...] = 0",
            "after setflags": f"{what}.setflags(write=True); {what}[...] = 0",
            "by torch": f"__import__('torch').from_numpy({what}).zero_()",
            "to its base": f"b = {what}.base if {what}.base is not None else {what}; b[...] = 0",
        }.items():
            code = f"""
                def match(self, source, target, queries):
                    right = self.answer(source, target, queries.copy())
                    {action}
                    return SimilarityMap(right.values, right.grid, queries)
            """
            yield Attack(f"write: {what} {name}", _class("GoodPairs", code), "pairs")
    for name, action in {
        "in place": "p.pixels[...] = 0",
        "after setflags": "p.pixels.setflags(write=True); p.pixels[...] = 0",
        "by torch": "__import__('torch').from_numpy(p.pixels).zero_()",
        "to the mask": "p.mask[...] = False",
        "by a swap of attributes": "object.__setattr__(p, 'image_id', 'dot/0')",
    }.items():
        code = f"""
            conditions_on = ("mask",)

            def encode(self, pictures):
                maps = self.maps(pictures)
                for p in pictures:
                    {action}
                return maps
        """
        yield Attack(f"write: pixels {name} by an encoder", _class("GoodEncoder", code))


def _lazy() -> Iterator[Attack]:
    for name, code in {
        "a generator": "return (m for m in self.maps(pictures))",
        "an iterator": "return iter(self.maps(pictures))",
        "one less": "return self.maps(pictures)[1:]",
        "one more": "return self.maps(pictures) * 2",
        "None": "return None",
        "a single map": "return self.maps(pictures)[0]",
        "a tensor": "import torch; return torch.tensor(np.stack([m.values for m in "
        "self.maps(pictures)]))",
        "a length that is wrong": "return Odd(self.maps(pictures), n=len(pictures) + 3)",
        "a length that is right of too few": "return Odd(self.maps(pictures)[1:], n=len(pictures))",
        "a length that raises": "return Odd(self.maps(pictures), n=None)",
        "a length that exits": "return Odd(self.maps(pictures), n='exit')",
        "items that raise": "return Odd([None] * len(pictures), n=len(pictures))",
        "an endless list": "return Endless(self.maps(pictures))",
        "values that exit": "return [Exits() for _ in pictures]",
        "an array that exits": "return [FeatureMap(Exits(), m.grid) for m in self.maps(pictures)]",
    }.items():
        before = """
            class Exits:
                @property
                def values(self):
                    sys.exit(0)
                grid = None
                def __array__(self, *_, **__):
                    sys.exit(0)

            class Endless(list):
                def __iter__(self):
                    while True:
                        yield from super().__iter__()

            class Odd(list):
                def __init__(self, items, n):
                    super().__init__(items)
                    self.n = n
                def __len__(self):
                    if self.n is None:
                        raise ValueError("no length")
                    if self.n == "exit":
                        sys.exit(0)
                    return self.n
        """
        body = f"\n    def encode(self, pictures):\n        {code}\n"
        yield Attack(f"lazy: {name}", _class("GoodEncoder", body, before), must_fail=True)


def _messages() -> Iterator[Attack]:
    for name, error in {
        "not UTF-8": "ValueError('caf\\udce9')",
        "1 MB": "ValueError('x' * 1_000_000)",
        "ESC": "ValueError('\\x1b[2J\\x1b]0;owned\\x07')",
        "NUL and C1": "ValueError('\\x00\\x9b\\u202e')",
        "many lines": "ValueError('line\\n' * 5000)",
        "str raises": "Odd()",
        "str exits": "OddExit()",
        "a group": "ExceptionGroup('several', [ValueError('a'), TypeError('b')])",
        "a type with a long name": "type('x' * 100_000, (Exception,), {})('long')",
        "RecursionError": "RecursionError()",
        "MemoryError": "MemoryError()",
        "StopIteration": "StopIteration(3)",
        "UnicodeDecodeError": "UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'odd')",
        "bytes": "ValueError(b'\\xff')",
        "no space": "OSError(28, 'No space left on device')",
        "broken pipe": "BrokenPipeError()",
    }.items():
        before = """
            class Odd(Exception):
                def __str__(self):
                    raise ValueError("no text")

            class OddExit(Exception):
                def __str__(self):
                    sys.exit(0)
        """
        for hook in ("import", "encode", "match"):
            base = "GoodPairs" if hook == "match" else "GoodEncoder"
            code = in_hook(hook, f"raise {error}", "pairs" if hook == "match" else "encoder")
            head, _, rest = code.partition("from world import")
            line, _, rest = rest.partition("\n")
            import textwrap

            code = f"{head}from world import{line}\n{textwrap.dedent(before)}\n{rest}"
            del base
            yield Attack(f"message: {name} in {hook}", code, must_fail=True)


def _class(base: str, body: str, before: str = "") -> str:
    import textwrap

    from campaign.misbehaving_models.attack import HEAD

    indented = textwrap.indent(textwrap.dedent(body), " " * 4)
    return f"{HEAD}\n{textwrap.dedent(before)}\n\nclass Model({base}):\n{indented}"


FAMILIES = (
    ("shape", _shapes()),
    ("type", _types()),
    ("value", _values()),
    ("scale", _scales()),
    ("buffer", _buffers()),
    ("write", _writes()),
    ("lazy", _lazy()),
    ("message", _messages()),
)
