"""An encoder in half precision: its networks multiply in fewer bits."""

from collections.abc import Sequence
from dataclasses import replace

from kapbench.errors import KapbenchError
from kapbench.models.wrapper import WrappedEncoder
from kapbench.protocols import Encoder, Model, model_info
from kapbench.types import FeatureMap, Picture

PRECISIONS = ("fp32", "bf16", "fp16")


class Autocast(WrappedEncoder):
    """Runs an encoder under torch.autocast. Its features differ, so its revision does.

    The encoder must end in `.float()` before it goes to NumPy, which has no bfloat16.

    Args:
        precision: bf16 or fp16.
    """

    def __init__(self, backbone: Encoder, precision: str, device: str) -> None:
        info = model_info(backbone)
        revision, options = f"{precision}-{info.revision}", {**info.options, "precision": precision}
        super().__init__(backbone, replace(info, revision=revision, options=options))
        self._precision, self._device = precision, device

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        import torch

        kind = torch.bfloat16 if self._precision == "bf16" else torch.float16
        with torch.autocast(self._device.partition(":")[0], kind):
            return self.backbone.encode(pictures)


def in_precision(model: Model, precision: str, device: str) -> Model:
    """The model itself for fp32, otherwise under autocast.

    Raises:
        KapbenchError: an unknown precision, or a model that is not an encoder.
    """
    if precision not in PRECISIONS:
        raise KapbenchError(
            f"Unknown precision '{precision}'", fix=f"Choose one of {', '.join(PRECISIONS)}"
        )
    if precision == "fp32":
        return model
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"{model.name} is not an encoder, so it has no features to compute in {precision}",
            place="--precision",
            fix="Leave --precision out",
        )
    return Autocast(model, precision, device)
