"""The views and formats of tables, by name: nothing is imported here, so that `--help` is quick."""

from typing import Literal, get_args

View = Literal[
    "summary", "category", "symmetry", "twin", "viewpoint", "occlusion", "average", "rule", "paired"
]
# A user chooses from all but "summary", the default, and "paired", a table of differences.
VIEWS: tuple[View, ...] = get_args(View)[1:-1]

Format = Literal["text", "markdown", "latex", "csv", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
