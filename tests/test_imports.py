"""The import rule, the sizes of files and functions, and the paths that the project may name.

Each test looks at the whole project and lists every violation in one message.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "kapbench": ROOT,
    "kapbench_baselines": ROOT / "baselines",
    "kapbench_leaderboard": ROOT / "leaderboard",
}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40

# From the ground upwards: a room imports itself and the rooms of lower layers.
CORE = (
    ("shown_text",),
    ("errors", "types"),
    ("untrusted", "processes"),
    ("protocols", "registry", "paths", "progress", "storage"),
    ("locks", "file_hashes"),
    ("models", "scoring", "datasets", "identity"),
    ("features", "loading", "arrays"),
    ("isolated",),
    ("torchmetrics", "running"),
    ("evaluation", "cli", "matching"),
    ("isolated_model",),
    ("__main__", ""),  # "" is the package itself
)
LEADERBOARD = (
    ("comparison",),
    ("entries", "tables"),
    ("figures", "published"),
    ("diagnosis", "explore"),
    ("site", "submit"),
    ("reproduce",),
    ("commands", ""),
)
# What the leaderboard sees of the core: finished runs and how they are scored. Some rooms see more.
FINISHED_RUNS = (
    *(f"kapbench.{name}" for layer in CORE[:5] for name in layer),
    "kapbench.scoring",
    "kapbench.running.results",
    "kapbench.running.records_file",
    "kapbench.running.diagnosis",
)
MORE_OF_THE_CORE = {
    "kapbench_leaderboard.commands": (
        "kapbench.cli",
        "kapbench.matching",
        "kapbench.running.result_set",
    ),
    # A page of similarities that no record holds: images are encoded again.
    "kapbench_leaderboard.explore": (
        "kapbench.features",
        "kapbench.identity.model_identity",
        "kapbench.loading",
        "kapbench.matching",
        "kapbench.models",
        "kapbench.running",
    ),
    # The pictures show similarity and features, which records do not hold: the model is run again.
    "kapbench_leaderboard.figures": (
        "kapbench.datasets.altering",
        "kapbench.features",
        "kapbench.identity.model_identity",
        "kapbench.loading",
        "kapbench.matching",
        "kapbench.models",
        "kapbench.running",
    ),
    # Which runs are on corrupted images.
    "kapbench_leaderboard.commands.corruption_drops": ("kapbench.datasets.altering",),
    "kapbench_leaderboard.comparison.corruption_drops": ("kapbench.datasets.altering",),
    # What a control is, and the rows that it makes; the hash of a plan.
    "kapbench_leaderboard.comparison.controls": (
        "kapbench.models.controls",
        "kapbench.models.reference_models",
    ),
    # What a training split shares with a scored one, which no run card holds.
    "kapbench_leaderboard.tables.notes": ("kapbench.datasets.overlaps",),
    # What keypoints of rendered objects are called, without rendering a split.
    "kapbench_leaderboard.site.keypoint_heat": ("kapbench.datasets.synthetic.objects",),
    "kapbench_leaderboard.submit.check_controls": ("kapbench.models.controls",),
    "kapbench_leaderboard.submit.control_rows": ("kapbench.models.controls",),
    "kapbench_leaderboard.submit.check_run_card": ("kapbench.running.plan",),
    # Whether the model that is made here is the one of the entry.
    "kapbench_leaderboard.submit.reproduce": (
        "kapbench.evaluation",
        "kapbench.identity.model_identity",
        "kapbench.isolated",
        "kapbench.loading",
    ),
    "kapbench_leaderboard.submit.model_again": ("kapbench.isolated", "kapbench.loading"),
    # A published number, or an entry, is measured again by a run.
    "kapbench_leaderboard.reproduce": (
        "kapbench.identity.model_identity",
        "kapbench.isolated",
        "kapbench.loading",
        "kapbench.running",
    ),
    "kapbench_leaderboard.submit.adapter_trial": (
        "kapbench.identity.model_identity",
        "kapbench.isolated",
        "kapbench.loading",
        "kapbench.models.contract",
        "kapbench.running.run_card",
    ),
}
# The core asks torch for a device and for a number of threads, inside the function that needs it.
TORCH_ROOMS = ("kapbench.features", "kapbench.torchmetrics")  # the second is for training loops
TORCH_INSIDE_FUNCTIONS = (
    "kapbench.identity",
    "kapbench.models",
    "kapbench.loading",
    "kapbench.isolated",
    "kapbench.running.local_executors",
)
# A shape is a list of parts in the order of its random draws: cut up, it would be read in pieces,
# and another order would be another data set.
SHAPES = {f"kapbench.datasets.synthetic.{n}" for n in ("aeroplane", "car", "chair", "quadruped")}


def assert_none(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package, home in PACKAGES.items():
        for path in sorted((home / package).rglob("*.py")):
            name = ".".join(path.relative_to(home).with_suffix("").parts)
            yield name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    return dict(_modules())


def imports(tree: ast.AST, modules: dict[str, ast.Module]) -> Iterator[str]:
    """Absolute names, also of imports inside functions and for type checkers."""
    for node in ast.walk(tree):
        yield from imports_of(node, modules)


def imports_of(node: ast.AST, modules: dict[str, ast.Module]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            below = f"{node.module}.{alias.name}"
            yield below if below in modules else "." * node.level + (node.module or "")


def is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def is_in(module: str, rooms: tuple[str, ...]) -> bool:
    return any(is_within(module, room) for room in rooms)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def layer_of(room: str) -> int | None:
    package, _, name = room.partition(".")
    layers = {"kapbench": CORE, "kapbench_leaderboard": LEADERBOARD}[package]
    return next((i for i, names in enumerate(layers) if name in names), None)


def may_import(importer: str, imported: str) -> bool:
    """Whether the layers allow it; both are modules of the project."""
    package, other = importer.partition(".")[0], imported.partition(".")[0]
    room, other_room = room_of(importer), room_of(imported)
    if room == other_room:
        return True
    if package == "kapbench_baselines":
        return other in ("kapbench", package)
    if package != other:
        return package == "kapbench_leaderboard" and is_in(imported, seen_by(importer))
    layer, other_layer = layer_of(room), layer_of(other_room)
    return layer is not None and other_layer is not None and other_layer < layer


def seen_by(importer: str) -> tuple[str, ...]:
    """Rooms of the core that a module of the leaderboard may import."""
    more = (rooms for room, rooms in MORE_OF_THE_CORE.items() if is_within(importer, room))
    return FINISHED_RUNS + sum(more, ())


def violations(modules: dict[str, ast.Module], of: dict[str, ast.Module]) -> list[str]:
    return sorted(
        {
            f"{module} imports {name}"
            for module, tree in of.items()
            for name in imports(tree, modules)
            if name.startswith(".")
            or (name.partition(".")[0] in PACKAGES and not may_import(module, name))
        }
    )


def test_every_room_has_a_layer(modules):
    rooms = {room_of(m) for m in modules if not is_within(m, "kapbench_baselines")}
    assert_none(sorted(room for room in rooms if layer_of(room) is None))


def test_imports_point_downwards(modules):
    assert_none(violations(modules, modules))


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("kapbench.scoring.metrics", "def f():\n    from kapbench.running import run"),
        ("kapbench.cli.run", "import kapbench_baselines.lite0"),
        ("kapbench.scoring.metrics", "import kapbench.datasets.images"),
        ("kapbench.errors", "import kapbench.types"),
        ("kapbench.running.run", "import kapbench"),
        ("kapbench.scoring.metrics", "from . import rules"),
        ("kapbench_baselines.sift", "from kapbench_leaderboard import tables"),
        ("kapbench_leaderboard.comparison.groups", "from kapbench_leaderboard import tables"),
        ("kapbench_leaderboard.comparison.groups", "from kapbench.running import plan"),
        ("kapbench_leaderboard.submit.check", "import kapbench.loading"),
    ],
)
def test_a_forbidden_import_is_found(modules, module, statement):
    assert violations(modules, {module: ast.parse(statement)}) != []


def test_no_import_circle(modules):
    """Between modules, imports at their top alone; a package counts as its __init__."""
    graph = {
        module: {
            name
            for node in tree.body
            for name in imports_of(node, modules)
            if name in modules and name != module
        }
        for module, tree in modules.items()
    }
    assert_none(circles(graph))


def circles(graph: dict[str, set[str]]) -> list[str]:
    """What remains of a graph when modules are taken away that import none of the rest."""
    rest = {module: set(names) for module, names in graph.items()}
    while free := {module for module, names in rest.items() if not names & rest.keys()}:
        rest = {module: names for module, names in rest.items() if module not in free}
    return [f"{m} imports {', '.join(sorted(names & rest.keys()))}" for m, names in rest.items()]


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert len(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == 3


def test_the_core_imports_torch_only_where_it_computes(modules):
    """At the top of a module in two rooms, inside functions in four, elsewhere nowhere."""
    wrong = []
    for module, tree in modules.items():
        if is_within(module, "kapbench") and not is_in(module, TORCH_ROOMS):
            nodes = outside_functions(tree)
            if not is_in(module, TORCH_INSIDE_FUNCTIONS):
                nodes = ast.walk(tree)
            names = [name for node in nodes for name in imports_of(node, modules)]
            wrong += [module] * any(is_within(name, "torch") for name in names)
    assert_none(wrong)


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from outside_functions(node)


def test_torch_is_not_imported_where_no_model_runs(modules):
    """Help, and every module of the leaderboard: `compare`, `site` and `submit check` use them."""
    names = [
        "kapbench.registry",
        "kapbench.running.records_file",
        "kapbench.running.results",
        "kapbench.running.result_set",
        *(m for m in modules if is_in(m, ("kapbench.scoring", "kapbench_leaderboard"))),
    ]
    code = f"""
