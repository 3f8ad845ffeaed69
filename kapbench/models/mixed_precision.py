"""An encoder in half precision: its networks multiply in fewer bits."""

from collections.abc import Sequence
from typing import Any, Literal

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Encoder
from kapbench.types import FeatureMap, Picture

PRECISIONS = ("fp32", "bf16", "fp16")
_PASSED_ON = ("supervision", "trained_on", "reads_image_id", "padding", "prepare", "check_plan")


class Autocast:
    """Runs an encoder under torch.autocast; a model of its own, for its features differ.

    An adapter must end in `.float()` before it goes to NumPy, which knows no bfloat16.

    Args:
        precision: bf16 or fp16.
    """

    def __init__(self, encoder: Encoder, precision: str, device: str) -> None:
        self._encoder, self._precision, self._device = encoder, precision, device
        self.name, self.revision = encoder.name, f"{precision}-{encoder.revision}"
        self.conditions_on: tuple[Condition, ...] = encoder.conditions_on
        self.similarity: Literal["dot", "neg_l2"] = encoder.similarity
        for name in _PASSED_ON:
            if hasattr(encoder, name):
                setattr(self, name, getattr(encoder, name))
        self.options = {**getattr(encoder, "options", {}), "precision": precision}

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        import torch

        kind = torch.bfloat16 if self._precision == "bf16" else torch.float16
        with torch.autocast(self._device.partition(":")[0], kind):
            return self._encoder.encode(pictures)


def in_precision(model: Any, precision: str, device: str) -> Any:
    """The model itself for fp32, else under autocast.

    Raises:
        KapbenchError: an unknown precision, or a model that is no encoder.
    """
    if precision not in PRECISIONS:
        raise KapbenchError(
            f"unknown precision '{precision}'", fix=f"choose of {', '.join(PRECISIONS)}"
        )
    if precision == "fp32":
        return model
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"{model.name} is no encoder: it has no features to make in {precision}",
            place="--precision", fix="leave it out",
        )  # fmt: skip
    return Autocast(model, precision, device)
