"""Notebooks of docs/notebooks as pages of the site, with the outputs that they were saved with.

nbconvert would do this too, but brings twelve packages, and finds its templates only where it was
installed by the interpreter that runs.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def pages() -> dict[str, str]:
    """Markdown by name on the site."""
    return {f"notebooks/{path.stem}.md": page(path) for path in sorted(FOLDER.glob("*.ipynb"))}


def page(path: Path) -> str:
    """One notebook: its text, its code, and below each cell what the cell printed and drew."""
    cells = nbformat.read(path, as_version=4).cells
    heading, *parts = (part for cell in cells for part in _parts(cell))
    place = f"*This page is the notebook `docs/notebooks/{path.name}` of the repository.*"
    return "\n\n".join([heading, place, *parts]) + "\n"


def _parts(cell: NotebookNode) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield cell.source
    elif cell.cell_type == "code":
        yield f"```python\n{cell.source}\n```"
        for output in cell.outputs:
            yield from _shown(output)


def _shown(output: NotebookNode) -> Iterator[str]:
    """What one output shows: the richest of its forms that a page can hold."""
    if output.output_type == "stream":
        yield _block(output.text)
        return
    forms = output.get("data", {})
    if "image/png" in forms:
        picture = forms["image/png"].replace("\n", "")
        words = forms.get("text/plain", "Output of the cell above")
        yield f'<img alt="{_plain(words)}" src="data:image/png;base64,{picture}">'
    elif "text/html" in forms:
        table = re.sub(r"<style.*?</style>", "", forms["text/html"], flags=re.DOTALL)
        cells = table.replace("<th></th>", "<td></td>")  # the corner of a data frame heads nothing
        yield f'<div class="output" tabindex="0">{cells}</div>'
    elif "text/plain" in forms:
        yield _block(forms["text/plain"])


def _block(text: str) -> str:
    return f"```text\n{_COLOUR.sub('', text).rstrip()}\n```"


def _plain(text: str) -> str:
    return re.sub(r"[<>\"&]", "", text)
