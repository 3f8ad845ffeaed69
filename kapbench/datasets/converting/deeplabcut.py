"""Reads DeepLabCut's CollectedData_SCORER.csv of one folder, or of all in a project.

Header rows: scorer, bodyparts, coords; with several animals individuals after scorer. The image is
one column (a path) or three (labeled-data, folder, file). An empty cell is not labelled. Pixel
centres are whole numbers, so that 0.5 is added. CSV suffices: no library is needed, and the .h5
file beside it holds the same.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kapbench.datasets.converting.annotations import AnnotatedObject, Keypoint, Photograph, as_xy
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.reading import parse_csv, read_bytes
from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.progress import Progress

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
    files = [path]
    if path.is_dir():
        files = list_files(path, f"**/{_NAMES}")
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
    n_index = next((i for i, name in enumerate(headers["coords"]) if i and name), 1)
    columns = _name_columns(headers, n_index)
    for number, fields in lines[n_headers:]:
        here = f"{place}, line {number}"
        if len(fields) != n_index + len(columns):
            report.leave_out(Reason.OTHER_WIDTH, here)
            continue
        image = "/".join(part for part in fields[:n_index] if part)
        cells = dict(zip(columns, fields[n_index:], strict=True))
        objects = list(_read_objects(cells, here, report))
        yield Photograph((image,), file.parent, here, None, objects)


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
        here = f"{place}, {individual}" if individual else place
        keypoints = {}
        for part in parts:
            texts = [cells.get((individual, part, axis), "").strip() for axis in "xy"]
            if texts == ["", ""] or [text.lower() for text in texts] == ["nan", "nan"]:
                continue
            xy = as_xy(*_as_numbers(texts))
            if xy is None:
                report.leave_out(Reason.NOT_A_NUMBER, f"{here}, {part}")
            else:
                keypoints[part] = Keypoint((xy[0] + CENTRE, xy[1] + CENTRE))
        if keypoints:
            category = _SINGLE if individual == _SINGLE and _has_others(cells) else None
            yield AnnotatedObject(keypoints, here, category, order=parts)


def _has_others(cells: dict[Column, str]) -> bool:
    return any(individual != _SINGLE for individual, _, _ in cells)


def _as_numbers(texts: Sequence[str]) -> list[float | None]:
    numbers: list[float | None] = []
    for text in texts:
        try:
            numbers.append(float(text))
        except ValueError:
            numbers.append(None)
    return numbers
