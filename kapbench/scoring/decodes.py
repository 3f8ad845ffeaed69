"""What a rule says of maps: how one becomes a predicted point, and which cells lie in a circle."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    model_serializer,
    model_validator,
)

# Names of rules and keys are also parts of folders' and columns' names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Padding = Literal["centre-black", "centre-white", "corner-white", "stretch"]
FramePlace = Literal["letterbox", "corner-square", "centre-square", "stretched"]
# Fields that were added after rules had been published: at their defaults they are no part of a
# rule's text, and so of no hash.
_LATER = ("frame", "whole_cells", "keypoints", "source", "outside", "kernel")


class FrozenChoices(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Decode(FrozenChoices):
    """How a similarity map becomes a predicted point, and where keypoints are taken to lie.

    `offset`: "half-cell-minus-half" stride·i + stride/2 − 0.5, "floor-half-cell" stride·i +
    stride//2, both in a frame of `frame_px`; "half-overlap-minus-half" 4·i + 3.5 in such a
    frame, of patches of 8 px that overlap by half, and defined for no other cells; "corner": the
    cell's top-left corner; "aligned": i·side/(n − 1), so that the outermost of n cells lie on the
    borders; "centre": the cell's centre in original pixels; "pixel": argmax over the pixels of
    bilinearly upsampled features.
    `frame`: how the frame of `frame_px` lies on the image: a centred letterbox with its published
    rounding, a square that the image is padded to at its right and bottom ("corner-square") or on
    all sides ("centre-square"), or the image stretched to a square.
    `whole_cells`: the frame's side is the multiple of the number of cells nearest to `frame_px`.
    `keypoints`: "truncated" to whole pixels of the original image, and again to those of the frame.
    `source`: the map is that of the "cell" that holds the keypoint; or, where the model gives
    features, of the features "interpolated" at the keypoint, the corner cells at the corners. Unit
    vectors are interpolated, and what comes of that is not scaled to unit length again.
    `temperature`: of a soft-argmax, over all cells if neither `window` nor `kernel` is given; None
    decodes the argmax itself.
    `window`: radius in cells of the soft-argmax around the argmax.
    `outside`: cells beyond the window count as of similarity "zero", or are "excluded".
    `kernel`: standard deviation in cells of a Gaussian around the argmax that similarities are
    multiplied by before the softmax.
    """

    key: Name
    offset: Literal[
        "half-cell-minus-half",
        "floor-half-cell",
        "half-overlap-minus-half",
        "corner",
        "aligned",
        "centre",
        "pixel",
    ]
    frame_px: PositiveInt | None
    window: PositiveInt | None = None
    temperature: PositiveFloat | None = None
    frame: FramePlace = "letterbox"
    whole_cells: StrictBool = False
    keypoints: Literal["exact", "truncated"] = "exact"
    source: Literal["cell", "interpolated"] = "cell"
    outside: Literal["zero", "excluded"] = "zero"
    kernel: PositiveFloat | None = None

    @property
    def is_soft(self) -> bool:
        return self.temperature is not None

    @model_validator(mode="after")
    def _frame_is_whole(self) -> "Decode":
        if (self.frame_px is None) != (self.offset in ("centre", "pixel")):
            raise ValueError(
                "frame_px is needed by the offsets measured in a frame, and only by them"
            )
        if self.frame_px is None and self.frame != "letterbox":
            raise ValueError("an offset that is not measured in a frame has none")
        if self.frame != "corner-square" and (self.whole_cells or self.keypoints != "exact"):
            raise ValueError("whole_cells and truncated keypoints need the frame corner-square")
        if self.offset == "pixel" and self.source != "cell":
            raise ValueError("the offset pixel has its own source features")
        return self

    @model_validator(mode="after")
    def _soft_argmax_is_whole(self) -> "Decode":
        if not self.is_soft and (self.window is not None or self.kernel is not None):
            raise ValueError("a soft-argmax needs a temperature")
        if self.window is not None and self.kernel is not None:
            raise ValueError("a soft-argmax has a window or a kernel, not both")
        if self.window is None and self.outside != "zero":
            raise ValueError("outside is a choice of a window")
        return self

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: Callable[["Decode"], Any]) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in dump(self).items()
            if name not in _LATER or value != fields[name].default
        }


class PublishedInput(FrozenChoices):
    """The images on which a rule's published numbers were made, in the words of encoders' options.

    `padding`: what makes the image a square of `image_px`, to within `within_px`: published code
    takes the nearest multiple of a model's patch.
    """

    padding: Padding
    image_px: PositiveInt
    within_px: NonNegativeInt


class Geometry(FrozenChoices):
    """Which cells count as inside the circle around a target keypoint.

    `anchor`: the point of a cell that is measured. `absent_at_corner`: an absent keypoint is
    measured as if it lay at the frame's (0, 0), where the published code puts it.
    """

    key: Name
    anchor: Literal["top-left", "centre"]
    frame_px: PositiveInt | None
    closed: StrictBool
    nearest_inside: StrictBool
    absent_at_corner: StrictBool
