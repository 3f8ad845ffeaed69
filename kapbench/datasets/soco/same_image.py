"""What many pair files of SOCO say of one image, compared: each file holds its images anew."""

from collections.abc import Sequence

from kapbench.datasets import reading
from kapbench.datasets.soco.pair_file import AnnotatedImage, PairFile


def count_partial(pairs: Sequence[PairFile]) -> int:
    """Images of which one pair file shows other keypoints than another, at the same places.

    Raises:
        KapbenchError: two files disagree on an image's size or box, or on where a keypoint is.
    """
    first: dict[str, tuple[AnnotatedImage, PairFile]] = {}
    partial: set[str] = set()
    compared: set[int] = set()
    for pair in pairs:
        for image in (pair.source, pair.target):
            if id(image) in compared:  # equal images of many files are one object
                continue
            compared.add(id(image))
            before, of_pair = first.setdefault(image.image_id, (image, pair))
            if before is not image:
                partial.add(image.image_id)
                if (difference := _describe_difference(before, image)) is not None:
                    raise reading.wrong_file(
                        f"{difference} of image {image.image_id} here, and another in "
                        f"{of_pair.path}",
                        pair.path,
                    )
    return len(partial)


def _describe_difference(before: AnnotatedImage, image: AnnotatedImage) -> str | None:
    """What the file has of the image that an earlier one has not; None: no more than other names."""
    if before.file_name != image.file_name:
        return f"The file is {image.file_name}"
    if before.size != image.size:
        return f"The size is {list(image.size)}"
    if before.box != image.box:
        return f"The box is {list(image.box)}"
    places = dict(zip(before.names, before.points, strict=True))
    for name, point in zip(image.names, image.points, strict=True):
        if places.get(name, point) != point:
            return f"Keypoint '{name}' is at {list(point)}"
    return None
