"""The views and formats of tables, by name: nothing is imported here, so that `--help` is quick."""

from typing import Literal, get_args

View = Literal[
    "summary", "category", "symmetry", "viewpoint", "twin", "occlusion", "average", "rule", "paired"
]
VIEWS: tuple[View, ...] = (
    "category",
    "symmetry",
    "twin",
    "viewpoint",
    "occlusion",
    "average",
    "rule",
)  # that a user chooses from: "summary" is the default, "paired" a table of differences

Format = Literal["text", "markdown", "latex", "csv", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
