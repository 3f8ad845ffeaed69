"""DeepLabCut: header of three or four rows, index of one or three columns, empty cells."""

import pytest
from annotation_exports import convert_and_load, names_of, points_of, save_image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.report import Reason
from kapbench.errors import KapbenchError


@pytest.fixture
def folder(tmp_path):
    """The folder of a video in a project, with two frames."""
    folder = tmp_path / "project-me-2026-01-01" / "labeled-data" / "video1"
    for name in ("img001.png", "img052.png"):
        save_image(folder / name)
    return folder


def write(folder, *lines):
    path = folder / "CollectedData_me.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


SINGLE = (
    "scorer,me,me,me,me,me,me",
    "bodyparts,snout,snout,leftear,leftear,rightear,rightear",
    "coords,x,y,x,y,x,y",
)


def test_one_animal_and_an_index_of_one_column(folder):
    export = write(
        folder,
        *SINGLE,
        r"labeled-data\video1\img001.png,10.5,20.25,30,40,,",
        "labeled-data/video1/img052.png,0,0,50,60,70.125,80",
    )
    out = folder.parents[1] / "mice.json"
    dataset, views, report = convert_and_load(
        "deeplabcut", export, out, choices=Choices(category="mouse", mirror_words=("left", "right"))
    )
    # The centre of the first pixel is (0, 0) in the tool and (0.5, 0.5) here.
    assert points_of(views["img001"], out) == {"snout": (11, 20.75), "leftear": (30.5, 40.5)}
    assert points_of(views["img052"], out) == {
        "snout": (0.5, 0.5),
        "leftear": (50.5, 60.5),
        "rightear": (70.625, 80.5),
    }
    assert dataset.categories == ("mouse",)
    assert dataset.pairs()[0].twins.tolist() == [0, 2, 1]
    assert report.counts["not labelled"] == 1
    assert not dataset.has_absent
    assert any("0.5 is added" in note for note in report.notes)
    assert "Mirror pairs: 1 (leftear–rightear)." in report.notes


def test_several_animals_and_an_index_of_three_columns(folder):
    write(
        folder,
        "scorer,,,me,me,me,me,me,me,me,me,me,me",
        "individuals,,,mouse1,mouse1,mouse1,mouse1,mouse2,mouse2,mouse2,mouse2,single,single",
        "bodyparts,,,snout,snout,tail,tail,snout,snout,tail,tail,nest,nest",
        "coords,,,x,y,x,y,x,y,x,y,x,y",
        "labeled-data,video1,img001.png,1,2,3,4,11,12,13,14,50,50",
        "labeled-data,video1,img052.png,,,,,21,22,23,24,,",
    )
    out = folder.parents[1] / "mice.json"
    _, views, report = convert_and_load("deeplabcut", folder.parents[1], out)
    assert points_of(views["img001#1"], out) == {"snout": (1.5, 2.5), "tail": (3.5, 4.5)}
    assert points_of(views["img001#2"], out) == {"snout": (11.5, 12.5), "tail": (13.5, 14.5)}
    assert points_of(views["img052"], out) == {"snout": (21.5, 22.5), "tail": (23.5, 24.5)}
    assert names_of(out, "object") == ["snout", "tail"]
    # One keypoint without a box has no size: the nest
    assert report.left_out == {
        Reason.NO_SIZE: ["labeled-data/video1/CollectedData_me.csv, line 5, single"]
    }


def test_keypoints_at_the_edge_stay(folder):
    export = write(
        folder,
        *SINGLE,
        "labeled-data/video1/img001.png,199.8,50,30,40,,",
        "labeled-data/video1/img052.png,10,100.6,50,60,5,6",
    )
    out = folder / "mice.json"
    _, views, report = convert_and_load("deeplabcut", export, out)
    assert points_of(views["img001"], out) == {"snout": (200, 50.5), "leftear": (30.5, 40.5)}
    assert points_of(views["img052"], out) == {"leftear": (50.5, 60.5), "rightear": (5.5, 6.5)}
    name = export.name
    assert report.left_out == {Reason.OUTSIDE: [f"{name}, line 5, snout"]}
    moved = "Keypoints up to 1 px outside their image, which are moved to its edge: 1 ("
    assert f"{moved}{name}, line 4, snout)." in report.notes


def test_copies_of_a_table_are_not_read(folder):
    def rows(x):
        return [f"labeled-data/video1/{n}.png,{x},2,3,4,5,6" for n in ("img001", "img052")]

    project, out = folder.parents[1], folder.parents[1] / "mice.json"
    write(folder, *SINGLE, *rows(50))
    for copy in (folder / ".ipynb_checkpoints", project / "training-datasets" / "iteration-0"):
        copy.mkdir(parents=True)
        write(copy, *SINGLE, *rows(90))
    for export in (project, project / "labeled-data", folder):
        _, views, report = convert_and_load("deeplabcut", export, out)
        assert points_of(views["img001"], out)["snout"] == (50.5, 2.5)
        assert report.left_out == {}
        note = (
            "Files outside labeled-data, which are not read: 1 "
            "(training-datasets/iteration-0/CollectedData_me.csv)."
        )
        assert (note in report.notes) == (export == project)


def test_a_ragged_header_is_refused_with_its_line(folder):
    scorer, parts, coords = SINGLE
    export = write(folder, scorer, parts + ",tail", coords, "img001.png,1,2,3,4,5,6")
    with pytest.raises(
        KapbenchError, match=r"line bodyparts has 8 cells, and .* coords has 7"
    ) as e:
        convert("deeplabcut", export, folder / "mice.json")
    assert e.value.place == f"{export}, line 2"


def test_bad_cells_are_left_out_with_their_line(folder):
    write(
        folder,
        *SINGLE,
        "labeled-data/video1/img001.png,1,2,3,4,5,",
        "labeled-data/video1/img052.png,1,2,3,oops,5,6",
        "labeled-data/video1/img099.png,1,2,3,4,5,6",
        "labeled-data/video1/img052.png,9,9,3,4,5,6",
        "labeled-data/video1/img052.png,1,2",
    )
    out = folder.parents[1] / "mice.json"
    _, views, report = convert_and_load("deeplabcut", folder, out)
    assert points_of(views["img052"], out) == {"snout": (1.5, 2.5), "rightear": (5.5, 6.5)}
    name = "CollectedData_me.csv, line"
    assert report.left_out == {
        Reason.NOT_A_NUMBER: [f"{name} 4, rightear", f"{name} 5, leftear"],
        Reason.OTHER_WIDTH: [f"{name} 8"],
        Reason.NO_IMAGE: [f"{name} 6: labeled-data/video1/img099.png"],
        Reason.IMAGE_TWICE: [f"{name} 7: labeled-data/video1/img052.png"],
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b,c", "1,2,3"], "first lines are not"),
        (
            ["scorer,D,D,D", "bodyparts,nose,nose,nose", "coords,x,y,likelihood", "0,1,2,0.9"],
            "predictions",
        ),
    ],
)
def test_another_table_is_refused(folder, lines, message):
    export = write(folder, *lines)
    with pytest.raises(KapbenchError, match=message):
        convert("deeplabcut", export, folder / "mice.json")


def test_hdf5_and_an_empty_folder_are_refused(folder):
    (folder / "CollectedData_me.h5").touch()
    with pytest.raises(KapbenchError, match="HDF5"):
        convert("deeplabcut", folder / "CollectedData_me.h5", folder / "mice.json")
    with pytest.raises(KapbenchError, match="no file CollectedData"):
        convert("deeplabcut", folder, folder / "mice.json")
