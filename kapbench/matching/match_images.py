"""`kapbench.match`: where points of one image lie in another, by any model, without annotation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.matching.image_pair import ImageLike, MaskLike, read_image
from kapbench.matching.matcher import APART, N_POINTS, PHOTOGRAPHS, open_matcher
from kapbench.matching.matches import Matches
from kapbench.matching.points import checked_points
from kapbench.progress import Progress
from kapbench.protocols import Model


def match(
    model: Model | str,
    source: ImageLike,
    target: ImageLike,
    points: Sequence[Sequence[float]] | np.ndarray | None = None,
    *,
    n_points: int = N_POINTS,
    apart: float = APART,
    category: str | None = None,
    source_mask: MaskLike = None,
    target_mask: MaskLike = None,
    dataset: str | None = PHOTOGRAPHS,
    device: str = "auto",
    cache: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Matches:
    """Matches points of a source image in a target image. Neither needs an annotation.

    Features are kept in the feature cache, so that the next call with the same images is quick.

    Args:
        model: A model, or a name for `load_model`, which gets `options`.
        source: A path, an image of Pillow, or an array of uint8 [h, w, 3].
        target: The same.
        points: x, y of each point in source pixels. None: a regular set on the object, and as many
            of the target matched in the source (`Matches.back`). The object is the mask if there is
            one, else the model's own foreground if it has one, else the whole image.
        n_points: About how many points a regular set has.
        apart: How far the second peak lies from the best match at least, as a share of the target's
            longer side.
        category: What a model that looks at the category is shown.
        source_mask: Where the object is, as a path of an image or an array of bool [h, w]. Models
            that look at a mask are shown it; regular points lie on it.
        target_mask: The same of the target.
        dataset: Whose weights a model takes that is shipped with several: spair for photographs,
            synthetic for rendered images.
        cache: Folder of the feature cache; None: the user cache folder.

    Raises:
        KapbenchError: an image that cannot be read; a point outside the source; a model that needs
            an annotation, or a category or mask that is not given.
    """
    if not 0 <= apart < 1 or n_points < 1:
        raise KapbenchError(
            f"The options are apart={apart:g} and n_points={n_points}",
            fix="Give apart from 0 to less than 1, and n_points of 1 or more",
        )
    images = (
        read_image(source, source_mask, name="source"),
        read_image(target, target_mask, name="target"),
    )
    xy = None if points is None else checked_points(points, images[0].size, images[0].name)
    root = None if cache is None else Path(cache)
    with open_matcher(
        model,
        options=options,
        category=category,
        dataset=dataset,
        device=device,
        cache=root,
        progress=progress,
    ) as matcher:
        return matcher.match(*images, xy, n_points=n_points, apart=apart)
