"""What an author edits in files, folders and objects reaches the revision of the model."""

import importlib
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import tiny_world

import kapbench
from kapbench.identity import named_files
from kapbench.identity.content_hash import content_hash
from kapbench.identity.model_identity import declared_revision, identify
from kapbench.identity.named_files import UnknownContentError
from kapbench.loading import load_model

ADAPTER = """
import numpy as np
from kapbench.types import FeatureMap, Grid
{imports}

class Model:
    name, revision, conditions_on, similarity = "mine", "1", (), "dot"

    def __init__(self, weights: {hint} = {default}, layer: int = 3):
        self.layer = layer

    def encode(self, pictures):
        {lazy}
        self.network = "loaded"
        grids = [Grid.stretched(p.size, 3, 3) for p in pictures]
        return [FeatureMap(np.full((3, 3, 3), self.layer, np.float32), g) for g in grids]
"""


def adapter(file: Path, *, imports="", hint="str", default='""', lazy="pass") -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(ADAPTER.format(imports=imports, hint=hint, default=default, lazy=lazy))
    return f"{file}:Model"


def in_new_process(code: str, folder: Path, *flags: str) -> str:
    """What Python code prints that runs in another process, in a folder of its own."""
    words = [sys.executable, "-B", *flags, "-c", textwrap.dedent(code)]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def revision_of(spec: str, folder: Path) -> str:
    """As of the command `kapbench`, which does not have the current folder on its path."""
    code = f"from kapbench.loading import load_model; print(load_model({spec!r}).revision)"
    return in_new_process(code, folder, "-P")


def network_without_init(root: Path) -> Path:
    """Two modules of a package without __init__.py, one of which imports the other by its name."""
    (root / "models").mkdir()
    (root / "models" / "net.py").write_text("from models.blocks import SCALE\n")
    blocks = root / "models" / "blocks.py"
    blocks.write_text("SCALE = 1.0\n")
    return blocks


ROOT_ON_PATH = "import sys\nsys.path.insert(0, {root!r})\nfrom models.net import SCALE"


@pytest.mark.parametrize(
    ("folder", "lazy"),
    [(".", False), pytest.param("adapters", False, marks=pytest.mark.slow), ("adapters", True)],
)
def test_a_package_without_init_is_followed(tmp_path, folder, lazy):
    blocks = network_without_init(tmp_path)
    statement = ROOT_ON_PATH.format(root=str(tmp_path))
    parts = {"lazy": statement.replace("\n", "; ")} if lazy else {"imports": statement}
    spec = adapter(tmp_path / folder / "mine.py", **parts)
    before = revision_of(spec, tmp_path)
    blocks.write_text("SCALE = 2.0\n")
    assert revision_of(spec, tmp_path) != before


def test_a_loaded_package_without_init_is_the_users_code(tmp_path):
    blocks = network_without_init(tmp_path)
    code = """
        import models.net
        from kapbench.identity.content_hash import content_hash
        print(content_hash(lambda: models.net.SCALE))
    """
    before = in_new_process(code, tmp_path)
    blocks.write_text("SCALE = 2.0\n")
    assert in_new_process(code, tmp_path) != before


@pytest.mark.parametrize(
    "statement",
    ["from lazy_help import f", "import lazy_help", "from lazy_folder import part", "g()"],
)
def test_a_module_that_a_method_imports_is_part_of_an_object(tmp_path, statement):
    """Before it is imported, and as much afterwards."""
    (tmp_path / "lazy_folder").mkdir()
    modules = [tmp_path / "lazy_help.py", tmp_path / "lazy_folder" / "part.py"]
    for module in modules:
        module.write_text("def f(): return 1")
    code = f"""
        from kapbench.identity.content_hash import content_hash

        def g():
            def inner():
                import lazy_help
            inner()

        class Model:
            def encode(self):
                {statement}

        print(content_hash(Model()))
        Model().encode()
        print(content_hash(Model()))
    """
    before = in_new_process(code, tmp_path)
    assert len({*before.split()}) == 1
    for module in modules:
        module.write_text("def f(): return 2")
    after = in_new_process(code, tmp_path)
    assert len({*after.split()}) == 1
    assert not {*before.split()} & {*after.split()}


def test_an_imported_module_that_was_edited_is_refused_for_an_object(tmp_path, monkeypatch):
    module = tmp_path / "lazily_edited.py"
    module.write_text("VALUE = 1")
    monkeypatch.syspath_prepend(str(tmp_path))

    class Late(tiny_world.TinyEncoder):
        def encode(self, pictures):
            importlib.import_module("lazily_edited")
            import lazily_edited

            assert lazily_edited.VALUE == 1
            return super().encode(pictures)

    tiny_world.evaluate(tmp_path, Late())
    module.write_text("VALUE = 2222")
    with pytest.raises(kapbench.KapbenchError, match="edited after it was imported"):
        tiny_world.evaluate(tmp_path, Late())
    del sys.modules["lazily_edited"]


def rewrite(file: Path, content: bytes, seconds: int) -> None:
    file.write_bytes(content)
    os.utime(file, (seconds, seconds))


