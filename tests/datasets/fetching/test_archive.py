import io
import stat
import tarfile
import zipfile

import pytest

from kapbench.datasets.fetching import archive as unpacking
from kapbench.datasets.fetching import archive_formats
from kapbench.datasets.fetching.archive import unpack
from kapbench.errors import KapbenchError

GOOD = {"Data/a.txt": b"one", "Data/inner/b.bin": bytes(range(256)) * 40, "Data/c:d.json": b"{}"}
OUT = ["../out", "Data/../../out", "/tmp/out", "Data/x/../../../out", "..\\out", "C:\\out", "\\out"]


def tar(path, entries, mode="w:gz"):
    """`entries`: name to bytes, or to a TarInfo's type with the place that it links to."""
    with tarfile.open(path, mode) as made:
        for name, what in entries.items():
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                made.addfile(info, io.BytesIO(what))
            else:
                info.type, info.linkname = what
                made.addfile(info)
    return path


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return path


@pytest.fixture
def place(tmp_path):
    """A folder of its own, two levels down: what leads out of it is seen."""
    inner = tmp_path / "outer" / "root"
    inner.mkdir(parents=True)
    return inner


def unpacked(archive, place, **options):
    unpack(archive, place / "Data", lambda *_: None, **options)
    found = sorted(p for p in place.rglob("*") if p.is_file())
    return {p.relative_to(place).as_posix(): p.read_bytes() for p in found}


def refused(archive, place, said, **options):
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(KapbenchError, match=said) as caught:
        unpack(archive, place / "Data", lambda *_: None, **options)
    assert sorted(archive.parent.rglob("*")) == before, "something was left behind"
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path, place, mode):
    assert unpacked(tar(tmp_path / "a", GOOD, mode), place) == GOOD


def test_zip(tmp_path, place):
    assert unpacked(zipped(tmp_path / "a", GOOD), place) == GOOD


def test_names_with_a_leading_dot_and_folders_of_their_own(tmp_path, place):
    entries = {
        "./Data": (tarfile.DIRTYPE, ""),
        "./Data/a.txt": b"one",
        "./Data/empty": (tarfile.DIRTYPE, ""),
    }
    assert unpacked(tar(tmp_path / "a", entries), place) == {"Data/a.txt": b"one"}
    assert (place / "Data" / "empty").is_dir()


def test_an_archive_without_the_top_folder(tmp_path, place):
    """Known by a name within, as that of Freiburg cars."""
    entries = {"./annotations/1_annot.txt": b"x", "./car001/1.png": b"y", "._car001": b"z"}
    archive = tar(tmp_path / "a", entries)
    refused(archive, place, "contains annotations, car001, not Data")
    content = {"Data/annotations/1_annot.txt": b"x", "Data/car001/1.png": b"y"}
    assert unpacked(archive, place, inner="annotations") == content


def test_what_lies_beside_the_top_folder_is_left_out(tmp_path, place):
    archive = tar(tmp_path / "a", GOOD | {"__MACOSX/x": b"junk", "README": b"read"})
    assert unpacked(archive, place) == GOOD


@pytest.mark.parametrize("make", [tar, zipped])
def test_system_files_are_not_unpacked(tmp_path, place, make):
    system = {"._Data": b"x", "Data/._a.txt": b"x", "Data/inner/.DS_Store": b"x"}
    more = {"__MACOSX/Data/._a.txt": b"x", "Data/__MACOSX/a.txt": b"x", "Data/Thumbs.db": b"x"}
    assert unpacked(make(tmp_path / "a", system | GOOD | more), place) == GOOD


@pytest.mark.parametrize("make", [tar, zipped])
def test_names_with_a_colon_on_windows(tmp_path, place, make, monkeypatch):
    """They hold SPair-U's pairs, which a reader restores."""
    monkeypatch.setattr(archive_formats, "local_name", lambda name: name.replace(":", "_"))
    content = unpacked(make(tmp_path / "a", GOOD), place)
    assert set(content) == {name.replace(":", "_") for name in GOOD}


