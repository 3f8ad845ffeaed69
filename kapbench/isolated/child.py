"""In the process of an isolated model: loads it, and answers one request after another."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.identity.installed_code import last_user_line
from kapbench.identity.model_identity import identify
from kapbench.isolated.wire import Message, read, write
from kapbench.loading import load_model
from kapbench.models.inputs import picture_hash
from kapbench.models.outputs import advice, answered_map, feature_maps
from kapbench.protocols import Encoder, Model
from kapbench.types import FeatureMap, Picture, SimilarityMap

Typed = Callable[[str, Sequence[str]], dict[str, Any]]
MOST_TEXT = 4000  # characters of an error
_SEE_TRACEBACK = (
    "Correct the adapter; without --isolated, `kapbench --debug run ...` shows the traceback"
)


def serve(requests: IO[bytes], answers: IO[bytes], typed: Typed) -> None:
    """Answers requests until the pipe is closed; the first one names the model.

    Args:
        typed: Makes options from KEY=VALUE texts and the name of a model.
    """
    model: Model | None = None
    n_threads: int | None = None
    while (request := read(requests)) is not None:
        try:
            if model is None:
                n_threads = request.fields["threads"]
                model, answer = _load(request, typed)
            else:
                _set_threads(n_threads)
                answer = _ANSWERS[request.kind](model, request)
        except (Exception, SystemExit) as error:  # noqa: BLE001  the evaluator reports it
            answer = _failure(error, is_loading=model is None)
        write(answers, answer)


def _load(request: Message, typed: Typed) -> tuple[Model, Message]:
    fields = request.fields
    sys.path[:] = fields["search_path"]
    options = {name: _option(*value) for name, value in fields["options"].items()}
    options |= typed(fields["model"], fields["texts"])
    model = load_model(
        fields["model"],
        device=fields["device"],
        dataset=fields["dataset"],
        precision=fields["precision"],
        **options,
    )
    identity = identify(model)
    if identity.unknown is not None:
        raise KapbenchError(
            f"The model holds {identity.unknown}, whose content kapbench cannot compare",
            fix="Declare `options`, or score it without isolation",
        )
    from pydantic_core import to_jsonable_python

    info = to_jsonable_python(asdict(identity.info), fallback=str)
    return model, Message("info", info)


def _set_threads(n_threads: int | None) -> None:
    """Of torch's arithmetic, if the model has loaded torch."""
    torch = sys.modules.get("torch")
    if torch is not None and n_threads is not None and torch.get_num_threads() != n_threads:
        torch.set_num_threads(n_threads)


def _option(kind: str, value: Any) -> Any:
    return Path(value) if kind == "path" else value


def _encode(model: Model, request: Message) -> Message:
    assert isinstance(model, Encoder)
    return _maps(feature_maps(model, _pictures(request)))


def _match(model: Model, request: Message) -> Message:
    untyped: Any = model  # twins are a fourth argument
    source, target = _pictures(request)
    queries, *twins = request.arrays[request.fields["more"] :]
    answer = untyped.match(source, target, queries, *twins)
    return _maps([answered_map(answer, queries, f"model {model.name}")])


_ANSWERS: dict[str, Callable[[Model, Message], Message]] = {"encode": _encode, "match": _match}


def _pictures(request: Message) -> list[Picture]:
    """What the model is shown. The name of an image is the hash of what it shows."""
    arrays = iter(request.arrays)
    pictures = []
    for shown in request.fields["pictures"]:
        pixels, mask = next(arrays), next(arrays) if shown["has_mask"] else None
        nameless = Picture(pixels, "", shown["category"], mask, shown["azimuth_bin"])
        pictures.append(Picture(pixels, picture_hash(nameless), *_conditions(nameless)))
    return pictures


def _conditions(picture: Picture) -> tuple[Any, ...]:
    return picture.category, picture.mask, picture.azimuth_bin


def _maps(maps: Sequence[FeatureMap | SimilarityMap]) -> Message:
    grids = [(m.grid.height, m.grid.width, m.grid.box) for m in maps]
    sent = [[int(h), int(w), [float(edge) for edge in box]] for h, w, box in grids]
    return Message("maps", {"grids": sent}, [np.asarray(m.values) for m in maps])


def _failure(error: BaseException, *, is_loading: bool) -> Message:
    """An error in words; while images are shown, the evaluator adds for which one."""
    cause = error.__cause__ or error
    thing = f"The model failed: {type(error).__name__}: {error}"
    fix = advice(cause) or _SEE_TRACEBACK
    texts: dict[str, str | None] = {"thing": thing, "fix": fix, "place": None}
    texts["line"] = None if isinstance(cause, KapbenchError) else last_user_line(cause)
    if isinstance(error, KapbenchError):
        texts["thing"] = error.thing
        texts["fix"] = fix if error.__cause__ is not None else error.fix
        texts["place"] = str(error.place) if is_loading and error.place is not None else None
    if type(cause).__name__ == "OutOfMemoryError":
        with suppress(Exception):
            import torch

            torch.cuda.empty_cache()
    shortened = {name: text and text[:MOST_TEXT] for name, text in texts.items()}
    return Message("error", {**shortened, "cause": type(cause).__name__})
