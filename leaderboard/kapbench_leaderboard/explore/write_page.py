"""Writes a page, and says how large and how faithful it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kapbench.storage import write_atomically
from kapbench_leaderboard.explore.content import Content
from kapbench_leaderboard.explore.fidelity import Fidelity
from kapbench_leaderboard.explore.page import render_page


@dataclass(frozen=True, slots=True)
class ExploreSummary:
    """The file that was written. `fidelity`: by the name of the model."""

    path: Path
    n_bytes: int
    n_images: int
    n_pairs: int
    fidelity: Mapping[str, Fidelity]


def write_page(content: Content, path: Path) -> ExploreSummary:
    page = render_page(content).encode()
    write_atomically(path, page)
    fidelity = {model.name: model.fidelity for model in content.models}
    return ExploreSummary(path, len(page), len(content.images), len(content.pairs), fidelity)
