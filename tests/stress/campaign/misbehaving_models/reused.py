"""Models that use memory again, write into what they are shown, or answer in odd ways."""

import textwrap
from collections.abc import Iterator

from campaign.misbehaving_models.attack import HEAD, Attack, in_hook


def _buffers() -> Iterator[Attack]:
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
            code = in_hook(hook, f"raise {error}", "pairs" if hook == "match" else "encoder")
            defined = f"{HEAD}\n{textwrap.dedent(before)}"
            attack = code.replace(HEAD, defined, 1)
            yield Attack(f"message: {name} in {hook}", attack, must_fail=True)


def _class(base: str, body: str, before: str = "") -> str:
    indented = textwrap.indent(textwrap.dedent(body), " " * 4)
    return f"{HEAD}\n{textwrap.dedent(before)}\n\nclass Model({base}):\n{indented}"


FAMILIES = (
    ("buffer", _buffers()),
    ("write", _writes()),
    ("lazy", _lazy()),
    ("message", _messages()),
)
