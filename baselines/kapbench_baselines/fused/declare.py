"""What a fusion declares of itself, from what its parts declare."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kapbench.protocols import KEYPOINTS, Encoder, ModelInfo, model_info


def declared_of(
    parts: Sequence[Encoder], name: str, revision: str, options: Mapping[str, Any]
) -> ModelInfo:
    """It looks at all that any part looks at, and was trained with all that any was trained with."""
    infos = [model_info(part) for part in parts]
    windows = {info.window for info in infos}
    paddings = {info.padding for info in infos}
    return ModelInfo(
        name=name,
        revision=revision,
        kind="encoder",
        conditions_on=tuple(dict.fromkeys(c for info in infos for c in info.conditions_on)),
        similarity="dot",
        supervision=_supervision(infos),
        trained_on=_by_part((info.name, info.trained_on) for info in infos),
        options=options,
        reads_image_id=any(info.reads_image_id for info in infos),
        padding=paddings.pop() if len(paddings) == 1 else 0,
        window=windows.pop() if len(windows) == 1 else None,
        licence=_by_part((info.name, info.licence) for info in infos),
    )


def _supervision(infos: Sequence[ModelInfo]) -> str:
    """Keypoints if any part was trained on them: rules choose their decode by that."""
    used = dict.fromkeys(info.supervision for info in infos)
    used.pop("none", None)
    return KEYPOINTS if KEYPOINTS in used else " and ".join(used) or "none"


def _by_part(texts: Iterable[tuple[str, str | None]]) -> str | None:
    """The text of each part under its name; None if no part has one."""
    by_part = dict(texts)
    if not any(by_part.values()):
        return None
    return "; ".join(f"{name}: {text or 'not declared'}" for name, text in by_part.items())
