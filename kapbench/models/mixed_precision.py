"""An encoder in half precision: its networks multiply in fewer bits."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from kapbench.errors import KapbenchError
from kapbench.models.wrapper import OverBackbones, WrappedEncoder
from kapbench.protocols import Encoder, HasBackbones, Model, ModelInfo, model_info
from kapbench.types import FeatureMap, Picture

PRECISIONS = ("fp32", "bf16", "fp16")


class Autocast(WrappedEncoder):
    """Runs an encoder under torch.autocast. Its features differ, so its revision does.

    The encoder must end in `.float()` before it goes to NumPy, which has no bfloat16.

    Args:
        precision: bf16 or fp16.
    """

    def __init__(self, backbone: Encoder, precision: str, device: str) -> None:
        super().__init__(backbone, _declared(backbone, precision))
        self._precision, self._device = precision, device

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        with _autocast(self._precision, self._device):
            return self.backbone.encode(pictures)


class AutocastOverBackbones(OverBackbones):
    """The same of a model over backbones, each of which runs under torch.autocast by itself.

    So a backbone's maps in half precision are shared too.
    """

    def __init__(self, head: HasBackbones, precision: str, device: str) -> None:
        backbones = [_under_autocast(backbone, precision, device) for backbone in head.backbones]
        super().__init__(backbones, _declared(head, precision), keeps_maps=head.keeps_maps)
        self._head, self._precision, self._device = head, precision, device

    def from_features(
        self, pictures: Sequence[Picture], features: Sequence[tuple[FeatureMap, ...]]
    ) -> Sequence[FeatureMap]:
        with _autocast(self._precision, self._device):
            return self._head.from_features(pictures, features)


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
    return _under_autocast(model, precision, device)


def _under_autocast(model: Encoder, precision: str, device: str) -> Encoder:
    if isinstance(model, HasBackbones):
        return AutocastOverBackbones(model, precision, device)
    return Autocast(model, precision, device)


def _declared(model: object, precision: str) -> ModelInfo:
    info = model_info(model)
    revision, options = f"{precision}-{info.revision}", {**info.options, "precision": precision}
    return replace(info, revision=revision, options=options)


def _autocast(precision: str, device: str) -> AbstractContextManager[object]:
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.partition(":")[0], kind)
