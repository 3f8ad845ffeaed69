"""The frozen encoder beneath a trained model: opening it, and checking that it is the right one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.identity.model_identity import declared_revision
from kapbench.loading import load_model
from kapbench.protocols import Encoder, Model, model_info
from kapbench.registry import names
from kapbench_baselines.training.card import Card

ANY_REVISION = "any"  # of weights that were released without one


def as_backbone(model: Model, *, cosines_for: str | None = "the fusion") -> Encoder:
    """The model itself; KapbenchError if it is not an encoder.

    Args:
        cosines_for: What needs an encoder that is compared by cosine; None: nothing does.
    """
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"'{model.name}' cannot be a backbone: it has no encode()",
            fix="Choose an encoder, e.g. --backbone lite0",
        )
    if cosines_for is not None and model.similarity != "dot":
        raise KapbenchError(
            f"Backbone '{model.name}' is compared by {model.similarity}; {cosines_for} needs cosines",
            fix="Choose a backbone whose similarity is dot",
        )
    return model


def open_backbone(
    spec: str,
    weights: str | None,
    device: str,
    dataset: str | None = None,
    *,
    cosines_for: str | None = "the fusion",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Encoder:
    """The encoder of a name.

    Args:
        weights: Of the backbone itself; None: as it finds them.
        cosines_for: See `as_backbone`.
        options: Others of the backbone, which are not its defaults.

    Raises:
        KapbenchError: no such encoder, or weights or options that it does not take.
    """
    own = {} if weights is None else {"weights": weights}
    model = load_model(spec, device=device, dataset=dataset, **own, **options)
    return as_backbone(model, cosines_for=cosines_for)


def backbone_of(
    card: Card,
    place: object,
    spec: str | None,
    weights: str | None,
    device: str,
    dataset: str | None,
    *,
    cosines_for: str | None = "the fusion",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Encoder:
    """The encoder that trained weights belong to, opened and checked.

    Args:
        place: Where the weights are, for errors.
        spec: The backbone's name; None: the one in the card.
        weights: Of the backbone itself, as of `open_backbone`, as are the options.

    Raises:
        KapbenchError: as `open_backbone`, `own_backbone` and `check_backbone`.
    """
    try:
        encoder = open_backbone(
            spec or own_backbone(card, place),
            weights,
            device,
            dataset,
            cosines_for=cosines_for,
            options=options,
        )
    except KapbenchError as error:  # `-o weights` is taken by what stands on the backbone
        fix = error.fix and error.fix.replace("-o weights=", "-o backbone_weights=")
        raise KapbenchError(error.thing, place=error.place, fix=fix) from error
    check_backbone(card, encoder, place)
    return encoder


def own_backbone(card: Card, place: object) -> str:
    """The registered name of the backbone. Weights may name a file, but never have it run."""
    for name in (card.backbone_spec, card.backbone):
        if name in names("models"):
            return str(name)
    spec = card.backbone_spec or "FILE.py:CLASS"
    raise KapbenchError(
        f"The weights are for backbone '{card.backbone}', which is not installed",
        place=place,
        fix=f"Add -o backbone={spec}, with the path of that file",
    )


def trained_over(data: str, encoder: Encoder) -> str:
    """The `trained_on` of what was trained on `data` over an encoder."""
    beneath = model_info(encoder).trained_on
    return f"{data}, over {beneath}" if beneath else data


def check_backbone(card: Card, encoder: Encoder, place: object) -> None:
    """Raises KapbenchError for weights of another backbone, or of another revision of it.

    Of a backbone from a file, the revision that its class declares counts.
    """
    name, revision, command = encoder.name, encoder.revision, f"kapbench train {card.method}"
    if card.backbone != name:
        raise KapbenchError(
            f"The weights are for backbone '{card.backbone}', not for '{name}'",
            place=place,
            fix=f"Choose -o backbone={card.backbone}, or train with `{command} --backbone {name}`",
        )
    trained_on = declared_revision(card.backbone_revision)
    if trained_on not in (declared_revision(revision), ANY_REVISION):
        raise KapbenchError(
            f"The weights are for {name}@{card.backbone_revision}, but this {name} is @{revision}",
            place=place,
            fix=f"Train again with `{command} --backbone {name}`",
        )


def needs_weights(method: str, dataset: str | None, otherwise: str = "") -> KapbenchError:
    """The error for a trained method without weights.

    Args:
        otherwise: Another way to weights, as a sentence.
    """
    return KapbenchError(
        f"Model {method} needs weights, which are not shipped",
        place=f"model {method}",
        fix=f"Train them with `kapbench train {method} --backbone lite0 --dataset "
        f"{dataset or 'NAME'}`, then add -o weights=FILE{otherwise}",
    )
