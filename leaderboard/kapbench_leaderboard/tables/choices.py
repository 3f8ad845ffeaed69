"""The views and formats of tables, by name: nothing is imported here, so that `--help` is quick."""

from dataclasses import dataclass
from typing import Literal, get_args

View = Literal[
    "summary",
    "category",
    "symmetry",
    "twin",
    "concept",
    "concept-category",
    "geco",
    "viewpoint",
    "occlusion",
    "average",
    "rule",
    "paired",
]
# A user chooses from all but "summary", the default, and "paired", a table of differences.
VIEWS: tuple[View, ...] = get_args(View)[1:-1]

BY_CATEGORY: tuple[View, ...] = ("category", "concept-category")  # a column for each category
OF_PARTS: tuple[View, ...] = ("concept", "concept-category")
# Tables whose columns are of different keypoints.
WITH_N: tuple[View, ...] = (*OF_PARTS, "geco", "symmetry", "viewpoint", "occlusion", "twin")

Format = Literal["text", "markdown", "latex", "csv", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)

GroupBy = Literal["label"]
GROUP_BY: tuple[GroupBy, ...] = get_args(GroupBy)


@dataclass(frozen=True, slots=True)
class Style:
    """What tables show beside their scores.

    `label`: by which LaTeX refers to the first table; None: no `\\label`. `intervals`: None: where
    they fit in text, only of differences in LaTeX, always in other formats. `notes`: whether lines
    stand below.
    """

    label: str | None = None
    intervals: bool | None = None
    notes: bool = True


PLAIN = Style()