def test_progress_ends_at_the_number_of_files(tmp_path, place):
    reports = []
    unpack(tar(tmp_path / "a", GOOD), place / "Data", lambda *r: reports.append(r))
    assert reports == [(1, 3), (2, 3), (3, 3)]


def test_leftovers_of_a_killed_run_are_no_obstacle(tmp_path, place):
    (place / ".Data.unpacking" / "Data").mkdir(parents=True)
    (place / ".Data.unpacking" / "Data" / "stale").touch()
    assert unpacked(tar(tmp_path / "a", GOOD), place) == GOOD


# --- what is no good, in good company, first or last ---


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("make", [tar, zipped])
def test_a_name_that_leads_out(tmp_path, place, make, name):
    for entries in (GOOD | {name: b"bad"}, {name: b"bad"} | GOOD):
        refused(make(tmp_path / "a", entries), place, "archive is unsafe")
    assert not (place.parent / "out").exists()


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "a.txt"),
        (tarfile.LNKTYPE, "../../secret"),
        (tarfile.LNKTYPE, "Data/a.txt"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_a_link_or_device(tmp_path, place, kind, to):
    archive = tar(tmp_path / "a", GOOD | {"Data/x": (kind, to), "Data/x/y": b"through it"})
    said = refused(archive, place, "is a link|is a device")
    assert "Data/x" in str(said)
    assert said.place == archive


def test_a_link_in_a_zip(tmp_path, place):
    link = zipfile.ZipInfo("Data/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = zipped(tmp_path / "a", GOOD)
    with zipfile.ZipFile(archive, "a") as made:
        made.writestr(link, "/etc")
    refused(archive, place, "is a link")


def test_a_size_beyond_reason(tmp_path, place, monkeypatch):
    monkeypatch.setattr(unpacking, "_FREE_EXPANSION", 0)
    for make in (tar, zipped):
        archive = make(tmp_path / "a", {"Data/zeros": bytes(10_000_000)})
        assert archive.stat().st_size < 50_000
        refused(archive, place, "archive is unsafe: it unpacks to more")


def test_members_beyond_number(tmp_path, place, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 2)
    refused(tar(tmp_path / "a", GOOD), place, "archive is unsafe")


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.02])
def test_a_truncated_archive(tmp_path, place, make, share):
    whole = make(tmp_path / "a", GOOD).read_bytes()
    (tmp_path / "a").write_bytes(whole[: int(len(whole) * share)])
    assert refused(tmp_path / "a", place, "not a complete").place == tmp_path / "a"


@pytest.mark.parametrize("at", [0.4, -6])
def test_a_changed_byte(tmp_path, place, at):
    """In the middle, and in the checksum that comes after the last file."""
    content = bytearray(tar(tmp_path / "a", GOOD).read_bytes())
    content[int(at * len(content)) if at > 0 else at] ^= 0xFF
    (tmp_path / "a").write_bytes(content)
    refused(tmp_path / "a", place, "not a complete")


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><p>Sorry.", bytes(2000)])
def test_no_archive(tmp_path, place, content):
    (tmp_path / "a").write_bytes(content)
    refused(tmp_path / "a", place, "not a complete|not Data")


def test_another_archive(tmp_path, place):
    refused(tar(tmp_path / "a", {"Other/a": b"1"}), place, "contains Other, not Data")
    refused(tar(tmp_path / "a", {"Data": b"a file"}), place, "not a folder")


def test_a_content_that_is_refused(tmp_path, place):
    def check(root):
        assert (root / "Data" / "a.txt").exists()
        raise KapbenchError("not what was asked for", fix="ask again")

    refused(tar(tmp_path / "a", GOOD), place, "not what was asked for", check=check)


def test_a_full_disk(tmp_path, place, monkeypatch):
    from types import SimpleNamespace

    with monkeypatch.context() as patched:
        patched.setattr(unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
        refused(tar(tmp_path / "a", GOOD), place, "disk is full")

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(tarfile.TarFile, "extract", fail)
    refused(tar(tmp_path / "a", GOOD), place, "No space left")


def test_stopping_by_hand_leaves_nothing(tmp_path, place):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(tar(tmp_path / "a", GOOD), place / "Data", stop)
    assert list(place.iterdir()) == []
