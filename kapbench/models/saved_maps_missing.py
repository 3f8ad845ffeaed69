"""Says which saved maps are missing, what lies in their place, and how to make them of it."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kapbench.errors import KapbenchError, counted, documentation
from kapbench.models.saved_maps_folder import SETTINGS
from kapbench.paths import list_files

ENDING = ".safetensors"
NAMED = 3  # missing images or pairs that an error names
PAGE = "saved-features.md#files-of-another-format"
# Formats that `kapbench convert features` reads. They are not opened here: some can hold code.
CONVERTED = (".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5")


def describe_missing(absent: Sequence[Path], directory: Path, how_many: str) -> KapbenchError:
    """The error for missing files: how many, the first of them, and what the folder holds.

    Args:
        absent: Files that should exist.
        how_many: In words, e.g. "3 of 5 images".
    """
    names = [p.relative_to(directory).as_posix().removesuffix(ENDING) for p in absent[:NAMED]]
    named = ", ".join(names) + (", …" if len(absent) > NAMED else "")
    content = [p for p in list_files(directory, "**/*") if p.is_file() and p.name != SETTINGS]
    substitutes = [p for path in absent[:NAMED] for p in _substitutes(path, content)]
    has_maps = any(path.suffix == ENDING for path in content)
    if has_maps:
        message = f"Saved maps are missing: {how_many} ({named})"
    else:
        message = f"The folder has no saved maps, and needs those of {how_many} ({named})"
    if substitutes or (content and not has_maps):
        message += f". The folder holds {_summarise(content, directory)}"
    fix = f"Save them in {directory}, or choose other categories"
    if substitutes:
        by_ending = {path.suffix: path for path in reversed(substitutes)}
        fix = ". ".join(_fix_for(by_ending[ending], directory) for ending in sorted(by_ending))
    return KapbenchError(message, place=absent[0], fix=fix)


def _substitutes(path: Path, content: Sequence[Path]) -> list[Path]:
    """Files that seem to be meant for `path`: of its name with something added before the ending."""
    added = tuple(f"{path.stem}{mark}" for mark in "._-")
    return [p for p in content if p.name.startswith(added) and p.name != path.name]


def _summarise(content: Sequence[Path], directory: Path) -> str:
    """Files by their ending: one by its name, several by their number and the first one's name."""
    by_ending = defaultdict[str, list[str]](list)
    for path in content:
        by_ending[path.suffix].append(path.relative_to(directory).as_posix())
    parts = [
        names[0] if len(names) == 1 else f"{counted(len(names), f'{ending} file')} ({names[0]}, …)"
        for ending, names in sorted(by_ending.items(), key=lambda item: -len(item[1]))
    ]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _fix_for(substitute: Path, folder: Path) -> str:
    """How to make the missing files of one that seems to be meant for its place."""
    if substitute.suffix == ENDING:
        return (
            f"Name every file by its image's id alone: IMAGE_ID{ENDING}, in place of "
            f"{substitute.name}"
        )
    if substitute.suffix not in CONVERTED:
        return (
            f"Convert {substitute.name} and the others with kapbench.save_features; saved maps are "
            "opened as safetensors only, because other formats can run code"
        )
    return (
        f"Convert {substitute.name} and the others: kapbench convert features {folder} --dataset "
        f"NAME -o MAPS, then features:MAPS. {documentation(PAGE)} describes it"
    )
