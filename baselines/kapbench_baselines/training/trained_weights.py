"""Weights of a trained method as one safetensors file that says what they are of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench.storage import file_hash, write_atomically
from kapbench.untrusted.strict_text import parse_json
from kapbench_baselines.training import loop, ranks
from kapbench_baselines.training.card import Card
from kapbench_baselines.training.options import TrainingSetup
from kapbench_baselines.training.state import State
from kapbench_baselines.training.task import Course, Task
from kapbench_baselines.training.tensor_files import read_tensors, write_tensors

_Module = TypeVar("_Module", bound=nn.Module)
_CARDS = TypeAdapter(Card)
FORMAT = "kapbench-trained-1"
CARD = loop.CARD


def train_and_save(
    setup: TrainingSetup,
    task: Task,
    settings: Course,
    card: Card,
    build: Callable[[Any, Any, str], Any],
    pck_rule: str | None = None,
) -> Path:
    """Trains as requested and writes weights and card; returns the weights' path.

    Args:
        build, pck_rule: See `TrainingSetup.validator`.
    """
    request = setup.request
    plan = loop.Plan(
        setup.out(card.method),
        card.identity,
        request.seed,
        bf16=setup.bf16,
        parts=request.parts,
        force=request.force,
        keep=request.keep,
    )
    validate = setup.validator(build, pck_rule)
    train(
        task,
        settings,
        plan,
        card,
        device=setup.device,
        validate=validate,
        frozen=validate and validate.frozen,
        schedule=loop.Schedule(request.validate_every or settings.steps),
        progress=setup.progress,
    )
    return plan.out / loop.WEIGHTS


def train(
    task: Task,
    settings: Course,
    plan: loop.Plan,
    card: Card,
    *,
    device: str = "cpu",
    **options: Any,
) -> State:
    """Trains, and after the last step writes weights and card below `plan.out`.

    Those that a finished training has written stay as they are, to the byte.

    Args:
        card: What the weights will say of themselves; scores are filled in.
        options: As of `loop.train`.

    Raises:
        KapbenchError: the folder has another training's weights, and no state; see `loop.train`.
    """
    _check_folder(plan, card)
    state = loop.train(task, settings, plan, **options)
    if state.step == settings.steps and ranks.is_first():
        finish(state, card, plan, device)
    return state


def finish(state: State, card: Card, plan: loop.Plan, device: str) -> Path:
    """Writes weights and the card that people read; returns the weights' path."""
    kept, path = loop.kept(state, plan.keep), plan.out / loop.WEIGHTS
    finished = replace(
        card,
        scores=kept.scores,
        kept_step=kept.step,
        precision=state.precision,
        device=device,
        torch=str(torch.__version__),
    )
    if _holds(path, finished):
        return path
    save(path, kept.module, finished)
    text = readable(finished, file_hash(path), state.history)
    write_atomically(path.with_name(CARD), text.encode())
    return path


def _holds(path: Path, finished: Card) -> bool:
    """Whether these weights are written already: of this training, step and precision."""
    written = _written(path, finished.method)
    if written is None or not written.is_of(finished):
        return False
    return (written.kept_step, written.precision) == (finished.kept_step, finished.precision)


def _check_folder(plan: loop.Plan, card: Card) -> None:
    """Refuses weights of another training; a state is checked where it is loaded."""
    path = plan.out / loop.WEIGHTS
    if plan.force or not path.is_file() or (plan.out / loop.STATE).is_file():
        return
    written = _written(path, card.method)
    if written is None or not written.is_of(card):
        raise KapbenchError(
            "The weights in this folder are of a training with other settings, data or seed",
            place=path,
            fix="Repeat its options, add --force to replace them, or choose another --out",
        )


def _written(path: Path, method: str) -> Card | None:
    """The card of a folder's weights. None: there are no weights, or none with a card of `method`."""
    if not path.is_file():
        return None
    try:
        _, metadata = read_tensors(path, how_to_make(method))
        return read_card(path, metadata, method)
    except KapbenchError:
        return None


def save(path: Path, module: nn.Module, card: Card) -> None:
    # One key alone: safetensors writes several in random order, and equal weights would differ.
    text = json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)
    write_tensors(path, module.state_dict(), {"card": text})


def how_to_make(method: str) -> str:
    return f"Make one with `kapbench train {method}`"


