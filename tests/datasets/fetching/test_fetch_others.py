"""Data sets that a browser must fetch, and those with further files."""

import zipfile
from dataclasses import replace

import pytest
import tiny_datasets as tiny
from click.testing import CliRunner

from kapbench import registry
from kapbench.cli import main
from kapbench.datasets.fetching.fetch import fetch
from kapbench.datasets.fetching.record import Record
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.errors import KapbenchError


def zipped(folder, to):
    to.parent.mkdir(exist_ok=True)
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
    with pytest.raises(KapbenchError, match="SPair-U needs SPair-71k beside it") as caught:
        fetch(SOURCES["spair-u"], root, quietly, archive=archive)
    assert "`kapbench fetch spair`" in caught.value.fix
    root.mkdir()
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
    with pytest.raises(KapbenchError, match=r"test_pairs_pf_pascal\.csv differs from that of"):
        fetch(source, root, quietly, archive=archive, pauses_s=(0.0,), timeout_s=0.5)
    assert not (root / "PF-dataset-PASCAL").exists()


def test_an_archive_of_another_data_set(tmp_path, pascal):
    with pytest.raises(
        KapbenchError, match="The archive contains PF-dataset-PASCAL, not CUB_200_2011"
    ):
        fetch(SOURCES["cub"], tmp_path / "data", quietly, archive=pascal[0])
    assert not (tmp_path / "data/CUB_200_2011").exists()


def test_what_must_lie_beside_is_asked_for_before_anything_is_downloaded(tmp_path, server):
    with pytest.raises(KapbenchError, match="needs SPair-71k beside it"):
        fetch(SOURCES["spair-u"], tmp_path / "data", quietly, url=server.url)
    assert server.asked == []


def test_a_whole_download_that_cannot_be_read_is_kept(tmp_path, server):
    tiny.cub(tmp_path / "made")
    (tmp_path / "made/CUB_200_2011/classes.txt").write_text("no table\n")
    archive = zipped(tmp_path / "made/CUB_200_2011", tmp_path / "made.zip")
    server.content = archive.read_bytes()
    root = tmp_path / "data"
    for _ in range(2):
        with pytest.raises(KapbenchError, match="does not contain CUB-200-2011") as caught:
            fetch(SOURCES["cub"], root, quietly, url=server.url, timeout_s=0.5, pauses_s=(0.0,))
        assert "kept" in caught.value.fix
        assert (root / SOURCES["cub"].file_name).read_bytes() == server.content
    assert len(server.asked) == 1


@pytest.fixture
def taniai(tmp_path):
    """TSS as its makers pack it, and the list that others keep."""
    tiny.tss(tmp_path / "made")
    path = tmp_path / "made/TSS_CVPR2016/test_pairs_tss.csv"
    text = path.read_text()
    path.unlink()
    return zipped(path.parent, tmp_path / "packed/TSS_CVPR2016.zip"), text


def test_the_list_of_tss_is_fetched_too(tmp_path, taniai, server):
    archive, text = taniai
    ((_, name),) = SOURCES["tss"].more
    server.content = text.encode()
    source = replace(SOURCES["tss"], more=((server.url, name),))
    steps = []
    root = tmp_path / "data"
    found = fetch(
        source,
        root,
        lambda *step: steps.append(step),
        archive=archive,
        timeout_s=0.5,
        pauses_s=(0.0,),
    )
    assert found.coverage.startswith("complete")
    assert (f"downloading {name}", len(text), len(text)) in steps


@pytest.mark.parametrize("where", ["in the root", "beside", "given", "in the archive"])
def test_a_list_at_hand_is_not_fetched(tmp_path, taniai, where, server):
    archive, text = taniai
    root = tmp_path / "data"
    name, files = "test_pairs_tss.csv", []
    path = {
        "in the root": root,
        "beside": archive.parent,
        "given": tmp_path / "elsewhere",
        "in the archive": tmp_path / "made/TSS_CVPR2016",
    }[where] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    if where == "given":
        files = [path]
    if where == "in the archive":
        archive = zipped(path.parent, archive)
    source = replace(SOURCES["tss"], more=((server.url, name),))
    found = fetch(source, root, quietly, archive=archive, files=files)
    assert found.coverage.startswith("complete")
    assert server.asked == []
    assert list(Record.read(source, root).more) == [name]
    assert path.exists()


