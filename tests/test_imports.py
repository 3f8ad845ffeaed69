"""The import rule of the project, its sizes, and paths that belong to no machine."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOMES = {"kapbench": ROOT, "kapbench_baselines": ROOT / "baselines"}
HOMES["kapbench_leaderboard"] = ROOT / "leaderboard"
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40

# What a room may import of the project, beyond itself. First match wins.
_VALUES = ("kapbench.errors", "kapbench.types", "kapbench.files", "kapbench.hashing")
_SPOKEN = (*_VALUES, "kapbench.protocols", "kapbench.registry")
RULE = {
    "kapbench.errors": (),
    "kapbench.types": (),
    "kapbench.files": ("kapbench.errors",),
    "kapbench.hashing": (),
    "kapbench.registry": ("kapbench.errors",),
    "kapbench.protocols": ("kapbench.types",),
    "kapbench.datasets": _SPOKEN,
    "kapbench.scoring": _SPOKEN,
    "kapbench.features": (*_SPOKEN, "kapbench.scoring"),
    "kapbench.running": (*_SPOKEN, "kapbench.scoring", "kapbench.features"),
    "kapbench.arrays": (*_SPOKEN, "kapbench.scoring"),
    "kapbench.torchmetrics": (*_SPOKEN, "kapbench.scoring", "kapbench.arrays"),
    "kapbench.cli": ("kapbench",),
    "kapbench.__main__": ("kapbench.cli",),
    "kapbench.contract": _SPOKEN,
    "kapbench": ("kapbench",),  # the door: evaluation and the public names
    "kapbench_baselines": ("kapbench",),
    # Runs a submitted model again, as any user of the core would.
    "kapbench_leaderboard.submit.reproduce": (
        *_SPOKEN,
        "kapbench.evaluation",
        "kapbench.running.progress",
        "kapbench_leaderboard",
    ),
    # Fetches attachments, and says how far it is.
    "kapbench_leaderboard.submit": (
        *_SPOKEN,
        "kapbench.datasets.download",
        "kapbench.running.progress",
        "kapbench.running.results",
        "kapbench.scoring",
        "kapbench_leaderboard",
    ),
    # Asks a run's model again for what records do not hold: where similarity lies, and features.
    "kapbench_leaderboard.pictures": (
        *_SPOKEN,
        "kapbench.datasets.roots",
        "kapbench.evaluation",
        "kapbench.features.cache",
        "kapbench.running",
        "kapbench.scoring",
        "kapbench_leaderboard",
    ),
    "kapbench_leaderboard": (
        *_SPOKEN,
        "kapbench.scoring",
        "kapbench.running.results",
        "kapbench.running.stored",
    ),
}
# The core asks torch for a device and for a number of threads, inside the function that needs it.
TORCH_INSIDE_A_FUNCTION = {"kapbench.evaluation", "kapbench.running.executors"}
# A shape is a list of parts in the order of its random draws: cut up, it would be read in pieces,
# and another order would be another data set.
SHAPES = {f"kapbench.datasets.synthetic.{n}" for n in ("aeroplane", "car", "chair", "quadruped")}


def modules() -> Iterator[tuple[str, Path]]:
    for package, home in HOMES.items():
        for path in sorted((home / package).rglob("*.py")):
            name = ".".join(path.relative_to(home).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


def imported(tree: ast.AST) -> Iterator[str]:
    """Absolute names, also of imports inside functions and for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            assert node.module is not None
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield below if below in MODULES else node.module


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def forbidden(module: str, tree: ast.AST) -> list[str]:
    room = next(room for room in RULE if within(module, room))
    allowed = (room, *RULE[room])
    ours = [name for name in imported(tree) if name.partition(".")[0] in HOMES]
    return [name for name in ours if not any(within(name, place) for place in allowed)]


def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_what_it_may_see(module):
    assert forbidden(module, parse(module)) == []


def test_the_rule_can_be_broken():
    broken = ast.parse("def f():\n    from kapbench.running import runner")
    assert forbidden("kapbench.scoring.metrics", broken) == ["kapbench.running.runner"]
    assert forbidden("kapbench.cli.run", ast.parse("import kapbench_baselines.lite0")) != []
    assert (
        forbidden("kapbench_leaderboard.board", ast.parse("from kapbench.running import plan"))
        != []
    )


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, "kapbench")])
def test_only_features_import_torch(module):
    if within(module, "kapbench.features") or module == "kapbench.torchmetrics":
        return  # the second is for training loops
    tree = parse(module)
    anywhere = [name for name in imported(tree) if name.partition(".")[0] == "torch"]
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    inside = [name for f in functions for name in imported(f) if name.partition(".")[0] == "torch"]
    assert anywhere == (inside if module in TORCH_INSIDE_A_FUNCTION else [])


@pytest.mark.parametrize(
    "statement",
    [
        "import kapbench",
        "import kapbench.registry; kapbench.registry.names('models')",
        "import kapbench.scoring.table",
        "import kapbench.running.results",
        "import kapbench_leaderboard.board",
        "import kapbench_leaderboard.tables",
    ],
)
def test_no_torch_comes_along(statement):
    code = f"import sys; {statement}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_stay_small(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < MAX_FILE_LINES
    functions = [n for n in ast.walk(parse(module)) if isinstance(n, ast.FunctionDef)]
    if module in SHAPES:
        functions = [f for f in functions if f.name != module.rpartition(".")[2]]
    assert {f.name: n for f in functions if (n := lines_of(f)) >= MAX_FUNCTION_LINES} == {}


def lines_of(function: ast.FunctionDef) -> int:
    """Lines that do something: neither the signature nor the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_nothing_names_a_place_on_one_machine():
    ending = {".py", ".toml", ".md", ".json", ".txt", ".cff", ".js", ".html", ".css", ""}
    looked_at = [
        ROOT / n for n in ("kapbench", "baselines", "leaderboard", "tests", "docs", "benchmarks")
    ]
    files = [
        p for folder in looked_at for p in folder.rglob("*") if p.is_file() and p.suffix in ending
    ]
    files += [p for p in ROOT.iterdir() if p.is_file() and p.suffix in ending]
    place = re.compile(r"/(?:work|root|home/\w+|Users/\w+)/|\.\./shared")
    mine = Path(__file__)
    found = [
        str(p)
        for p in files
        if p != mine and "__pycache__" not in p.parts and place.search(_text(p))
    ]
    assert found == []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore")
