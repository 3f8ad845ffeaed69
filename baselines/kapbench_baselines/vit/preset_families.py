"""What the families of published backbones share: whose network is run, normalisation, licence.

No library is imported here, so that `kapbench list models` stays fast.
"""

from dataclasses import dataclass
from typing import Literal

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
OWN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # of networks that normalise the levels 0 to 1 themselves

Library = Literal["transformers", "timm", "file"]
Levels = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Family:
    """What its models share.

    Args:
        title: As people write it.
        library: Whose network is run, and whose hub repository is read; "file": upstream's own file
            is read into a network of transformers.
        kind: Class of transformers; empty for timm.
        model_types: That the configuration of a folder may name.
        levels: Mean and standard deviation of pixel levels, from 0 to 1.
        licence: Of the weights.
        trained_on: In words.
        page: Where upstream's code is.
        supervision: As of `ModelInfo`: masks or viewpoints that it was trained with itself, and not
            by its teachers.
    """

    title: str
    library: Library
    kind: str
    model_types: tuple[str, ...]
    levels: Levels
    licence: str
    trained_on: str
    page: str
    supervision: str = "none"


FAMILIES = {
    "sam": Family(
        title="SAM",
        library="transformers",
        kind="SamVisionModel",
        model_types=("sam", "sam_vision_model"),
        levels=IMAGENET,
        licence="Apache-2.0",
        trained_on="SA-1B images and masks",
        page="https://github.com/facebookresearch/segment-anything",
        supervision="masks",
    ),
    "mae": Family(
        title="MAE",
        library="transformers",
        kind="ViTMAEModel",
        model_types=("vit_mae",),
        levels=IMAGENET,
        licence="CC BY-NC 4.0",
        trained_on="ImageNet-1k images, self-supervised",
        page="https://github.com/facebookresearch/mae",
    ),
    "vjepa2": Family(
        title="V-JEPA 2",
        library="transformers",
        kind="VJEPA2Model",
        model_types=("vjepa2",),
        levels=IMAGENET,
        licence="Apache-2.0",
        trained_on="VideoMix22M films and images, self-supervised",
        page="https://github.com/facebookresearch/vjepa2",
    ),
    "siglip2": Family(
        title="SigLIP 2",
        library="transformers",
        kind="SiglipVisionModel",
        model_types=("siglip", "siglip_vision_model"),
        levels=HALVES,
        licence="Apache-2.0",
        trained_on="WebLI images and texts",
        page="https://github.com/google-research/big_vision",
    ),
    "pe": Family(
        title="Perception Encoder",
        library="timm",
        kind="",
        model_types=(),
        levels=HALVES,
        licence="Apache-2.0",
        trained_on="images, films and texts (PE core); PE spatial also SAM's masks",
        page="https://github.com/facebookresearch/perception_models",
    ),
    "eva02": Family(
        title="EVA-02",
        library="timm",
        kind="",
        model_types=(),
        levels=CLIP,
        licence="MIT",
        trained_on="ImageNet-22k or Merged-38M images; its teacher, EVA-CLIP, also texts",
        page="https://github.com/baaivision/EVA",
    ),
    "ibot": Family(
        title="iBOT",
        library="file",
        kind="ViTModel",
        model_types=("vit",),
        levels=IMAGENET,
        licence="Apache-2.0",
        trained_on="ImageNet images, self-supervised",
        page="https://github.com/bytedance/ibot",
    ),
    "dune": Family(
        title="DUNE",
        library="file",
        kind="Dinov2WithRegistersModel",
        model_types=("dinov2_with_registers",),
        levels=IMAGENET,
        licence="NAVER's, non-commercial",
        trained_on="20.7 million images; teachers DINOv2, MASt3R and Multi-HMR",
        page="https://github.com/naver/dune",
    ),
    "vggt": Family(
        title="VGGT's encoder",
        library="file",
        kind="Dinov2WithRegistersModel",
        model_types=("dinov2_with_registers",),
        levels=IMAGENET,
        licence="CC BY-NC 4.0",
        trained_on="images with cameras, depth and tracks, from DINOv2's weights",
        page="https://github.com/facebookresearch/vggt",
        supervision="viewpoint: cameras, depth and tracks",
    ),
    "c_radio": Family(
        title="C-RADIO",
        library="file",
        kind="RadioModel",
        model_types=("radio",),
        levels=OWN,
        licence="NVIDIA Open Model License",
        trained_on="images; teachers see RADIO's pages",
        page="https://github.com/NVlabs/RADIO",
    ),
    "am_radio": Family(
        title="AM-RADIO 2.5",
        library="file",
        kind="RadioModel",
        model_types=("radio",),
        levels=OWN,
        licence="NVIDIA's, non-commercial",
        trained_on="images; teachers DFN CLIP, SigLIP, DINOv2 and SAM",
        page="https://github.com/NVlabs/RADIO",
    ),
}