def load(path: Path, method: str) -> tuple[dict[str, Tensor], Card, str]:
    """Tensors, card and SHA-256 of a file.

    Raises:
        KapbenchError: the file does not exist or is not a safetensors file; see `read_card`.
    """
    tensors, metadata = read_tensors(path, how_to_make(method))
    return tensors, read_card(path, metadata, method), file_hash(path)


def read_card(
    path: Path,
    metadata: Mapping[str, str],
    method: str,
    older: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = MappingProxyType({}),
) -> Card:
    """The card in a file's metadata.

    Args:
        older: Other formats that the method's files may have, and what turns their fields into a
            card's.

    Raises:
        KapbenchError: there is no card, or one of another method or format.
    """
    fix = how_to_make(method)
    if "card" not in metadata:
        raise KapbenchError(
            "The weights have no card: this is not a file of `kapbench train`", place=path, fix=fix
        )
    try:
        fields = parse_json(metadata["card"], path, fix=fix)
        written = fields.pop("format", "no format")
        fields["categories"] = tuple(fields["categories"])
        if written in older:
            fields, written = older[written](fields), FORMAT
        text = json.dumps(fields)  # as JSON a list may be a tuple, and an object a card
        card = _CARDS.validate_json(text, strict=True) if written == FORMAT else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KapbenchError(
            f"The weights' card cannot be read ({type(error).__name__}: {error})",
            place=path,
            fix=fix,
        ) from error
    if card is None or card.method != method:
        kind = f"of format {written}" if card is None else f"of {card.method}"
        raise KapbenchError(f"These are weights {kind}, not of {method}", place=path, fix=fix)
    return card


def build(
    make: Callable[[], _Module], tensors: Mapping[str, Tensor], path: Path, method: str
) -> _Module:
    """The module with these weights, for evaluation.

    Args:
        make: The module of the card's shape. It is first made without memory, and again once its
            tensors are known to have the sizes of those in the file.

    Raises:
        KapbenchError: no module has such a shape, or the weights do not fit it.
    """
    try:
        with torch.device("meta"):
            planned = {key: tuple(t.shape) for key, t in make().state_dict().items()}
        stored = {key: tuple(t.shape) for key, t in tensors.items()}
        different = {k for k in planned.keys() | stored.keys() if planned.get(k) != stored.get(k)}
        if different:
            key = min(different)
            raise ValueError(f"{key} is {stored.get(key)}, the card has {planned.get(key)}")
        if not all(bool(t.isfinite().all()) for t in tensors.values()):
            raise ValueError("a weight is not finite")
        module = make()
        module.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise KapbenchError(
            f"The weights do not fit their own card: {error}", place=path, fix=how_to_make(method)
        ) from error
    return module.eval()


def readable(card: Card, sha256: str, history: list[dict[str, float]]) -> str:
    """The card in Markdown."""
    settings = "\n".join(f"| {key} | {value} |" for key, value in card.settings.items())
    return f"""# {card.method} over {card.backbone}

* **Weights**: `{loop.WEIGHTS}`, sha256 {sha256}.
* **Trained on** {card.learnt_from} ({card.dataset_revision}): {card.n_images} images of
  {", ".join(card.categories)}; supervision: {card.supervision}.
* **Backbone**: {card.backbone}, revision {card.backbone_revision}; another is refused.
* **Seed** {card.seed}, {card.steps} steps, {card.precision} on {card.device}, torch {card.torch}.
* **Val**, ×100: {_validated(card, history)} (`{loop.CURVE}`, `{loop.HISTORY}`).

| setting | value |
|---|---|
{settings}
"""


def _validated(card: Card, history: list[dict[str, float]]) -> str:
    best = loop.best_line(history)
    if best is None:
        return "not measured"
    name = "KAP" if "kap" in best else "PCK"
    step = card.steps if card.kept_step is None else card.kept_step
    parts = [
        f"{_scores_text(card.scores)} at step {step}, whose weights these are",
        f"highest {name} at step {int(best['step'])} of {card.steps}",
    ]
    if not history[0]["step"]:
        frozen = {k: v for k, v in history[0].items() if k != "step"}
        parts.insert(1, f"frozen {card.backbone} {_scores_text(frozen)}")
    return ";\n  ".join(parts)


def _scores_text(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{k.upper()}@0.10 {100 * v:.1f}" for k, v in scores.items())
