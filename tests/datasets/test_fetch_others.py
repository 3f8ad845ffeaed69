"""Data sets that a browser must fetch, and those with further files."""

import zipfile

import pytest
import tiny_datasets as tiny
from click.testing import CliRunner

from kapbench import registry
from kapbench.cli import main
from kapbench.datasets.fetch import Record, fetch
from kapbench.datasets.sources import SOURCES
from kapbench.errors import KapbenchError


def zipped(folder, to):
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return to


def quietly(*_):
    pass


def test_every_source_is_a_data_set_and_says_its_terms():
    names = {name.partition(".")[0] for name in registry.names("datasets")}
    for source in SOURCES.values():
        assert source.name in names
        assert source.licence
        assert source.citation
        assert (source.url is None) == (source.page is not None)


@pytest.mark.parametrize("name", [s.name for s in SOURCES.values() if s.url is None])
def test_what_a_browser_must_fetch_is_told(tmp_path, name):
    done = CliRunner().invoke(main, ["fetch", name, "--data-root", str(tmp_path)])
    assert isinstance(done.exception, SystemExit | KapbenchError)
    assert done.exit_code == 1
    said = " ".join(str(done.exception).split()) + done.output
    for word in (SOURCES[name].page, SOURCES[name].file_name, "--archive"):
        assert word in said
    assert not [p for p in tmp_path.iterdir() if not p.name.endswith(".lock")]


def test_an_archive_at_hand_is_unpacked_and_checked(tmp_path):
    tiny.ap_10k(tmp_path / "made")
    archive = zipped(tmp_path / "made/ap-10k", tmp_path / "ap-10k.zip")
    found = fetch(SOURCES["ap-10k"], tmp_path / "data", quietly, archive=archive)
    assert "complete" in found.coverage
    record = Record.read(SOURCES["ap-10k"], tmp_path / "data")
    assert record.url == SOURCES["ap-10k"].page


def test_annotations_on_another_data_sets_photographs_need_it_beside(tmp_path):
    tiny.spair_u(tmp_path / "made")
    archive = zipped(tmp_path / "made/SPair-U", tmp_path / "u.zip")
    root = tmp_path / "data"
    with pytest.raises(KapbenchError, match="does not hold SPair-U: file not found"):
        fetch(SOURCES["spair-u"], root, quietly, archive=archive)
    (tmp_path / "made/SPair-71k").rename(root / "SPair-71k")
    assert "complete" in fetch(SOURCES["spair-u"], root, quietly, archive=archive).coverage
    assert (root / "SPair-71k/ImageAnnotation").is_dir()  # the link to it went, it did not


@pytest.fixture
def pascal(tmp_path):
    """An archive without its list, and the list's text."""
    tiny.pf_pascal(tmp_path / "made")
    folder = tmp_path / "made/PF-dataset-PASCAL"
    path = folder / "test_pairs_pf_pascal.csv"
    text = path.read_text()
    path.unlink()
    return zipped(folder, tmp_path / "pf.zip"), text


def test_further_files_are_fetched_and_recorded(tmp_path, pascal, server):
    from dataclasses import replace

    archive, text = pascal
    server.content = text.encode()
    source = replace(SOURCES["pf-pascal"], more=((server.url, "test_pairs_pf_pascal.csv"),))
    root = tmp_path / "data"
    found = fetch(source, root, quietly, archive=archive, pauses_s=(0.0,), timeout_s=0.5)
    assert "3 pairs" in found.coverage
    assert list(Record.read(source, root).more) == ["test_pairs_pf_pascal.csv"]
    import shutil

    shutil.rmtree(root / "PF-dataset-PASCAL")
    server.content = (text + "\n").encode()
    with pytest.raises(KapbenchError, match=r"test_pairs_pf_pascal\.csv is not what it was"):
        fetch(source, root, quietly, archive=archive, pauses_s=(0.0,), timeout_s=0.5)
    assert not (root / "PF-dataset-PASCAL").exists()


def test_an_archive_of_another_data_set(tmp_path, pascal):
    with pytest.raises(
        KapbenchError, match="the archive holds PF-dataset-PASCAL, not CUB_200_2011"
    ):
        fetch(SOURCES["cub"], tmp_path / "data", quietly, archive=pascal[0])
    assert not (tmp_path / "data/CUB_200_2011").exists()
