"""The frozen encoder beneath a trained model: who may be one, and whether it is the one meant."""

from typing import Protocol, runtime_checkable

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.protocols import Encoder
from kapbench.registry import names

ANY_REVISION = "any"  # of weights that do not say which


@runtime_checkable
class NamesBackbone(Protocol):
    """A weights file's card."""

    @property
    def backbone(self) -> str: ...
    @property
    def backbone_revision(self) -> str: ...
    @property
    def backbone_spec(self) -> str | None: ...


def as_backbone(model: object, *, cosines_for: str | None = "the fusion") -> Encoder:
    """The model itself; KapbenchError where it is no encoder.

    Args:
        cosines_for: What needs an encoder that is compared by cosine; None: nothing does.
    """
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"'{getattr(model, 'name', model)}' cannot be a backbone: it has no encode()",
            fix="choose an encoder, e.g. --backbone lite0",
        )
    if cosines_for is not None and model.similarity != "dot":
        raise KapbenchError(
            f"backbone '{model.name}' is compared by {model.similarity}; {cosines_for} needs cosines",
            fix="choose a backbone whose similarity is dot",
        )
    return model


def open_backbone(
    spec: str, weights: str | None, device: str, dataset: str | None = None,
    *, cosines_for: str | None = "the fusion",
) -> Encoder:  # fmt: skip
    """The encoder of a name.

    Args:
        weights: Of the backbone itself; None: as it finds them.
        cosines_for: See `as_backbone`.

    Raises:
        KapbenchError: no such encoder, or weights that it does not take.
    """
    options = {} if weights is None else {"weights": weights}
    model = load_model(spec, device=device, dataset=dataset, **options)
    return as_backbone(model, cosines_for=cosines_for)


def own_backbone(card: NamesBackbone, place: object) -> str:
    """The registered name of the backbone. Weights may name a file, but never have it run."""
    for name in (card.backbone_spec, card.backbone):
        if name in names("models"):
            return str(name)
    spec = card.backbone_spec or "FILE.py:CLASS"
    raise KapbenchError(
        f"weights of backbone '{card.backbone}', which is not installed", place=place,
        fix=f"add -o backbone={spec}, with the folder where that file is",
    )  # fmt: skip


def check_backbone(
    card: NamesBackbone, name: str, revision: str, place: object, method: str
) -> None:
    """Raises KapbenchError for weights of another backbone, or of another revision of it."""
    if card.backbone != name:
        raise KapbenchError(
            f"weights of backbone '{card.backbone}', not of '{name}'",
            place=place,
            fix=f"use backbone {card.backbone}, or `kapbench train {method} --backbone {name}`",
        )
    if card.backbone_revision not in (revision, ANY_REVISION):
        raise KapbenchError(
            f"weights of {name}@{card.backbone_revision}, but this {name} is @{revision}",
            place=place,
            fix=f"train again: kapbench train {method} --backbone {name}",
        )
