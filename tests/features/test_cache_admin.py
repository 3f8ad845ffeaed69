"""Looking at a cache, checking it, and making room: by last use, and never more than asked."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kapbench.cli import main
from kapbench.cli.cache import size
from kapbench.features.cache import FeatureCache
from kapbench.features.cache_admin import Item, groups, items, to_evict
from kapbench.processes.unfinished import unfinished_name
from kapbench.types import FeatureMap, Grid

GRID = Grid(3, 4, (0, 0, 4, 3))


@dataclass
class Silent:
    """An encoder that is never asked."""

    name: str
    revision: str = "1" * 40
    conditions_on: tuple[str, ...] = ()
    similarity: str = "dot"

    def encode(self, pictures):
        raise AssertionError(pictures)


def fill(root: Path, name: str, n: int, used: float = 0) -> list[Path]:
    """`n` images of an encoder, the first used at `used`, each next a second later."""
    cache = FeatureCache.of(Silent(name), root)
    cache.sign(Silent(name))
    rng = np.random.default_rng(0)
    for i in range(n):
        key = f"{i:02d}" + name
        cache.write(key, FeatureMap(rng.normal(size=(5, 3, 4)).astype(np.float32), GRID))
        os.utime(cache.path(key), (used + i, used + i))
    return [cache.path(f"{i:02d}" + name) for i in range(n)]


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory, monkeypatch) -> Path:
    """A TMPDIR of its own: other tests' processes leave things in the system's."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    fill(tmp_path, "old", 3, 1000)
    fill(tmp_path, "new", 2, 2000)
    for name, content in [("sphere/abc.safetensors", b"x" * 70), ("synthetic/t/a.png", b"y")]:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def kapbench(root: Path, *words: str):
    return CliRunner().invoke(main, ["cache", words[0], "--cache", str(root), *words[1:]])


def test_what_is_there_by_maker(root):
    found = {g.maker: g for g in groups(root)}
    assert set(found) == {"old@111111111111", "new@111111111111", "kapbench train: sphere"}
    assert {g.n_files for g in found.values()} == {1, 2, 3}
    assert sum(g.n_bytes for g in found.values()) == sum(
        p.stat().st_size for p in root.rglob("*.safetensors")
    )
    assert found["old@111111111111"].used == 1002


def test_ls_says_the_same_in_words_and_in_json(root):
    said = kapbench(root, "ls")
    assert said.exit_code == 0
    assert "6 files" in said.output
    assert "old@1111" in said.output
    listed = json.loads(kapbench(root, "ls", "--format", "json").output)
    assert [g["n_bytes"] for g in listed] == sorted((g["n_bytes"] for g in listed), reverse=True)


def test_an_unsigned_folder_is_listed_all_the_same(root):
    for path in root.rglob("encoder.json"):
        path.write_text("[]")
    assert [g.maker for g in groups(root)].count("unknown") == 2


def test_evict_removes_the_least_recently_used_and_no_more(root):
    before = list(items(root))
    one = next(i.n_bytes for i in before if "old" in i.path.name)
    limit = sum(i.n_bytes for i in before) - one - 1  # so that two must go
    tried = kapbench(root, "evict", "--limit", str(limit), "--dry-run")
    assert "2 of 6 files would be removed" in tried.output
    assert list(items(root)) == before
    assert kapbench(root, "evict", "--limit", str(limit)).exit_code == 0
    gone = {i.path for i in before} - {i.path for i in items(root)}
    assert {p.name for p in gone} == {"00old.safetensors", "01old.safetensors"}
    assert (root / "synthetic/t/a.png").exists()


def test_nothing_goes_where_there_is_room(root):
    assert "0 of 6 files removed" in kapbench(root, "evict", "--limit", "1GB").output


def test_what_interrupted_commands_left_is_listed_and_evicted(root, scratch):
    code = "from kapbench.processes.unfinished import unfinished_name as name; print(name(), name('kapbench-'))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    one, two = done.stdout.split()
    left = [root / "features" / "abc" / one, scratch / two / "features" / "x", root / one]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    own = root / unfinished_name()
    own.write_bytes(b"x")
    (group,) = [g for g in groups(root) if g.group == "left over"]
    assert (group.n_files, group.n_bytes) == (3, 3000)
    shown = kapbench(root, "ls").output
    assert "left over" in shown
    assert "6 files" in shown
    tried = kapbench(root, "evict", "--limit", "1GB", "--dry-run")
    assert "3 left over by interrupted commands would be removed, 3.0 kB" in tried.output
    assert all(path.exists() for path in left)
    kapbench(root, "evict", "--limit", "1GB")
    assert not any(path.exists() for path in left)
    assert own.exists()
    assert len(list(items(root))) == 6


def test_a_backbone_is_kept_as_long_as_models_over_it_are_used(tmp_path):
    backbone = fill(tmp_path, "backbone", 2, 1000)
    fill(tmp_path, "other", 2, 2000)
    over = FeatureCache.of(Silent("over"), tmp_path)
    below = FeatureCache.of(Silent("backbone"), tmp_path)
    over.sign(Silent("over"), [below.encoder])
    below.sign(Silent("backbone"), serves="over")
    below.sign(Silent("backbone"), serves="another")
    below.sign(Silent("backbone"))  # takes nothing back
    over.write("00over", FeatureMap(np.ones((5, 3, 4), np.float32), GRID))
    os.utime(over.path("00over"), (3000, 3000))
    found = list(items(tmp_path))
    order = [item.path.stem for item in to_evict(found, 0)]
    assert order == ["00other", "01other", "00over", "00backbone", "01backbone"]
    (group,) = [g for g in groups(tmp_path) if g.maker.startswith("backbone")]
    assert (group.serves, group.used) == (("another", "over"), 3000)
    said = kapbench(tmp_path, "ls").output
    assert "backbone@111111111111: its features also serve another, over" in said
    assert all(path.exists() for path in backbone)


