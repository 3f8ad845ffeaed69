"""On which images a rule's published numbers were made, where a model was shown others."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from kapbench.scoring.decodes import PublishedInput
from kapbench.scoring.rules import PckRule, Rule

OF_IMAGES = ("image_px", "padding")  # options by which a model says what it was shown
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

    @property
    def over(self) -> Sequence[str]: ...


def remarks_on_inputs(rules: Sequence[Rule], model: ShownModel) -> tuple[str, ...]:
    """Sentences on rules whose published images, or source features, are not those of the model.

    A model says by its options `padding` and `image_px` what it was shown, and a fusion by
    `N.padding` and `N.image_px` what each of its parts was; of a model that declares none of these
    and gives maps alone, nothing is said of images. None on controls that read the answer.
    """
    if model.kind == "oracle":
        return ()
    other_images: dict[PublishedInput, list[str]] = {}
    own_maps = []
    parts = _shown(model)
    has_images = model.kind == "encoder" or any(parts)
    for rule in rules:
        if not isinstance(rule, PckRule):
            continue
        if rule.input is not None and has_images and _others(rule.input, parts):
            other_images.setdefault(rule.input, []).append(rule.name)
        if rule.decode.source == "interpolated" and model.kind != "encoder":
            own_maps.append(rule.name)
    remarks = [_on_images(names, i, model.name, parts) for i, names in other_images.items()]
    if own_maps:
        remarks.append(
            f"Source features are interpolated at the keypoint by {_names(own_maps)}, but the model "
            "gives maps alone, which are read as they are"
        )
    return tuple(remarks)


def _shown(model: ShownModel) -> list[dict[str, Any]]:
    """What each part of a fusion declares of its images; of any other model, one item."""
    of_parts = [
        {key: model.options[f"{n}.{key}"] for key in OF_IMAGES if f"{n}.{key}" in model.options}
        for n in range(1, len(model.over) + 1)
    ]
    if any(of_parts):
        return of_parts
    return [{key: model.options[key] for key in OF_IMAGES if key in model.options}]


def _others(published: PublishedInput, parts: Sequence[Mapping[str, Any]]) -> list[int]:
    """Numbers, from 1, of the parts that were shown other images than the published ones."""
    return [n for n, declared in enumerate(parts, 1) if not _is_shown(published, declared)]


def _is_shown(published: PublishedInput, declared: Mapping[str, Any]) -> bool:
    side = declared.get("image_px")
    return (
        declared.get("padding", _DEFAULT) == published.padding
        and isinstance(side, int)
        and abs(side - published.image_px) <= published.within_px
    )


def _on_images(
    names: list[str], published: PublishedInput, name: str, parts: Sequence[Mapping[str, Any]]
) -> str:
    about = "about " if published.within_px else ""
    return (
        f"The published numbers of {_names(names)} are of images {_WORDS[published.padding]} to "
        f"{about}{published.image_px} px (padding={published.padding}, "
        f"image_px={published.image_px}); {_own_images(published, name, parts)}"
    )


def _own_images(published: PublishedInput, name: str, parts: Sequence[Mapping[str, Any]]) -> str:
    if len(parts) == 1:
        whole = "the model" if parts[0] else name
        return f"{whole} {_declares(parts[0])} and is scored on its own images"
    others = _others(published, parts)
    texts = [f"part {n} {_declares(parts[n - 1])}" for n in others]
    end = "these are scored on their own images" if texts[1:] else "it is scored on its own images"
    return f"in {name} {_names(texts)}, so {end}"


def _declares(declared: Mapping[str, Any]) -> str:
    texts = [f"{key}={value}" for key, value in declared.items()]
    return f"declares {' and '.join(texts)}" if texts else "has no such options"


def _names(texts: list[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