def checkpoint(folder: Path) -> Path:
    """A folder with a file in a folder, as diffusers saves a pipeline."""
    file = folder / "unet" / "m.bin"
    file.parent.mkdir(parents=True)
    rewrite(file, b"1", 1)
    return file


def test_a_folder_counts_by_the_files_at_any_depth(tmp_path):
    file = checkpoint(tmp_path / "w")
    before = content_hash(tmp_path / "w")
    assert content_hash(tmp_path / "w") == before
    rewrite(file, b"2", 2)
    assert content_hash(tmp_path / "w") != before
    (tmp_path / "w" / "__pycache__").mkdir()
    rewrite(file, b"1", 1)
    assert content_hash(tmp_path / "w") == before


def test_a_broken_link_in_a_folder_counts_by_itself(tmp_path):
    file = checkpoint(tmp_path / "w")
    (tmp_path / "w" / "link").symlink_to(tmp_path / "nowhere")
    before = content_hash(tmp_path / "w")
    rewrite(file, b"2", 2)
    assert content_hash(tmp_path / "w") != before


def test_a_folder_of_too_many_files_cannot_be_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(named_files, "_MOST_ENTRIES", 2)
    checkpoint(tmp_path / "w")
    (tmp_path / "w" / "more.bin").write_bytes(b"1")
    with pytest.raises(UnknownContentError, match="a folder of more than 2 files"):
        content_hash(tmp_path / "w")


@pytest.mark.parametrize("name", ["/", "/sys", "/sys/class", "/proc/self/status", "/tmp/", "~"])
def test_a_folder_of_the_system_among_constants_is_not_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(named_files, "_contents", pytest.fail)
    monkeypatch.setattr(named_files, "_file", pytest.fail)
    content_hash(str(Path(name).expanduser()))
    content_hash(Path(name).expanduser())


@pytest.mark.parametrize(("hint", "default"), [("str", '"w"'), ("Path", 'Path("w")')])
def test_a_folder_that_is_the_default_counts_by_its_files(tmp_path, monkeypatch, hint, default):
    monkeypatch.chdir(tmp_path)
    spec = adapter(
        tmp_path / "a.py", imports="from pathlib import Path", hint=hint, default=default
    )
    without = load_model(spec).revision
    file = checkpoint(tmp_path / "w")
    before = load_model(spec).revision
    assert before == load_model(spec).revision != without
    rewrite(file, b"2", 2)
    assert load_model(spec).revision != before


def test_an_attribute_that_is_changed_after_loading_adds_digits(tmp_path):
    spec = adapter(tmp_path / "mine.py")
    model, changed, same = (load_model(spec) for _ in range(3))
    changed.layer = 7
    revision = identify(changed).info.revision
    assert revision.startswith(f"{model.revision}+")
    assert declared_revision(revision) == "1"
    assert identify(same).info.revision == model.revision == identify(model).info.revision
    assert load_model(spec, layer=7).revision not in (revision, model.revision)


def test_a_network_under_autocast_that_is_changed_after_loading_adds_digits(tmp_path):
    model = load_model(adapter(tmp_path / "mine.py"), precision="bf16", device="cpu")
    assert identify(model).info.revision == model.revision
    model.backbone.layer = 7
    assert identify(model).info.revision.startswith(f"{model.revision}+")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_run_changes_in_a_loaded_model_adds_none(tmp_path, precision):
    model = load_model(adapter(tmp_path / "mine.py"), precision=precision, device="cpu")
    first = tiny_world.evaluate(tmp_path, model)
    assert vars(getattr(model, "backbone", model))["network"] == "loaded"
    again = tiny_world.evaluate(tmp_path, model)
    assert again.resumed
    assert again.folder == first.folder


class WithLock(tiny_world.TinyEncoder):
    def __init__(self, layer: int, **more: object) -> None:
        super().__init__()
        self.layer, self.lock = layer, threading.Lock()
        vars(self).update(more)


def test_declared_options_and_what_can_be_read_both_count():
    options = {"size": 1}
    one, same = (identify(WithLock(1, options=options)) for _ in range(2))
    other, more = identify(WithLock(2, options=options)), identify(WithLock(1, options={"size": 2}))
    assert one == same
    assert len({i.info.revision for i in (one, other, more)}) == 3
    assert (one.unknown, one.declared) == (None, "_thread.lock")


def test_without_options_a_model_that_cannot_be_read_is_not_kept():
    one, other = (identify(WithLock(1)) for _ in range(2))
    assert one.unknown == "_thread.lock"
    assert one.info.revision != other.info.revision


def test_an_option_that_a_run_card_cannot_hold_is_refused():
    with pytest.raises(kapbench.errors.KapbenchError, match="The option 'lock' is"):
        identify(WithLock(1, options={"lock": threading.Lock()}))


def test_a_run_says_that_declared_options_stand_for_a_part(tmp_path):
    messages: list[str] = []
    progress = kapbench.progress.Progress(log=messages.append)
    model = WithLock(1, options={"size": 1})
    tiny_world.evaluate(tmp_path, model, progress=progress)
    assert any("_thread.lock" in m and "`options` stand for" in m for m in messages)
