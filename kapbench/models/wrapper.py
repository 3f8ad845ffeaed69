"""Bases of models that are made from what another model declares."""

from collections.abc import Sequence

from kapbench.protocols import ChecksPlan, Encoder, HasForeground, ModelInfo, Prepares, Similarity
from kapbench.types import FeatureMap, Picture


class Declared:
    """Declares what a `ModelInfo` holds, as attributes that `model_info` reads."""

    def __init__(self, info: ModelInfo) -> None:
        self.name, self.revision = info.name, info.revision
        self.conditions_on = info.conditions_on
        if info.similarity is not None:
            self.similarity: Similarity = info.similarity
        self.supervision, self.trained_on = info.supervision, info.trained_on
        self.options = dict(info.options)
        self.reads_image_id, self.padding = info.reads_image_id, info.padding
        self.window = info.window


class WrappedEncoder(Declared):
    """Forwards everything but `info`; a subclass changes what `encode` returns.

    Args:
        info: What the wrapper declares: `model_info(backbone)` with what differs replaced.
    """

    def __init__(self, backbone: Encoder, info: ModelInfo) -> None:
        if info.similarity is None:
            raise TypeError(f"{info.name} is not an encoder")
        super().__init__(info)
        self.backbone = backbone
        if info.prepares and isinstance(backbone, Prepares):
            self.prepare = backbone.prepare
        if isinstance(backbone, ChecksPlan):
            self.check_plan = backbone.check_plan
        if isinstance(backbone, HasForeground):
            self.foreground = backbone.foreground

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        return self.backbone.encode(pictures)
