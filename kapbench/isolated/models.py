"""Isolated models as the rest of kapbench sees them: an encoder or a pair model like any other."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kapbench.errors import KapbenchError
from kapbench.isolated.process import ModelProcess
from kapbench.isolated.wire import Message
from kapbench.models.outputs import CodeLine
from kapbench.models.wrapper import Declared
from kapbench.protocols import Condition, ModelInfo, ModelKind, Similarity
from kapbench.shown_text import escape_hidden
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap

Protection = Literal["process", "files", "network", "processes"]
# What each keeps the model from, as the end of a sentence.
PROTECTIONS: dict[Protection, str] = {
    "process": "the evaluator's objects in Python",
    "files": "files of this machine but the model's own",
    "network": "the network",
    "processes": "the memory of other processes",
}


def _refuse_control(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds characters that cannot be printed")
    return text


_Text = Annotated[str, Field(max_length=2000), AfterValidator(_refuse_control)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Info(_Answer):
    """`ModelInfo`, as it comes from the model's process."""

    name: _Text
    revision: _Text
    kind: ModelKind
    conditions_on: Annotated[list[Condition], Field(max_length=4)]
    similarity: Similarity | None
    supervision: _Text
    trained_on: _Text | None
    options: dict[str, Any]
    reads_image_id: bool
    padding: int
    parts: list[int] | None
    prepares: bool
    window: Annotated[int, Field(ge=1)] | None
    over: list[_Text]
    licence: _Text | None


class _Error(_Answer):
    thing: str
    place: str | None
    fix: str | None
    cause: str
    line: str | None  # of the model's code that raised it


_GRIDS = TypeAdapter(
    list[tuple[int, int, tuple[float, float, float, float]]], config=ConfigDict(allow_inf_nan=False)
)


class _Isolated(Declared):
    """A model whose work is done by its process.

    Args:
        protections: What the system enforces.
    """

    def __init__(
        self, process: ModelProcess, info: ModelInfo, protections: tuple[Protection, ...]
    ) -> None:
        super().__init__(info)
        self.process, self.protections = process, protections

    def _maps(self, kind: str, pictures: Sequence[Picture], *more: np.ndarray) -> list[Any]:
        """Values and grid of each map of an answer.

        Raises:
            KapbenchError: see `ModelProcess.ask`; the model failed.
            torch.OutOfMemoryError: the device's memory does not suffice.
        """
        arrays = [a for p in pictures for a in (p.pixels, p.mask) if a is not None]
        shown = [
            {"category": p.category, "azimuth_bin": p.azimuth_bin, "has_mask": p.mask is not None}
            for p in pictures
        ]
        request = Message(kind, {"pictures": shown, "more": len(arrays)}, [*arrays, *more])
        return list(checked(self.process, request, "maps", _read_maps))


class IsolatedEncoder(_Isolated):
    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        return [FeatureMap(values, grid) for values, grid in self._maps("encode", pictures)]


class IsolatedPairModel(_Isolated):
    def match(
        self,
        source: Picture,
        target: Picture,
        queries: Float[np.ndarray, "q 2"],
        *twins: Float[np.ndarray, "q 2"],
    ) -> SimilarityMap:
        maps = self._maps("match", (source, target), queries, *twins)
        if len(maps) != 1:
            raise self.process.malformed(f"It holds {len(maps)} maps for one pair.")
        ((values, grid),) = maps
        return SimilarityMap(values, grid, queries)


IsolatedModel = IsolatedEncoder | IsolatedPairModel


def checked(
    process: ModelProcess, request: Message, kind: str, read: Callable[[Message], Any]
) -> Any:
    """What `read` makes of the answer to a request.

    Raises:
        KapbenchError, torch.OutOfMemoryError: as `_Isolated._maps`.
    """
    answer = process.ask(request)
    try:
        if answer.kind == "error":
            error = _Error.model_validate(dict(answer.fields))
        elif answer.kind == kind:
            return read(answer)
        else:
            raise ValueError(f"it is of kind {answer.kind[:40]!a}, not {kind}")
    except (ValidationError, ValueError) as wrong:
        first = wrong.errors()[0]["msg"] if isinstance(wrong, ValidationError) else str(wrong)
        raise process.malformed(first) from wrong
    if error.cause == "OutOfMemoryError":
        import torch

        raise torch.OutOfMemoryError(escape_hidden(error.thing, allowed="\n"))
    place = error.place or (error.line and CodeLine(error.line))
    raise KapbenchError(error.thing, place=place, fix=error.fix)  # shows no hidden characters


def read_info(answer: Message) -> ModelInfo:
    """Raises ValidationError where a field of `ModelInfo` is wrong."""
    fields = _Info.model_validate(dict(answer.fields)).model_dump()
    fields["conditions_on"] = tuple(fields["conditions_on"])
    fields["over"] = tuple(fields["over"])
    fields["parts"] = fields["parts"] and tuple(fields["parts"])
    return ModelInfo(**fields)


def _read_maps(answer: Message) -> list[tuple[np.ndarray, Grid]]:
    """Raises ValueError where there is not one grid for each array."""
    grids = _GRIDS.validate_python(answer.fields.get("grids"))
    if len(grids) != len(answer.arrays):
        raise ValueError(f"it has {len(grids)} grids for {len(answer.arrays)} arrays")
    pairs = zip(answer.arrays, grids, strict=True)
    return [(values, Grid(height, width, box)) for values, (height, width, box) in pairs]
