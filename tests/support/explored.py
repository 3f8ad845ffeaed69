"""The dots as the content of a page, and the page's script run without a browser."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from submissions import dots

import kapbench
from kapbench.progress import Progress
from kapbench.types import FeatureMap, Grid
from kapbench_leaderboard.explore.content import Content
from kapbench_leaderboard.explore.gather import from_pairs
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Sources

NODE = shutil.which("node")
N_CHANNELS = 13  # no multiple of 4


class Filters:
    """Random filters of the colours around a point."""

    name, revision, conditions_on = "filters", "1", ()

    def __init__(self, similarity: str = "dot") -> None:
        self.similarity = similarity
        self.revision = similarity

    def encode(self, pictures):
        filters = np.random.default_rng(0).normal(size=(N_CHANNELS, 3))
        return [
            FeatureMap(
                np.einsum("fc,hwc->fhw", filters, p.pixels[2::4, 2::4] / 64.0).astype(np.float32),
                Grid.stretched(p.size, 16, 16),
            )
            for p in pictures
        ]


def content_of(dataset: Any, folder: Path, *models: Any, n_pairs: int = 3) -> Content:
    """The first pairs of a data set, seen by models."""
    pairs = dataset.pairs()[:n_pairs]
    return from_pairs(dataset, pairs, models, Sources(cache=folder), Progress())


def run_of_dots(folder: Path) -> RunView:
    """A finished run of `Colours` on the dots, scored by the rules that a page knows."""
    module = dots()
    done = kapbench.evaluate(
        module.Colours(),
        module.Dots(n_images=6),
        rule=("kap-cvpr24", "kap-v1", "pck-v1"),
        runs=folder,
        cache=folder / "cache",
        device="cpu",
    )
    return RunView.load(done.folder)


def in_script(expression: str, **values: Any) -> Any:
    """What the page's functions make of values: the expression names them."""
    assert NODE is not None
    functions = files("kapbench_leaderboard.explore").joinpath("static/similarity.js").read_text()
    names = ", ".join(values)
    program = f"""
        'use strict';
        {functions}
        const {{ {names} }} = JSON.parse(require('fs').readFileSync(0, 'utf8'));
        console.log(JSON.stringify({expression}));
    """
    done = subprocess.run(
        [NODE, "-e", program],
        input=json.dumps(values, allow_nan=False),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
