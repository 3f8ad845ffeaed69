"""`kapbench list`: the registered models, data sets and rules, and the finished runs."""

import ast
import contextlib
import importlib.util
import inspect
import itertools
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from kapbench import registry
from kapbench.cli.options import FILE, data_root, output_format, refuse_missing, runs_root
from kapbench.cli.run_filter import EVERY_RUN, RunFilter, of_categories, of_dataset, read_cards
from kapbench.errors import KapbenchError, counted, documentation
from kapbench.shown_text import escape_hidden

Line = dict[str, Any]
LINE = 80  # characters of a terminal
_SOFT = "PCK rules by soft-argmax: add -soft-window5-temperature0.04 (or another) to the name"


@click.command("list")
@click.argument("what", type=click.Choice(["models", "datasets", "rules", "runs"]))
@data_root
@runs_root
@click.option(
    "--split", help="Split of the data sets, e.g. val. Default: each data set's own, mostly test."
)
@click.option(
    "--check",
    "manifest",
    type=FILE,
    help="Check your own manifest: print every problem with its line or key.",
)
@of_dataset
@of_categories
@output_format("text", "json")
def list_(
    what: str,
    data_root: Path | None,
    runs_root: Path,
    split: str | None,
    manifest: Path | None,
    dataset: str | None,
    categories: tuple[str, ...],
    how: str,
) -> None:
    """List what `run` and `compare` accept.

    The text is for reading, and the same in a pipe as in a terminal. Lines have at most
    80 characters, and more only where a path, an address or an option is. Programs read --format json.

    \b
    Examples:
      kapbench list models
      kapbench list datasets --data-root /data
      kapbench list datasets --check mine.json
      kapbench list runs --dataset spair
      kapbench list runs --format json
    """
    if manifest is not None:
        check_manifest(what, manifest)
        return
    only = RunFilter(dataset, categories)
    if what != "runs" and only != EVERY_RUN:
        raise click.UsageError("--dataset and --category are options of `list runs`.")
    listers: dict[str, Callable[[], Iterator[Line]]] = {
        "models": models,
        "datasets": lambda: datasets(split, data_root),
        "rules": rules,
        "runs": lambda: runs(runs_root, only),
    }
    lines = list(listers[what]())
    if how == "json":
        click.echo(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    if not lines:
        place = runs_root if runs_root.is_absolute() else f"./{runs_root}"
        things = f"finished runs in the folder {place}" if what == "runs" else what
        click.echo(f"There are no {things}.", err=True)
    width = max([20, *(len(line["name"]) for line in lines)]) if what == "models" else 20
    for line in lines:
        click.echo(escape_hidden(_text(what, line, width), allowed="\n"))
    if what == "rules":
        click.echo(_wrapped(_SOFT, -1))


def check_manifest(what: str, path: Path) -> None:
    """Prints every problem of a manifest. Raises KapbenchError where there is one."""
    from kapbench.datasets.manifest.check import list_problems
    from kapbench.datasets.manifest.dataset import manifest

    if what != "datasets":
        raise KapbenchError(
            "--check is an option of `list datasets`",
            fix=f"Run kapbench list datasets --check {path}",
        )
    problems = list_problems(path)
    for key, message in problems:
        click.echo(f"{path}, {key}: {message}")
    if problems:
        raise KapbenchError(
            f"The manifest has {counted(len(problems), 'problem')}, printed above",
            place=path,
            fix=f"Correct them; {documentation('datasets/manifest.md')} describes every key",
        )
    dataset = manifest(str(path))
    for remark in dataset.remarks:
        click.echo(f"note: {remark}")
    click.echo(f"{path} has no problems: {dataset.coverage}. Score it by --dataset manifest:{path}")


def models() -> Iterator[Line]:
    """Registered models; none of their modules is imported."""
    described = lines_of_tables()
    for entry in _entries("models"):
        name = registry.spelled("models", entry.name)
        line = described.get(entry.name) or summary(entry)
        yield {"name": name, "summary": line, "where": entry.value}
    yield {"name": "FILE.py:CLASS", "summary": "Your own adapter.", "where": None}


def datasets(split: str | None, root: Path | None) -> Iterator[Line]:
    """Registered data sets, and what is on disk of a split; None: of each one's default split."""
    for entry in _entries("datasets"):
        name = registry.spelled("datasets", entry.name)
        line: Line = {"name": name, "summary": summary(entry), "where": entry.value}
        if name != entry.name:
            yield line | {"state": "yours", "coverage": line["summary"]}
            continue
        yield line | _state(entry.name, split, root)


def _state(name: str, split: str | None, root: Path | None) -> Line:
    """What is on disk of a data set: all, a part, only its annotations, or which file is missing."""
    from kapbench.datasets.synthetic.rendered_split import NotRenderedError
    from kapbench.loading import load_dataset

    arguments: dict[str, Any] = {"data_root": root, "build": False, "split": split or "test"}
    parameters: Mapping[str, inspect.Parameter] = {}
    try:
        parameters = inspect.signature(registry.resolve("datasets", name)).parameters
        default = parameters["split"].default if "split" in parameters else None
        if split is None and isinstance(default, str):
            arguments["split"] = default
        dataset = load_dataset(name, **arguments)
        coverage = dataset.coverage
    except KapbenchError as error:
        place = "" if error.place is None else f": {error.place}"
        problem = f"{error.thing}{place} ({error.fix})"
        if "photographs" in parameters:
            with contextlib.suppress(KapbenchError):
                annotated = load_dataset(name, photographs=False, **arguments).coverage
                return {"state": "annotations", "coverage": f"{annotated}; {problem}"}
        if isinstance(error, NotRenderedError):
            problem = "not rendered yet; it is rendered on first use"
        return {"state": "absent", "coverage": problem}
    return {
        "state": "present" if coverage.complete else "partial",
        "coverage": str(coverage),
        "n_images": len(dataset.views()),
        "licence": dataset.licence,
    }


def rules() -> Iterator[Line]:
    """Rules that ship with kapbench."""
    from kapbench.scoring.rules import load_rule, rule_names

    for name in rule_names():
        rule = load_rule(name)
        yield {"name": name, "metric": rule.metric, "hash": rule.hash, "summary": rule.summary}


def runs(root: Path, only: RunFilter = EVERY_RUN) -> Iterator[Line]:
    """Finished runs below a folder."""
    from kapbench.running.results import find_runs, values_in_command

    refuse_missing(root, "runs_root")
    cards = read_cards(find_runs(root))
    for folder, card in (only.of(cards) if cards else cards).items():
        yield {
            "name": card.model.name,
            "label": card.label,
            "revision": card.model.revision,
            "options": card.model.options,
            "given_options": values_in_command(card.command, "--option", "-o"),
            "limit": card.dataset.limit,
            "command": card.command,
            "dataset": f"{card.dataset.name}@{card.dataset.revision}",
            "split": card.dataset.split,
            "categories": card.dataset.categories,
            "categories_expected": card.dataset.categories_expected,
            "n_pairs": card.dataset.n_pairs,
            "n_pairs_expected": card.dataset.n_pairs_expected,
            "rules": [rule.name for rule in card.rules],
            "isolated": bool(card.provenance.isolated),
            "started": card.provenance.started,
            "folder": str(folder),
        }


def lines_of_tables() -> dict[str, str]:
    """Of models that are rows of a table, which has no docstring for each, a line by name."""
    described: dict[str, str] = {}
    for table in entry_points(group="kapbench.model_lines"):
        described |= table.load()()
    return described


def summary(entry: EntryPoint) -> str:
    """First line of a plug-in's docstring, read from its source without importing it.

    The docstring of a name that is assigned, e.g. to a partial, is the string below it.
    """
    try:
        spec = importlib.util.find_spec(entry.module)
    except ImportError:  # of the package that holds it
        return "(not installed)"
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return "(not installed)"
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    named = (ast.ClassDef, ast.FunctionDef)
    nodes = [n for n in tree.body if isinstance(n, named) and n.name == entry.attr]
    docstring = ast.get_docstring(nodes[0]) if nodes else _below_assignment(tree, entry.attr)
    if docstring is None or docstring.startswith("Args:"):  # it has no summary
        docstring = ast.get_docstring(tree) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


def _below_assignment(tree: ast.Module, name: str) -> str | None:
    for node, after in itertools.pairwise(tree.body):
        assigned = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        )
        if assigned and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return str(after.value.value)
    return None


