"""Finds names of keypoints that occur in one image only, as a typing error does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kapbench.datasets.converting.convert_objects import Choices, ConvertedObject
from kapbench.datasets.converting.report import Report
from kapbench.errors import KapbenchError, agreeing, counted, name_first, nearest

_FEWEST_IMAGES = 3  # of a category; in two, each image that lacks a keypoint makes its name rare


def check_rare_names(
    converted: Sequence[ConvertedObject], choices: Choices, report: Report
) -> None:
    """Notes the names that occur in one image of a category only, beside the nearest other name.

    Raises:
        KapbenchError: such a name, where unlabelled keypoints count as absent; a wrong name would
            make an absent keypoint in every other image.
    """
    rare = list(_list_rare_names(converted))
    if not rare:
        return
    n = len(rare)
    message = f"{counted(n, 'keypoint name')} {agreeing('occurs', n)} in one image only"
    if choices.unlabelled == "absent" and not choices.accept_rare_names:
        raise KapbenchError(
            f"{message}, and would count as absent in the others with --unlabelled absent",
            place=name_first(rare),
            fix="Correct the name in the tool, or add --accept-rare-names if it is right",
        )
    report.notes.append(f"{message}: {name_first(rare)}.")


def _list_rare_names(converted: Sequence[ConvertedObject]) -> Iterator[str]:
    """Each with its image, and with the nearest name that no object with the rare one has.

    A name in the tool's own list of keypoints was not typed by hand, and is left out.
    """
    for category in dict.fromkeys(item.category for item in converted):
        items = [item for item in converted if item.category == category]
        if len({item.located.file for item in items}) < _FEWEST_IMAGES:
            continue
        files: dict[str, set[Path]] = {}
        for item in items:
            for name in item.points.keys() - set(item.located.annotated.order):
                files.setdefault(name, set()).add(item.located.file)
        for name in sorted(name for name in files if len(files[name]) == 1):
            holders = [item for item in items if name in item.points]
            others = [
                other
                for other in sorted(files)
                if len(files[other]) > 1 and not any(other in item.points for item in holders)
            ]
            near = nearest(name, others)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield f"{name} in {holders[0].located.file.name}{hint}"
