"""SLEAP: image lists, embedded images, videos, visibility, predictions; and without sleap-io."""

import builtins
import json

import numpy as np
import pytest
from annotation_exports import convert_and_load, names_of, points_of, save_image
from PIL import Image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.report import Reason
from kapbench.errors import KapbenchError

NAMES = ["head", "left_wing", "right_wing", "abdomen"]


def test_without_the_library_the_error_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_sleap_io(name, *rest, **more):
        if name == "sleap_io":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_sleap_io)
    with pytest.raises(KapbenchError, match="sleap-io, which is not installed") as error:
        convert("sleap", tmp_path / "labels.slp", tmp_path / "mine.json")
    assert "pip install 'kapbench[convert]'" in str(error.value.fix)


@pytest.fixture(scope="module")
def sio():
    return pytest.importorskip("sleap_io", reason="the extra convert (sleap-io) is not installed")


@pytest.fixture
def make(sio, tmp_path):
    """Saves two labelled frames of a video; the second has a hidden and an unset keypoint."""

    def save(video, name, **options):
        skeleton = sio.Skeleton(list(NAMES), edges=[("head", "abdomen")], name="fly")
        first = np.array([[10.0, 20.0], [0.0, 0.0], [30.5, 40.25], [50.0, 60.0]])
        second = np.array([[11.0, 21.0], [5.0, 5.0], [np.nan, np.nan], [51.0, 61.0]])
        hidden = sio.Instance.from_numpy(second, skeleton=skeleton)
        hidden.points["visible"][1] = False
        guess = sio.PredictedInstance.from_numpy(second, skeleton=skeleton, score=0.5)
        frames = [
            sio.LabeledFrame(
                video=video,
                frame_idx=0,
                instances=[sio.Instance.from_numpy(first, skeleton=skeleton)],
            ),
            sio.LabeledFrame(video=video, frame_idx=2, instances=[hidden, guess]),
        ]
        path = tmp_path / name
        sio.save_slp(sio.Labels(frames, videos=[video], skeletons=[skeleton]), str(path), **options)
        return path

    return save


def check_points(views, out, first, second):
    assert points_of(views[first], out) == {
        "head": (10.5, 20.5),
        "left_wing": (0.5, 0.5),
        "right_wing": (31, 40.75),
        "abdomen": (50.5, 60.5),
    }
    assert points_of(views[second], out) == {"head": (11.5, 21.5), "abdomen": (51.5, 61.5)}


def test_a_list_of_images(sio, make, tmp_path):
    files = [str(save_image(tmp_path / "frames" / f"{i}.png")) for i in range(3)]
    export = make(sio.Video(filename=files), "labels.slp")
    out = tmp_path / "out" / "mine.json"
    dataset, views, report = convert_and_load("sleap", export, out)
    check_points(views, out, "0", "2")
    assert names_of(out, "fly") == NAMES
    content = json.loads(out.read_text())
    assert [image["path"] for image in content["images"]] == ["../frames/0.png", "../frames/2.png"]
    assert content["images"][1]["keypoints"]["left_wing"] is None  # marked as not visible
    assert "right_wing" not in content["images"][1]["keypoints"]  # has no position
    assert (report.counts["not visible"], report.counts["not labelled"]) == (1, 1)
    assert not dataset.has_absent
    assert "Predicted instances, which are not converted: 1." in report.notes
    assert not (tmp_path / "out" / "mine-frames").exists()


def test_images_inside_the_file_are_written_beside_the_manifest(sio, make, tmp_path):
    files = [str(save_image(tmp_path / "frames" / f"{i}.png")) for i in range(3)]
    export = make(sio.load_video(files), "labels.pkg.slp", embed=True)
    for file in files[1:]:
        (tmp_path / "frames" / file).unlink()
    out = tmp_path / "mine.json"
    _, views, _ = convert_and_load("sleap", export, out)
    check_points(views, out, "video0-frame000000", "video0-frame000002")
    with Image.open(tmp_path / "mine-frames" / "video0-frame000000.png") as written:
        assert np.array_equal(np.asarray(written), np.asarray(Image.open(files[0])))


def test_frames_of_a_video_are_written_beside_the_manifest(sio, make, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 96, 192, 3), np.uint8)
    video = tmp_path / "films" / "v.mp4"
    video.parent.mkdir()
    sio.save_video(pixels, str(video))
    export = make(sio.load_video(str(video)), "labels.slp")
    moved = tmp_path / "elsewhere" / "v.mp4"
    moved.parent.mkdir()
    video.rename(moved)
    out = tmp_path / "mine.json"
    _, views, report = convert_and_load("sleap", export, out, images=moved.parent)
    check_points(views, out, "video0-frame000000", "video0-frame000002")
    assert views["video0-frame000000"].size == (192, 96)
    assert any("Images found by the end of their path alone: 2" in note for note in report.notes)

    moved.unlink()
    with pytest.raises(KapbenchError, match="No object of the export can be converted") as error:
        convert("sleap", export, tmp_path / "again.json")
    assert Reason.NO_IMAGE.text in str(error.value.place)


def test_a_file_that_is_not_slp(sio, tmp_path):
    (tmp_path / "labels.slp").write_bytes(b"no HDF5")
    with pytest.raises(KapbenchError, match="cannot be read"):
        convert("sleap", tmp_path / "labels.slp", tmp_path / "mine.json")
