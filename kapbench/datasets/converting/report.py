"""What a conversion leaves out and why, counted; and what it decides."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from kapbench.errors import KapbenchError, counted, name_first


class Reason(Enum):
    """Why an annotation is left out, and what to do about it."""

    NO_ANNOTATIONS = ("The task has no annotations", "Export in the format JSON, not JSON-MIN")
    NOT_A_NUMBER = ("The coordinates are not numbers", "Correct them in the tool, and export again")
    NO_STATED_SIZE = (
        "The export does not state the size of the image that its percentages refer to",
        "Export again with a newer version of the tool",
    )
    NO_LABEL = ("The keypoint has no label, or several", "Give it one label in the tool")
    LABEL_TWICE = (
        "The label occurs twice in one object",
        "Delete one keypoint, or group the keypoints of each object in the tool",
    )
    NO_OBJECT = (
        "The keypoint lies in no box, or in several, and belongs to no group",
        "Group the keypoints of each object in the tool",
    )
    NO_KEYPOINT = ("The object has no labelled keypoint", "Label its keypoints, or delete it")
    NO_SIZE = (
        "The object has no box, and no two keypoints to take one from",
        "Draw a box around it in the tool, and group it with the keypoints",
    )
    BOX_WITHOUT_AREA = ("The box has no area inside the image", "Draw it again in the tool")
    TWO_BOXES = ("The object has two boxes", "Delete one of them in the tool")
    OTHER_SHAPE = ("Only keypoints and boxes are converted", "Delete the shape in the tool")
    MANY_POINTS = (
        "A shape with several points does not name them",
        "Add --points-in-order where each shape of a label has the same points in the same order",
    )
    OTHER_NUMBER = (
        "The shape has another number of points than the first of its label",
        "Give all shapes of a label the same points in the same order",
    )
    OTHER_WIDTH = ("The line has another number of cells than the header", "Correct the line")
    NO_IMAGE = ("The image is not on disk", "Name the folder that holds the images with --images")
    BROKEN_IMAGE = ("The image cannot be read", "Replace the image file")
    IMAGE_TWICE = ("The image occurs twice in the export", "Delete one of the two in the tool")
    OTHER_SIZE = (
        "The export states another size than the image has",
        "Use the images that were annotated",
    )
    TURNED = (
        "The image was rotated in the tool, which does not state where its points then lie",
        "Rotate it back in the tool",
    )
    DOUBTFUL = (
        "A keypoint of the image is left out, and would count as absent",
        "Correct that keypoint, or convert without --unlabelled absent",
    )
    OUTSIDE = (
        "The keypoint lies more than 1 px outside its image",
        "Move it in the tool, or delete it where it cannot be seen",
    )
    OTHER_FILE = ("The file is not of this tool", "Name the folder that holds only its files")
    BAD_FILE = ("The file cannot be read", "Export it again")

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def fix(self) -> str:
        return self.value[1]


_KEYPOINT_IS_UNKNOWN = (
    Reason.NOT_A_NUMBER,
    Reason.NO_STATED_SIZE,
    Reason.NO_LABEL,
    Reason.LABEL_TWICE,
    Reason.NO_OBJECT,
    Reason.MANY_POINTS,
    Reason.OTHER_NUMBER,
    Reason.OUTSIDE,
)


@dataclass
class Report:
    """
    Args:
        export: What is converted, for messages.
        strict: Whether the first annotation that would be left out is an error.
        counts: Numbers of images, objects and keypoints of the manifest, by what they count.
        attributes: What annotators stated of a keypoint beside its place and its label; a manifest
            has no room for it.
        notes: Sentences on what the conversion decided.
    """

    export: Path
    strict: bool = False
    left_out: dict[Reason, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    attributes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, reason: Reason, place: str) -> None:
        """Counts an annotation. KapbenchError where `strict`."""
        if self.strict:
            raise KapbenchError(reason.text, place=f"{self.export}, {place}", fix=reason.fix)
        self.left_out.setdefault(reason, []).append(place)

    def unknown_places(self) -> set[str]:
        """Places of keypoints that are left out, and all that they lie in: files, images, shapes."""
        places: set[str] = set()
        for reason in _KEYPOINT_IS_UNKNOWN:
            for place in self.left_out.get(reason, []):
                parts = place.split(", ")
                places |= {", ".join(parts[:n]) for n in range(1, len(parts) + 1)}
        return places

    def lines(self) -> Iterator[str]:
        """One line for each reason, with the first places, and one for each note."""
        for reason, places in self.left_out.items():
            yield (
                f"Left out: {counted(len(places), 'annotation')} ({name_first(places)}). "
                f"{reason.text}. {reason.fix}."
            )
        if self.attributes:
            yield (
                f"Attributes of keypoints, which are not converted: {len(self.attributes):,} "
                f"({name_first(self.attributes)}). If they state visibility, export it in the "
                "tool's own way: outside and occluded in CVAT, difficult in X-AnyLabeling."
            )
        yield from self.notes
