"""One misbehaviour: the file of a model that has it."""

import textwrap
from dataclasses import dataclass

HEAD = """\
import atexit, os, signal, sys, threading, time
import numpy as np
from kapbench.types import FeatureMap, Grid, SimilarityMap
from world import GoodEncoder, GoodL2, GoodPairs
"""
CLASSES = {"encoder": "GoodEncoder", "l2": "GoodL2", "pairs": "GoodPairs"}
TWINS = {twin: f"{HEAD}\n\nclass Model({base}):\n    pass\n" for twin, base in CLASSES.items()}


@dataclass(frozen=True, slots=True)
class Attack:
    """`twin`: the model that behaves, whose scores are right. Other fields say what must hold."""

    name: str
    code: str
    twin: str = "encoder"
    must_fail: bool = False
    must_score: bool = False
    silent: bool = False
    tolerance: float = 0.0
    words: tuple[str, ...] = ()


def in_hook(hook: str, action: str, twin: str = "encoder") -> str:
    """The file of a model that does something at import, or first in one of its methods."""
    action = textwrap.dedent(action).strip()
    base = CLASSES[twin]
    if hook == "import":
        return f"{HEAD}\n{action}\n\n\nclass Model({base}):\n    pass\n"
    signature, last = {
        "constructor": ("__init__(self)", "super().__init__()"),
        "encode": ("encode(self, pictures)", "return self.maps(pictures)"),
        "match": (
            "match(self, source, target, queries)",
            "return self.answer(source, target, queries)",
        ),
        "prepare": ("prepare(self, picture)", "return None"),
        "check_plan": ("check_plan(self, image_ids, pairs)", "return None"),
    }[hook]
    body = textwrap.indent(f"{action}\n{last}", " " * 8)
    return f"{HEAD}\n\nclass Model({base}):\n    def {signature}:\n{body}\n"


def returning(expression: str, twin: str = "encoder", before: str = "") -> str:
    """The file of a model that returns something made of the right answer.

    An encoder's `values` [c h w] and `grid` of each picture are in scope; of a pair model likewise
    [q h w].
    """
    base, before = CLASSES[twin], textwrap.dedent(before)
    if twin == "pairs":
        body = f"""\
            def match(self, source, target, queries):
                right = self.answer(source, target, queries)
                values, grid = right.values, right.grid
                return {expression}
        """
    else:
        body = f"""\
            def encode(self, pictures):
                answers = []
                for number, (picture, right) in enumerate(zip(pictures, self.maps(pictures))):
                    values, grid = right.values, right.grid
                    answers.append({expression})
                return answers
        """
    body = textwrap.indent(textwrap.dedent(body), " " * 4)
    return f"{HEAD}\n{before}\n\nclass Model({base}):\n{body}"
