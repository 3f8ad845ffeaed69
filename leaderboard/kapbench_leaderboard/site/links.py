"""The paths of pages, and relative links between them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Links:
    """Relative links from a page; `root` leads from the page to the site's folder.

    No slug has a tilde, so names that are joined by it stay distinct.
    """

    root: str

    def model(self, name: str) -> str:
        return f"{self.root}models/{slug(name)}.html"

    def data(self, name: str) -> str:
        return f"{self.root}data/{slug(name)}.html"

    def pair(self, board: str, first: str, second: str) -> str:
        return f"{self.root}compare/{slug(board)}~{slug(first)}~{slug(second)}.html"

    def explore(self, model: str) -> str:
        return f"{self.root}explore/{slug(model)}.html"

    def download(self, board: str, ending: str) -> str:
        return f"{self.root}downloads/{slug(board)}.{ending}"


def slug(name: str) -> str:
    """A name as a file name: letters, digits, dots and dashes stay; two names never become one."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in ".-") else f"_{ord(c):x}_" for c in name
    )