def test_features_of_a_run_in_progress_are_no_model_of_the_cache(root):
    running = root / unfinished_name() / "features" / "abc" / "00" / "x.safetensors"
    running.parent.mkdir(parents=True)
    running.write_bytes(b"x")
    assert len(list(items(root))) == 6


def test_a_models_features_are_evicted_and_no_others(root):
    cache = FeatureCache.of(Silent("old", "2" * 40), root)
    cache.sign(Silent("old", "2" * 40))
    cache.write("00", FeatureMap(np.zeros((5, 3, 4), np.float32), GRID))
    tried = kapbench(root, "evict", "--model", "old@2222", "--dry-run")
    assert "1 of 7 files would be removed" in tried.output
    assert cache.path("00").exists()
    assert "1 of 7 files removed" in kapbench(root, "evict", "--model", "old@2222").output
    assert not cache.path("00").exists()
    assert "3 of 6 files removed" in kapbench(root, "evict", "--model", "old").output
    assert {g.maker for g in groups(root)} == {"new@111111111111", "kapbench train: sphere"}


def test_a_model_whose_features_were_evicted_is_not_offered(root):
    assert kapbench(root, "evict", "--model", "old").exit_code == 0
    again = kapbench(root, "evict", "--model", "old")
    assert again.exit_code == 1
    assert "Unknown model in the cache 'old'" in again.output
    assert "new" in again.output
    assert again.output.count("old") == 1


def test_a_models_features_are_evicted_down_to_a_size(root):
    size = sum(item.n_bytes for item in items(root))
    evicted = kapbench(root, "evict", "--model", "new", "--limit", str(size - 1))
    assert "1 of 6 files removed" in evicted.output
    assert not list(root.rglob("00new.safetensors"))


@pytest.mark.parametrize("words", [["--model", "odl"], ["--model", "old@3"], []])
def test_evict_needs_a_model_that_is_cached_or_a_size(root, words):
    refused = kapbench(root, "evict", *words)
    assert refused.exit_code != 0
    assert ("old" if words else "--limit SIZE, --model NAME") in refused.output
    assert len(list(items(root))) == 6


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=20), st.integers(0, 400))
def test_what_stays_fits_and_was_used_later(spent, limit):
    found = [Item(Path(str(i)), "g", *each) for i, each in enumerate(spent)]
    gone = to_evict(found, limit)
    left = [i for i in found if i not in gone]
    assert sum(i.n_bytes for i in left) <= limit or not left
    if gone:
        assert sum(i.n_bytes for i in left) + gone[-1].n_bytes > limit
        assert max(i.used for i in gone) <= min((i.used for i in left), default=9)


def test_a_run_that_finds_features_whole_has_used_them(tmp_path):
    (path,) = fill(tmp_path, "old", 1, 1000)
    cache = FeatureCache.of(Silent("old"), tmp_path)
    assert cache.verify("00old", touch=False)
    assert path.stat().st_mtime == 1000
    assert cache.verify("00old")
    assert time.time() - path.stat().st_mtime < 60


def test_verify_names_what_is_damaged_and_removes_it_when_asked(root):
    assert "5 files checked, none is damaged" in kapbench(root, "verify").output
    broken = next(root.rglob("01old.safetensors"))
    content = bytearray(broken.read_bytes())
    content[-1] ^= 1
    broken.write_bytes(content)
    found = kapbench(root, "verify")
    assert found.exit_code == 1
    assert "1 of 5 files are damaged" in found.output
    assert "01old.safetensors" in found.output.replace("\n", "")
    assert kapbench(root, "verify", "--remove").exit_code == 0
    assert not broken.exists()
    assert "4 files checked, none is damaged" in kapbench(root, "verify").output


def test_a_named_folder_that_does_not_exist_is_an_error(tmp_path):
    for words in (("ls",), ("verify",), ("evict", "--limit", "0")):
        refused = kapbench(tmp_path / "no", *words)
        assert refused.exit_code == 1
        assert "This folder does not exist" in refused.output
    assert "The cache is empty" in kapbench(tmp_path, "ls").output


def test_features_of_an_isolated_model_are_marked(root):
    path = next(root.rglob("encoder.json"))
    signed = json.loads(path.read_text())
    path.write_text(json.dumps(signed | {"revision": "1-3fa2b7c9-isolated"}))
    assert f"{signed['model']}@1-3fa2b7c9-i (isolated)" in {g.maker for g in groups(root)}


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("50GB", 50 * 10**9), ("1.5 tib", 1.5 * 1024**4), ("0", 0), ("7k", 7000), ("3MiB", 3 << 20)],
)
def test_sizes(text, n_bytes):
    assert size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "5XB", "1e9", "12PB"])
def test_no_sizes(tmp_path, text):
    said = kapbench(tmp_path, "evict", "--limit", text)
    assert said.exit_code == 2
    assert "is not a size" in said.output
