"""An encoder whose maps are kept, for whoever encodes picture by picture: training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kapbench.features.cache import FeatureCache
from kapbench.models.inputs import picture_hash
from kapbench.models.wrapper import WrappedEncoder, as_shown_to
from kapbench.protocols import Encoder, HasBackbones, model_info
from kapbench.types import FeatureMap, Picture


class CachedEncoder(WrappedEncoder):
    """An encoder whose maps are kept in a feature cache, in fp16, as scoring would read them."""

    def __init__(self, backbone: Encoder, cache: FeatureCache) -> None:
        # What is cached needs no preparation.
        super().__init__(backbone, replace(model_info(backbone), prepares=False))
        self.cache = cache
        root = cache.backbones_root or cache.root.parent
        beneath = backbone.backbones if isinstance(backbone, HasBackbones) else ()
        self._beneath = tuple(CachedEncoder.below(root, b) for b in beneath)

    @classmethod
    def below(cls, root: Path, encoder: Encoder) -> "CachedEncoder":
        return cls(encoder, FeatureCache.of(encoder, root))

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: Picture) -> FeatureMap:
        key = picture_hash(picture, by_name=self.reads_image_id)
        if not self.cache.verify(key):
            self.cache.write(key, self._made(picture))
        return self.cache.read(key).feature_map()

    def _made(self, picture: Picture) -> FeatureMap:
        if not isinstance(self.backbone, HasBackbones):
            return self.backbone.encode([picture])[0]
        features = tuple(b.encode(as_shown_to(b, [picture]))[0] for b in self._beneath)
        return self.backbone.from_features([picture], [features])[0]