import importlib, sys
from kapbench.cli import main
importers = []
commands = "run sweep train list cache fetch convert compare diagnose explore match reproduce show site submit".split()
for words in ([], *([command] for command in commands)):
    main([*words, "--help"], standalone_mode=False)
    importers += [" ".join(["kapbench", *words, "--help"])] * ("torch" in sys.modules)
for name in {names}:
    importlib.import_module(name)
    importers += [name] * ("torch" in sys.modules)
sys.exit("torch is imported by " + importers[0] if importers else 0)
"""
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_files_and_functions_stay_small(modules):
    long_files = [
        f"{path.relative_to(ROOT)}: {n} lines"
        for package, home in PACKAGES.items()
        for path in sorted((home / package).rglob("*.py"))
        if (n := len(path.read_text(encoding="utf-8").splitlines())) >= MAX_FILE_LINES
    ]
    long_functions = [
        f"{module}.{node.name}: {n} lines"
        for module, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and not (module in SHAPES and node.name == module.rpartition(".")[2])
        and (n := lines_of(node)) >= MAX_FUNCTION_LINES
    ]
    assert_none(long_files + long_functions)


def lines_of(function: ast.FunctionDef) -> int:
    """Lines that do something: neither the signature nor the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_nothing_names_a_place_on_one_machine():
    endings = {".py", ".toml", ".md", ".json", ".txt", ".cff", ".js", ".html", ".css", ""}
    endings |= {".yml", ".yaml", ".jsonl", ".sh"}
    folders = (
        ".github",
        "kapbench",
        "baselines",
        "leaderboard",
        "tests",
        "docs",
        "benchmarks",
        "scripts",
    )
    files = [
        *(p for p in ROOT.iterdir() if p.name != ".git"),
        *(path for name in folders for path in (ROOT / name).rglob("*")),
    ]
    place = re.compile(r"/(?:work|root|home/\w+|Users/\w+)/|\.\./shared")
    named = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in endings
        and path.is_file()
        and path != Path(__file__)
        and "__pycache__" not in path.parts
        and place.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert_none(named)
