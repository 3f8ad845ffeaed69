"""On which images a rule's published numbers were made, where a model was shown others."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from kapbench.scoring.decodes import PublishedInput
from kapbench.scoring.rules import PckRule, Rule

_DECLARED = {"padding", "image_px"}
_DEFAULT = "centre-black"  # the padding of models that declare none
_WORDS = {
    "centre-black": "letterboxed, centred on black",
    "centre-white": "padded with white on all sides to a square, then resized",
    "corner-white": "padded with white at the right and bottom to a square, then resized",
    "stretch": "stretched, each side on its own,",
}


@runtime_checkable
class ShownModel(Protocol):
    """What is read of a model or of its part of a run card."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


def remarks_on_inputs(rules: Sequence[Rule], model: ShownModel) -> tuple[str, ...]:
    """Sentences on rules whose published images, or source features, are not those of the model.

    A model says by its options `padding` and `image_px` what it was shown; of a model that declares
    neither and gives maps alone, nothing is said of images. None on controls that read the answer.
    """
    if model.kind == "oracle":
        return ()
    other_images: dict[PublishedInput, list[str]] = {}
    own_maps = []
    has_images = model.kind == "encoder" or not _DECLARED.isdisjoint(model.options)
    for rule in rules:
        if not isinstance(rule, PckRule):
            continue
        if rule.input is not None and has_images and not _is_shown(rule.input, model.options):
            other_images.setdefault(rule.input, []).append(rule.name)
        if rule.decode.source == "interpolated" and model.kind != "encoder":
            own_maps.append(rule.name)
    remarks = [_on_images(names, i, model.name, model.options) for i, names in other_images.items()]
    if own_maps:
        remarks.append(
            f"Source features are interpolated at the keypoint by {_names(own_maps)}, but the model "
            "gives maps alone, which are read as they are"
        )
    return tuple(remarks)


def _is_shown(published: PublishedInput, options: Mapping[str, Any]) -> bool:
    side = options.get("image_px")
    return (
        options.get("padding", _DEFAULT) == published.padding
        and isinstance(side, int)
        and abs(side - published.image_px) <= published.within_px
    )


def _on_images(
    names: list[str], published: PublishedInput, name: str, options: Mapping[str, Any]
) -> str:
    about = "about " if published.within_px else ""
    declared = [f"{k}={options[k]}" for k in sorted(_DECLARED) if k in options]
    own = f"the model declares {' and '.join(declared)}"
    if not declared:
        own = f"{name} has no such options"
    return (
        f"The published numbers of {_names(names)} are of images {_WORDS[published.padding]} to "
        f"{about}{published.image_px} px (padding={published.padding}, "
        f"image_px={published.image_px}); {own} and is scored on its own images"
    )


def _names(rules: list[str]) -> str:
    *first, last = rules
    return f"{', '.join(first)} and {last}" if first else last
