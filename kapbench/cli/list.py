"""`kapbench list`: what is registered and what is there."""

import ast
import contextlib
import importlib.util
import inspect
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from kapbench import registry
from kapbench.cli.options import data_root, output_format, runs_root
from kapbench.errors import KapbenchError

Line = dict[str, Any]


@click.command("list")
@click.argument("what", type=click.Choice(["models", "datasets", "rules", "runs"]))
@data_root
@runs_root
@click.option("--split", help="Of the data sets.  [default: each one's own, mostly test]")
@click.option(
    "--check",
    "checked",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A manifest of your own: say every problem, with its line or key.",
)
@output_format("text", "json")
def list_(
    what: str,
    data_root: Path | None,
    runs_root: Path,
    split: str | None,
    checked: Path | None,
    how: str,
) -> None:
    """List what `run` and `compare` can be given.

    \b
    Examples:
      kapbench list models
      kapbench list datasets --data-root /data
      kapbench list datasets --check mine.json
      kapbench list runs --format json
    """
    if checked is not None:
        check_manifest(what, checked)
        return
    makers: dict[str, Callable[[], Iterator[Line]]] = {
        "models": models,
        "datasets": lambda: datasets(split, data_root),
        "rules": rules,
        "runs": lambda: runs(runs_root),
    }
    lines = list(makers[what]())
    if how == "json":
        click.echo(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    if not lines:
        click.echo(f"no {what}" + (f" below {runs_root}" if what == "runs" else ""), err=True)
    for line in lines:
        click.echo(_text(what, line))


def check_manifest(what: str, path: Path) -> None:
    """Says every problem of a manifest. KapbenchError where there is one."""
    from kapbench.datasets.manifest.check import list_problems
    from kapbench.datasets.manifest.dataset import manifest

    if what != "datasets":
        raise KapbenchError("--check is of data sets", fix=f"kapbench list datasets --check {path}")
    found = list_problems(path)
    for key, said in found:
        click.echo(f"{path}, {key}: {said}")
    if found:
        raise KapbenchError(
            f"{len(found)} problems", place=path, fix="mend them; see docs/datasets/manifest.md"
        )
    opened = manifest(str(path))
    for remark in opened.remarks:
        click.echo(f"note: {remark}")
    click.echo(f"{path} is in order: {opened.coverage}; run it as manifest:{path}")


def models() -> Iterator[Line]:
    """Registered models; no module of theirs is imported."""
    for entry in _entries("models"):
        of_folder = entry.name in ("features:", "similarity:")
        argument = ("DIR" if of_folder else "NAME") * entry.name.endswith((":", "."))
        yield {"name": entry.name + argument, "summary": summary(entry), "where": entry.value}
    yield {"name": "FILE.py:CLASS", "summary": "An adapter of your own.", "where": None}


def datasets(split: str | None, root: Path | None) -> Iterator[Line]:
    """Registered data sets with what of the split is there; None: of each one's default split."""
    for entry in _entries("datasets"):
        of_file = "FILE" * entry.name.endswith(":")
        line: Line = {"name": entry.name + of_file, "summary": summary(entry), "where": entry.value}
        if of_file:
            yield line | {"state": "yours", "coverage": line["summary"]}
            continue
        yield line | _there(entry.name, split, root)


def _there(name: str, split: str | None, root: Path | None) -> Line:
    """What of a data set is there: the whole, a part, its annotations alone, or which file is not."""
    from kapbench.loading import load_dataset

    given: dict[str, Any] = {"data_root": root, "build": False, "split": split or "test"}
    parameters: Mapping[str, inspect.Parameter] = {}
    try:
        parameters = inspect.signature(registry.resolve("datasets", name)).parameters
        own = parameters["split"].default if "split" in parameters else None
        if split is None and isinstance(own, str):
            given["split"] = own
        found = load_dataset(name, **given)
        coverage = found.coverage
    except KapbenchError as error:
        place = "" if error.place is None else f": {error.place}"
        lacking = f"{error.thing}{place} ({error.fix})"
        if "photographs" in parameters:
            with contextlib.suppress(KapbenchError):
                known = load_dataset(name, photographs=False, **given).coverage
                return {"state": "annotations", "coverage": f"{known}; {lacking}"}
        return {"state": "absent", "coverage": lacking}
    state = "present" if coverage.complete else "partial"
    n_images, licence = len(found.views()), found.licence
    return {
        "state": state, "coverage": str(coverage), "n_images": n_images, "licence": licence,
    }  # fmt: skip


def rules() -> Iterator[Line]:
    """Rules that ship with kapbench."""
    from kapbench.scoring.rules import load_rule, rule_names

    for name in rule_names():
        rule = load_rule(name)
        yield {"name": name, "metric": rule.metric, "hash": rule.hash, "summary": rule.summary}


def runs(root: Path) -> Iterator[Line]:
    """Finished runs below a folder."""
    from kapbench.running.results import find_runs, load_card

    for folder in find_runs(root):
        card = load_card(folder)
        yield {
            "name": card.model.name,
            "revision": card.model.revision,
            "dataset": f"{card.dataset.name}@{card.dataset.revision}",
            "split": card.dataset.split,
            "n_pairs": card.dataset.n_pairs,
            "n_pairs_expected": card.dataset.n_pairs_expected,
            "rules": [rule.name for rule in card.rules],
            "started": card.provenance.started,
            "folder": str(folder),
        }


def summary(entry: EntryPoint) -> str:
    """First line of a plug-in's docstring, read from its source without importing it.

    That of a name that is assigned (a partial, say) is the string below it.
    """
    try:
        spec = importlib.util.find_spec(entry.module)
    except ImportError:  # the package that holds it
        return "(not installed)"
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return "(not installed)"
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    named = (ast.ClassDef, ast.FunctionDef)
    found = [n for n in tree.body if isinstance(n, named) and n.name == entry.attr]
    words = ast.get_docstring(found[0]) if found else _below_assignment(tree, entry.attr)
    if words is None or words.startswith("Args:"):  # the signature says it all
        words = ast.get_docstring(tree) or ""
    return words.partition("\n\n")[0].replace("\n", " ")


def _below_assignment(tree: ast.Module, name: str) -> str | None:
    for node, after in itertools.pairwise(tree.body):
        assigned = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        )
        if assigned and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return str(after.value.value)
    return None


def _entries(kind: registry.Kind) -> list[EntryPoint]:
    found = entry_points(group=f"kapbench.{kind}")
    return sorted(found, key=lambda entry: entry.name)


def _text(what: str, line: Line) -> str:
    name = f"{line['name']:<20}"
    if what == "models":
        return f"{name} {line['summary']}".rstrip()
    if what == "datasets":
        said = {"absent": "absent: ", "annotations": "annotations only: "}
        absent = said.get(line["state"], "")  # a coverage says its own state
        images = f", {line['n_images']:,} images" if "n_images" in line else ""
        licence = f"\n{'':21}licence: {line['licence']}" if "licence" in line else ""
        return f"{name} {absent}{line['coverage']}{images}{licence}"
    if what == "rules":
        return f"{name} {line['hash']}  {line['summary']}"
    pairs = f"{line['n_pairs']:,} of {line['n_pairs_expected']:,} pairs"
    return f"{name} {line['dataset']} {line['split']}, {pairs}\n    {line['folder']}"
