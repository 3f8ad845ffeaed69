"""Runs the notebooks of docs/notebooks and keeps their outputs: make notebooks

A notebook runs in an empty folder, with the Python that runs this script. Its stored outputs are what
GitHub and the documentation site show.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
MOST_SECONDS = 900  # of one cell
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BAR = "━"


def execute(path: Path, folder: Path, first: str = "") -> NotebookNode:
    """The notebook with the outputs of a run in `folder`; CellExecutionError where a cell fails.

    Args:
        first: Code that runs before the notebook's own.
    """
    notebook = nbformat.read(path, as_version=4)
    if first:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    client = NotebookClient(
        notebook,
        timeout=MOST_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def without_traces(notebook: NotebookNode) -> NotebookNode:
    """Equal runs make equal files: no times, no numbers of cells, no version of Python."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = _as_shown(cell.outputs)
    return notebook


def _as_shown(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Printed text in one output, without progress bars, empty lines and colours."""
    shown: list[NotebookNode] = []
    for output in outputs:
        if "execution_count" in output:
            output.execution_count = None
        if output.output_type != "stream":
            shown.append(output)
        elif shown and shown[-1].get("name") == output.name:
            shown[-1].text += output.text
        else:
            shown.append(output)
    for output in shown:
        if output.output_type == "stream":
            lines = re.split(r"[\r\n]+", _CONTROL.sub("", output.text))
            output.text = "".join(
                f"{line}\n" for line in lines if line.strip() and _BAR not in line
            )
    return shown


def main() -> None:
    names = sys.argv[1:] or [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
    for name in names:
        path = FOLDER / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            notebook = without_traces(execute(path, Path(folder)))
        path.write_text(nbformat.writes(notebook).replace(f"{folder}/", "") + "\n", "utf-8")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
