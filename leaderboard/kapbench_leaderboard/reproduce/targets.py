"""What a name means to `kapbench reproduce`: a published row, or an entry of the board."""

from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError, counted, nearest, unknown
from kapbench_leaderboard.entries.schema import Entry, find_entries, load_entry
from kapbench_leaderboard.published.disagreements import explanation
from kapbench_leaderboard.published.load import Repeatable, find_row, repeatable
from kapbench_leaderboard.published.schema import Quoted

RESULTS = Path("leaderboard/results")


@dataclass(frozen=True, slots=True)
class EntryTarget:
    """An accepted result: `name` is its data set and model."""

    path: Path
    entry: Entry

    @property
    def name(self) -> str:
        return "/".join(self.path.resolve().parts[-3:-1])


Target = Repeatable | EntryTarget


def find_target(name: str, quoted: Quoted, results: Path) -> Target:
    """
    Args:
        name: A published row; DATASET/MODEL below the folder of results; or the path of an entry or
            of the folder of one.

    Raises:
        KapbenchError: nothing has the name; no command repeats the row; or the folder holds no entry,
            or several.
    """
    rows = [f"{table.name}.{row.name}" for table, row in quoted.rows()]
    if name in rows:
        return find_row(quoted, name)
    for place in (Path(name), results / name):
        if place.exists() and (place.is_dir() or place.suffix == ".json"):
            return _entry_in(place)
    if "/" in name:
        if not results.is_dir():
            raise KapbenchError(
                f"The folder of the board's entries, which '{name}' may be one of, does not exist",
                place=results,
                fix="Give the folder leaderboard/results of a clone: --results FOLDER",
            )
        known = [entry_name(path) for path in find_entries(results)]
        raise unknown("entry", name, known, place=results)
    repeated = [
        f"{table.name}.{row.name}"
        for table, row in quoted.rows()
        if repeatable(quoted, table, row) is not None
    ]
    if nearest(name, repeated):
        raise unknown("published number", name, repeated)
    raise KapbenchError(
        f"No published number and no entry is called '{name}'",
        fix="Choose one that `kapbench reproduce --list` shows",
    )


def known_disagreement(target: Target, quoted: Quoted) -> tuple[str, ...]:
    """What the page of published numbers says of a row that its sources contradict."""
    if isinstance(target, EntryTarget):
        return ()
    text = explanation(quoted, target.table, target.row)
    return (f"Published numbers of {target.row.method} on this data set disagree. {text}",) * bool(
        text
    )


def entry_name(path: Path) -> str:
    """DATASET/MODEL of an entry."""
    return "/".join(path.parts[-3:-1])


def _entry_in(place: Path) -> EntryTarget:
    paths = [place] if place.is_file() else find_entries(place)
    if not paths:
        raise KapbenchError(
            "This folder holds no entry", place=place, fix="Give DATASET/MODEL, or an entry's .json"
        )
    if len(paths) > 1:
        raise KapbenchError(
            f"This folder holds {counted(len(paths), 'entry')}, and one is needed",
            place=place,
            fix=f"Give the .json of one, e.g. {paths[0]}",
        )
    return EntryTarget(paths[0], load_entry(paths[0]))
