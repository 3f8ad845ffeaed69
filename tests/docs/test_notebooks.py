"""docs/notebooks: each runs from its first cell to its last, and is stored small."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra docs is not installed")
run_notebooks = pytest.importorskip("run_notebooks", reason="the extra docs is not installed")
notebook_pages = pytest.importorskip("notebook_pages", reason="the extra docs is not installed")

NOTEBOOKS = sorted(run_notebooks.FOLDER.glob("*.ipynb"))
LARGEST_OUTPUT = 200_000
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
WARNINGS_ARE_ERRORS = "import warnings\n\nwarnings.simplefilter('error')"


def test_there_are_notebooks():
    names = {path.stem for path in NOTEBOOKS}
    assert {"quickstart", "own_model", "reading_a_diagnosis", "training_the_sphere"} <= names


@every_notebook
def test_a_notebook_is_stored_with_small_outputs_and_without_errors(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs, "run scripts/docs_site/run_notebooks.py"
    assert all(len(str(output)) < LARGEST_OUTPUT for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert 'find_spec("kapbench") is None' in code[0].source  # Colab has to install it


@every_notebook
def test_a_notebook_becomes_a_page_with_its_outputs(path):
    page = notebook_pages.page(path)
    assert page.startswith("# ")
    assert "```python\n" in page
    assert "data:image/png;base64," in page or "<table" in page
    assert str(Path.home()) not in page


@pytest.mark.slow
@every_notebook
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the event loops of nbclient
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_NOTEBOOK_STEPS", "6")
    notebook = run_notebooks.execute(path, tmp_path, first=WARNINGS_ARE_ERRORS)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[-1].outputs
