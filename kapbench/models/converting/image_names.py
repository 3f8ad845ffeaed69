"""Which image of a data set each stored array belongs to, or the error that lists what is unclear."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kapbench.errors import KapbenchError, agreeing, counted, name_first
from kapbench.models.converting.file_names import Matched, common_suffix, match_names
from kapbench.protocols import Dataset

BY_ID = "Name each file by its image's id, CATEGORY/NAME"


def match_images(
    names: Sequence[str],
    dataset: Dataset,
    categories: Sequence[str] | None,
    *,
    suffix: str,
    allow_missing: bool,
    source: Path,
) -> Matched:
    """Names of the arrays by image.

    Args:
        categories: Whose images are needed; None: of all.
        suffix: What stands behind the id in every name.
        allow_missing: Whether some images may be without an array.
        source: Where the arrays lie, for errors.

    Raises:
        KapbenchError: a name may mean several images, or several names one image; images are missing.
    """
    views = {view.image_id: view for view in dataset.views(categories)}

    def are_one_image(image_ids: Sequence[str]) -> bool:
        first, *others = (dataset.pixels(views[image_id]) for image_id in image_ids)
        return all(np.array_equal(first, other) for other in others)

    matched = match_names(names, list(views), suffix=suffix, are_one_image=are_one_image)
    if matched.ambiguous:
        listed = [f"{name}: {' or '.join(of)}" for name, of in matched.ambiguous.items()]
        raise KapbenchError(
            f"{counted(len(listed), 'name')} may mean several: {name_first(listed)}",
            place=source,
            fix=BY_ID,
        )
    if not matched.name_of or (matched.missing and not allow_missing):
        raise _missing(matched, len(views), source)
    return matched


def _missing(matched: Matched, n_images: int, source: Path) -> KapbenchError:
    n_missing, n_unused = len(matched.missing), len(matched.unused)
    message = f"{n_missing:,} of {counted(n_images, 'image')} {agreeing('has', n_missing)} no "
    message += f"features: {name_first(matched.missing)}"
    if matched.unused:
        message += f". {counted(n_unused, 'name')} {agreeing('belongs', n_unused)} to no image: "
        message += name_first(matched.unused)
    return KapbenchError(message, place=source, fix=_fix(matched))


def _fix(matched: Matched) -> str:
    suffix = common_suffix(matched.unused, matched.missing)
    if suffix in ("_sd", "_dino"):
        return (
            "Add --layout sd-dino where GeoAware-SC's preprocess_map.py wrote them, otherwise "
            f"--suffix {suffix}"
        )
    if suffix is not None:
        return f"Add --suffix={suffix}, where it stands behind every image's name"
    return f"{BY_ID}, choose a --category, or add --allow-missing" if matched.name_of else BY_ID