def _entries(kind: registry.Kind) -> list[EntryPoint]:
    return sorted(entry_points(group=f"kapbench.{kind}"), key=lambda entry: entry.name)


def _wrapped(text: str, width: int) -> str:
    """A name of `width` characters and what is said of it, which goes on beside the name.

    A path or an address that is too long for a line stays whole, for whoever copies it.
    """
    beside = " " * (width + 1)
    lines = textwrap.wrap(
        text, LINE, subsequent_indent=beside, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines).rstrip()


def _text(what: str, line: Line, width: int) -> str:
    name = f"{line['name']:<{width}}"
    if what == "models":
        return _wrapped(f"{name} {line['summary']}", width)
    if what == "datasets":
        states = {"absent": "not on disk: ", "annotations": "annotations only: "}
        state = states.get(line["state"], "")  # a coverage names the other states itself
        images = f", {line['n_images']:,} images" if "n_images" in line else ""
        lines = [_wrapped(f"{name} {state}{line['coverage']}{images}", width)]
        if "licence" in line:
            lines.append(_wrapped(f"{'':{width}} licence: {line['licence']}", width))
        return "\n".join(lines)
    if what == "rules":
        return _wrapped(f"{name} {line['hash']}  {line['summary']}", width + len(line["hash"]) + 2)
    if line["label"] is not None:
        name = f"{line['name']} [{line['label']}]"
    pairs = f"{line['n_pairs']:,} of {line['n_pairs_expected']:,} pairs"
    limit = "" if line["limit"] is None else f" (--limit {line['limit']})"
    categories = ""
    if {*line["categories"]} != {*line["categories_expected"]}:
        categories = "\n" + _wrapped(f"    categories: {', '.join(line['categories'])}", 5)
    declared = [f"{key}={value}" for key, value in line["options"].items()]
    options = "".join(f"\n    {o}" for o in dict.fromkeys([*declared, *line["given_options"]]))
    started = line["started"][:16].replace("T", " ")
    isolated = ", isolated" if line["isolated"] else ""
    rules = "\n" + _wrapped(f"    rules: {', '.join(line['rules'])}", 5)
    first = _wrapped(f"{name} {line['dataset']} {line['split']}", width)
    seen = f"\n    {pairs}{limit}, {started}{isolated}"
    return f"{first}{seen}{rules}{categories}{options}\n    {line['folder']}"
