"""Bases of models that are made from what another model declares."""

from collections.abc import Sequence
from dataclasses import replace

from kapbench.models.cached_map import to_cells
from kapbench.protocols import ChecksPlan, Encoder, HasForeground, ModelInfo, Prepares, Similarity
from kapbench.types import FeatureMap, Picture

AS_CACHED = "fp16"  # in the revision of a model over backbones: it sees their maps as they are kept


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
        self.window, self.licence = info.window, info.licence


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


class OverBackbones(Declared):
    """An encoder over one or several others; a subclass gives `from_features`.

    Args:
        info: What it declares; its revision must change with `AS_CACHED` and with all that
            `from_features` depends on.
        keeps_maps: False for maps that are large and quickly made: a command makes them anew, and
            removes them when it ends.
    """

    def __init__(
        self, backbones: Sequence[Encoder], info: ModelInfo, *, keeps_maps: bool = True
    ) -> None:
        super().__init__(info)
        self.backbones, self.keeps_maps = tuple(backbones), keeps_maps
        if len(self.backbones) == 1 and isinstance(self.backbone, Prepares):
            self.prepare = self.backbone.prepare
        if any(isinstance(backbone, ChecksPlan) for backbone in self.backbones):
            self.check_plan = self._check_plan
        for backbone in self.backbones:
            if isinstance(backbone, HasForeground):
                self.foreground = backbone.foreground
                break

    @property
    def backbone(self) -> Encoder:
        """The first, or the only one."""
        return self.backbones[0]

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        """As from the cache: the backbones' maps are rounded as it keeps them."""
        maps = [
            [to_cells(m).feature_map() for m in backbone.encode(as_shown_to(backbone, pictures))]
            for backbone in self.backbones
        ]
        return self.from_features(pictures, list(zip(*maps, strict=True)))

    def from_features(
        self, pictures: Sequence[Picture], features: Sequence[tuple[FeatureMap, ...]]
    ) -> Sequence[FeatureMap]:
        """See `HasBackbones`."""
        raise NotImplementedError

    def _check_plan(self, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:
        for backbone in self.backbones:
            if isinstance(backbone, ChecksPlan):
                backbone.check_plan(image_ids, pairs)


def as_shown_to(backbone: Encoder, pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures of a model that stands on `backbone`, with what that one declares to look at."""
    sees = backbone.conditions_on
    return [
        replace(
            picture,
            category=picture.category if "category" in sees else None,
            mask=picture.mask if "mask" in sees else None,
            azimuth_bin=picture.azimuth_bin if "azimuth" in sees else None,
        )
        for picture in pictures
    ]
