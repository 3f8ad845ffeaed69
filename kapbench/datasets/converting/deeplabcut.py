"""Reads DeepLabCut's CollectedData_SCORER.csv of one folder, or of all in a project.

Header rows: scorer, bodyparts, coords; with several animals individuals after scorer. The image is
one column (a path) or three (labeled-data, folder, file). An empty cell is not labelled. Pixel
centres are whole numbers, so that 0.5 is added. CSV suffices: no library is needed, and the .h5
file beside it holds the same.
"""

from collections.abc import Iterator
from pathlib import Path

from kapbench.datasets.converting.annotations import (
    AnnotatedObject,
    Keypoint,
    Photograph,
    as_number,
    as_xy,
)
from kapbench.datasets.converting.image_files import list_exports
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.reading import wrong_line
from kapbench.errors import KapbenchError, counted, name_first
from kapbench.progress import Progress
from kapbench.untrusted.strict_text import parse_csv, read_bytes

_FIX = "Name CollectedData_SCORER.csv, or a folder that holds such files"
_NAMES = "CollectedData_*.csv"
_HEADERS = ("scorer", "individuals", "bodyparts", "coords")
_SINGLE = "single"  # the individual of the body parts that no animal shares
CENTRE = 0.5  # from the centre of the first pixel to its corner
NOTE = (
    "The tool counts pixels from the centre of the first one, kapbench from its corner: 0.5 is "
    "added to each coordinate."
)
Column = tuple[str, str, str]  # individual, body part, x or y


def read_deeplabcut(path: Path, report: Report, progress: Progress) -> list[Photograph]:
    """KapbenchError where there is no such file, or its header is another."""
    files = _list_tables(path, report) if path.is_dir() else [path]
    if not files:
        raise KapbenchError(f"There is no file {_NAMES}", place=path, fix=_FIX)
    if path.suffix.lower() in (".h5", ".hdf", ".hdf5"):
        raise KapbenchError("The file is HDF5", place=path, fix="Name the .csv file beside it")
    photographs: list[Photograph] = []
    with progress.stage("files", len(files)) as advance:
        for file in files:
            place = file.name if file == path else file.relative_to(path).as_posix()
            photographs += _read_table(file, place, report)
            advance(1)
    report.notes.append(NOTE)
    return photographs


def _list_tables(folder: Path, report: Report) -> list[Path]:
    """The tables in folders of `labeled-data`; all tables where the folder has none of these.

    A project also has copies of them, which may be older, in `training-datasets`.
    """
    files = list_exports(folder, _NAMES)
    labels = [file for file in files if file.parent.parent.name == "labeled-data"] or files
    others = [file.relative_to(folder).as_posix() for file in files if file not in labels]
    if others:
        report.notes.append(
            f"Files outside labeled-data, which are not read: {len(others):,} "
            f"({name_first(others)})."
        )
    return labels


def _read_table(file: Path, place: str, report: Report) -> Iterator[Photograph]:
    lines = [(n, f) for n, f in parse_csv(read_bytes(file, _FIX), file, _FIX) if any(f)]
    n_headers = sum(fields[0] in _HEADERS for _, fields in lines[: len(_HEADERS)])
    headers = {fields[0]: fields for _, fields in lines[:n_headers]}
    if not {"bodyparts", "coords"} <= headers.keys():
        raise KapbenchError(
            "The first lines are not scorer, bodyparts, coords", place=file, fix=_FIX
        )
    if "likelihood" in headers["coords"]:
        raise KapbenchError("The file holds predictions, not labels", place=file, fix=_FIX)
    _check_widths(lines[:n_headers], len(headers["coords"]), file)
    n_index = next((i for i, name in enumerate(headers["coords"]) if i and name), 1)
    columns = _name_columns(headers, n_index)
    for number, fields in lines[n_headers:]:
        line = f"{place}, line {number}"
        if len(fields) != n_index + len(columns):
            report.leave_out(Reason.OTHER_WIDTH, line)
            continue
        image = "/".join(part for part in fields[:n_index] if part)
        cells = dict(zip(columns, fields[n_index:], strict=True))
        objects = list(_read_objects(cells, line, report))
        yield Photograph((image,), file.parent, line, None, objects)


def _check_widths(headers: list[tuple[int, list[str]]], n_cells: int, file: Path) -> None:
    """KapbenchError where a line of the header is longer or shorter than the line coords."""
    for number, fields in headers:
        if fields[0] != "scorer" and len(fields) != n_cells:
            message = (
                f"The line {fields[0]} has {counted(len(fields), 'cell')}, and the line coords "
                f"has {n_cells:,}"
            )
            raise wrong_line(message, f"{file}, line {number}")


def _name_columns(headers: dict[str, list[str]], n_index: int) -> list[Column]:
    parts, coords = headers["bodyparts"][n_index:], headers["coords"][n_index:]
    individuals = headers.get("individuals", [""] * (n_index + len(parts)))[n_index:]
    return list(zip(individuals, parts, coords, strict=True))


def _read_objects(
    cells: dict[Column, str], place: str, report: Report
) -> Iterator[AnnotatedObject]:
    """The individuals with a labelled body part; all of "single" are one more object."""
    for individual in dict.fromkeys(column[0] for column in cells):
        parts = tuple(dict.fromkeys(part for who, part, _ in cells if who == individual))
        animal = f"{place}, {individual}" if individual else place
        keypoints = {}
        for part in parts:
            texts = [cells.get((individual, part, axis), "").strip() for axis in "xy"]
            if texts == ["", ""] or [text.lower() for text in texts] == ["nan", "nan"]:
                continue
            xy = as_xy(*map(as_number, texts))
            if xy is None:
                report.leave_out(Reason.NOT_A_NUMBER, f"{animal}, {part}")
            else:
                keypoints[part] = Keypoint((xy[0] + CENTRE, xy[1] + CENTRE))
        if keypoints:
            category = _SINGLE if individual == _SINGLE and _has_others(cells) else None
            yield AnnotatedObject(keypoints, animal, category, order=parts)


def _has_others(cells: dict[Column, str]) -> bool:
    return any(individual != _SINGLE for individual, _, _ in cells)
