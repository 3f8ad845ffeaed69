"""Files that macOS and Windows leave in a data set's folders are no annotations and no images."""

import shutil

import pytest
from tiny_datasets import BUILDERS

from kapbench.datasets.spair.spair_u import spair_u
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset
from kapbench.paths import is_system_file

APPLE_DOUBLE = bytes.fromhex("00051607000200004d6163204f532058") + bytes(66)
ON_DISK = [name for name in BUILDERS if not name.startswith("synthetic")]


def strew(root):
    """Puts system files into every folder: beside each file, and copies of all files."""
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        files = [path for path in folder.iterdir() if path.is_file()]
        copies = folder / "__MACOSX"
        copies.mkdir()
        for path in files:
            path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)
            (copies / f"._{path.name}").write_bytes(APPLE_DOUBLE)
            shutil.copy(path, copies)
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"\0\0\0\1Bud1")


@pytest.mark.parametrize("name", ON_DISK)
def test_a_data_set_is_the_same_with_system_files_everywhere(tmp_path, name):
    spec, options = BUILDERS[name](tmp_path)
    before = load_dataset(spec, **options)
    strew(tmp_path)
    after = load_dataset(spec, **options)
    assert after.revision == before.revision
    assert after.coverage == before.coverage
    assert [p.pair_id for p in after.pairs()] == [p.pair_id for p in before.pairs()]
    assert [v.image_id for v in after.views()] == [v.image_id for v in before.views()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("._cow.json", True),
        (".DS_Store", True),
        ("Thumbs.db", True),
        ("__MACOSX", True),
        ("Desktop.ini", True),
        ("cow.json", False),
        ("_cow.json", False),
        (".hidden.json", False),
        ("thumbs.json", False),
    ],
)
def test_names_of_system_files(name, expected):
    assert is_system_file(name) is expected


class TestNamesWithoutColon:
    """As Windows stores the names of SPair-U's pairs."""

    @pytest.mark.parametrize("substitute", ["_", "\uf03a"])
    def test_the_pairs_are_the_same(self, tmp_path, substitute):
        before = load_dataset(*BUILDERS["spair-u"](tmp_path)[:1], root=tmp_path)
        for path in (tmp_path / "SPair-U/ExtraPairAnnotation").rglob("*.json"):
            path.rename(path.with_name(path.name.replace(":", substitute)))
        after = spair_u(root=tmp_path)
        assert [p.pair_id for p in after.pairs()] == [p.pair_id for p in before.pairs()]
        assert after.pairs()[0].pair_id.endswith(":cat")
        assert after.revision == before.revision

    def test_a_pair_under_both_names_is_refused(self, tmp_path):
        BUILDERS["spair-u"](tmp_path)
        first = sorted((tmp_path / "SPair-U/ExtraPairAnnotation").rglob("*.json"))[0]
        shutil.copy(first, first.with_name(first.name.replace(":", "_")))
        with pytest.raises(KapbenchError, match="repeats the pair") as error:
            spair_u(root=tmp_path)
        assert "_cat.json" in str(error.value.place)
