"""`kapbench fetch soco`: three archives of the Hub, none of which holds the data set's own folder."""

import zipfile
from pathlib import Path

import pytest
import tiny_soco

from kapbench.datasets.fetching.fetch import fetch
from kapbench.datasets.fetching.record import Record
from kapbench.datasets.fetching.sources import SOURCES, source
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset

SOCO = SOURCES["soco"]
ARCHIVES = ("Images.zip", "PairAnnotations.zip", "KeypointAnnotations.zip")
TAXONOMY = "keypoint_taxonomy.json"


@pytest.fixture
def downloads(tmp_path):
    """The Hub's files, as a browser saves them."""
    folder = tiny_soco.make(tmp_path / "made")
    (folder / "KeypointAnnotations/bus").mkdir(parents=True)
    (folder / "KeypointAnnotations/bus/bus_0.json").write_text("{}")
    saved = tmp_path / "downloads"
    saved.mkdir()
    for name in ARCHIVES:
        pack(folder / Path(name).stem, saved / name)
    (saved / TAXONOMY).write_text("{}")
    return saved


def pack(folder, to, **more):
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder.parent))
        for name, content in more.items():
            archive.writestr(name, content)


def quietly(*_):
    pass


def fetch_saved(downloads, root):
    return fetch(SOCO, root, quietly, archive=downloads / "Images.zip")


def test_addresses_are_those_of_the_hub():
    assert source("soco.cross") is SOCO
    hub = "https://huggingface.co/datasets/GenIntelLab/SOCO/resolve/main/"
    addresses = [SOCO.url, *(address for address, _ in SOCO.more)]
    assert addresses == [
        f"{hub}{name}" for name in (*ARCHIVES[:2], ARCHIVES[2], f"Metadata/{TAXONOMY}")
    ]


def test_the_archives_become_one_folder_and_their_hashes_are_recorded(downloads, tmp_path):
    root = tmp_path / "data"
    fetched = fetch_saved(downloads, root)
    assert fetched.coverage == "complete: 3 categories, 18 pairs"
    names = {path.name for path in fetched.folder.iterdir()}
    assert names == {"Images", "PairAnnotations", "KeypointAnnotations", "Metadata"}
    assert load_dataset("soco.cross", root=root).coverage.complete
    assert set(Record.read(SOCO, root).more) == {*ARCHIVES[1:], f"Metadata/{TAXONOMY}"}
    assert all((downloads / name).exists() for name in ARCHIVES)  # the user's own are kept


def test_another_list_of_pairs_than_the_first_is_refused(downloads, tmp_path):
    root = tmp_path / "data"
    folder = fetch_saved(downloads, root).folder
    folder.rename(tmp_path / "away")
    made = tmp_path / "made/SOCOv1/PairAnnotations"
    pack(made, downloads / "PairAnnotations.zip", **{"PairAnnotations/more.txt": "more"})
    with pytest.raises(KapbenchError, match=r"PairAnnotations\.zip differs from that of"):
        fetch_saved(downloads, root)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Images/car/car_0.JPEG", "contains Images, PairAnnotations, not PairAnnotations alone"),
        ("PairAnnotations/../../escaped.json", "unsafe: .*leads outside its folder"),
    ],
)
def test_an_archive_that_would_write_elsewhere(downloads, tmp_path, name, message):
    root = tmp_path / "data"
    made = tmp_path / "made/SOCOv1/PairAnnotations"
    pack(made, downloads / "PairAnnotations.zip", **{name: "x"})
    with pytest.raises(KapbenchError, match=message):
        fetch_saved(downloads, root)
    assert not (root / "SOCOv1").exists()
    assert not list(tmp_path.rglob("escaped.json"))


def test_an_archive_that_is_cut_off(downloads, tmp_path):
    path = downloads / "PairAnnotations.zip"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(KapbenchError, match="not a complete tar or zip archive"):
        fetch_saved(downloads, tmp_path / "data")
    assert not (tmp_path / "data/SOCOv1").exists()