def test_a_list_that_cannot_be_fetched_says_where_to_put_it(tmp_path, taniai, server):
    server.faults = ["status:404"]
    source = replace(SOURCES["tss"], more=((server.url, "test_pairs_tss.csv"),))
    root = tmp_path / "data"
    with pytest.raises(
        KapbenchError, match=r"test_pairs_tss\.csv cannot be downloaded. The server answers 404"
    ) as caught:
        fetch(source, root, quietly, archive=taniai[0])
    assert str(root / "test_pairs_tss.csv") in caught.value.fix
    assert "--file" in caught.value.fix
    assert caught.value.place == server.url


def test_a_further_file_of_another_name(tmp_path, taniai):
    path = tmp_path / "pairs.csv"
    path.touch()
    with pytest.raises(KapbenchError, match=r"pairs\.csv is not an extra file of TSS") as caught:
        fetch(SOURCES["tss"], tmp_path / "data", quietly, archive=taniai[0], files=[path])
    assert "test_pairs_tss.csv" in caught.value.fix


def test_the_command_shows_further_files(tmp_path, taniai, server, monkeypatch):
    archive, text = taniai
    server.content = text.encode()
    source = replace(SOURCES["tss"], more=((server.url, "test_pairs_tss.csv"),))
    monkeypatch.setitem(SOURCES, "tss", source)
    words = ["fetch", "tss", "--archive", str(archive), "--data-root", str(tmp_path / "data")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert "0.0 MB, from 127.0.0.1" in shown.stdout


def test_the_command_takes_further_files(tmp_path, taniai):
    archive, text = taniai
    path = tmp_path / "lists/test_pairs_tss.csv"
    path.parent.mkdir()
    path.write_text(text)
    words = ["fetch", "tss", "--archive", str(archive), "--file", str(path)]
    shown = CliRunner().invoke(main, [*words, "--data-root", str(tmp_path / "data")])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "data/TSS_CVPR2016/test_pairs_tss.csv").read_text() == text


def test_a_list_that_only_a_browser_gets_is_named(tmp_path, server):
    tiny.pf_pascal(tmp_path / "made")
    folder = tmp_path / "made/PF-dataset-PASCAL"
    (folder / "val_pairs_pf_pascal.csv").write_text("source_image,target_image,class,flip\n")
    archive = zipped(folder, tmp_path / "packed/pf.zip")
    words = ["fetch", "pf-pascal", "--archive", str(archive), "--data-root", str(tmp_path / "data")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    ((address, name),) = SOURCES["pf-pascal"].by_hand
    assert f"{name} is missing: download it from {address} into" in shown.stdout


@pytest.mark.parametrize("branch", ["main", "master"])
def test_the_archive_of_a_repository(tmp_path, branch):
    tiny.awa_pose(tmp_path / "made")
    folder = (tmp_path / "made/AwA-Pose").rename(tmp_path / f"made/AwA-Pose-{branch}")
    archive = zipped(folder, tmp_path / "AwA-Pose.zip")
    root = tmp_path / "data"
    assert "complete" in fetch(SOURCES["awa-pose"], root, quietly, archive=archive).coverage
    assert (root / "AwA-Pose/Annotations_json/moose.json").is_file()


def test_another_ending_is_another_folder(tmp_path):
    tiny.awa_pose(tmp_path / "made")
    folder = (tmp_path / "made/AwA-Pose").rename(tmp_path / "made/AwA-Pose-draft")
    archive = zipped(folder, tmp_path / "AwA-Pose.zip")
    with pytest.raises(KapbenchError, match="contains AwA-Pose-draft, not AwA-Pose"):
        fetch(SOURCES["awa-pose"], tmp_path / "data", quietly, archive=archive)
