"""Published backbones as one table: what each is, where its weights are, how it is read.

A new one is a row of ROWS and its name in pyproject. No other module is imported here, so that
`kapbench list models` stays fast.
"""

from dataclasses import dataclass
from typing import Literal

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
OWN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # of networks that normalise the levels 0 to 1 themselves
N_CELLS = 60  # along the letterbox, as DINOv2 has in published runs

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
    """

    title: str
    library: Library
    kind: str
    model_types: tuple[str, ...]
    levels: Levels
    licence: str
    trained_on: str
    page: str


@dataclass(frozen=True, slots=True)
class Preset:
    """One published backbone.

    Args:
        source: Repository of the hub, timm's name, or upstream's file.
        size: As people write it, e.g. ViT-B/16.
        trained_px: Side of the images that it was trained or last fine-tuned with.
        channels: Of a token.
        layer: Hidden state that is read: -1, the last block's output before any final norm.
        fixed_px: Side of the letterbox where it is not that of 60 patches.
    """

    name: str
    source: str
    size: str
    patch: int
    trained_px: int
    channels: int
    layer: int = -1
    fixed_px: int | None = None

    @property
    def family(self) -> Family:
        return FAMILIES[self.name.partition(".")[0]]

    @property
    def image_px(self) -> int:
        return self.fixed_px or N_CELLS * self.patch

    @property
    def attribute(self) -> str:
        """The name by which an entry point asks for the preset."""
        return self.name.replace(".", "_")

    @property
    def line(self) -> str:
        """What `kapbench list models` prints beside the name."""
        return f"{self.family.title} {self.size}, {self.image_px} px; {self.family.licence}"


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
        licence="MIT",
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

# name, source, size, patch, px in training, channels
ROWS = (
    Preset("sam.vitb16", "facebook/sam-vit-base", "ViT-B/16", 16, 1024, 768, fixed_px=1024),
    Preset("sam.vitl16", "facebook/sam-vit-large", "ViT-L/16", 16, 1024, 1024, fixed_px=1024),
    Preset("sam.vith16", "facebook/sam-vit-huge", "ViT-H/16", 16, 1024, 1280, fixed_px=1024),
    Preset("mae.vitb16", "facebook/vit-mae-base", "ViT-B/16", 16, 224, 768),
    Preset("mae.vitl16", "facebook/vit-mae-large", "ViT-L/16", 16, 224, 1024),
    Preset("mae.vith14", "facebook/vit-mae-huge", "ViT-H/14", 14, 224, 1280),
    Preset("vjepa2.vitl16", "facebook/vjepa2-vitl-fpc64-256", "ViT-L/16", 16, 256, 1024),
    Preset("vjepa2.vith16", "facebook/vjepa2-vith-fpc64-256", "ViT-H/16", 16, 256, 1280),
    Preset("vjepa2.vitg16", "facebook/vjepa2-vitg-fpc64-256", "ViT-g/16", 16, 256, 1408),
    Preset("vjepa2.vitg16_384", "facebook/vjepa2-vitg-fpc64-384", "ViT-g/16 @384", 16, 384, 1408),
    Preset("siglip2.vitb16", "google/siglip2-base-patch16-512", "ViT-B/16", 16, 512, 768),
    Preset("siglip2.vitl16", "google/siglip2-large-patch16-512", "ViT-L/16", 16, 512, 1024),
    Preset("siglip2.so400m14", "google/siglip2-so400m-patch14-384", "So400m/14", 14, 384, 1152),
    Preset("siglip2.so400m16", "google/siglip2-so400m-patch16-512", "So400m/16", 16, 512, 1152),
    Preset("siglip2.giant16", "google/siglip2-giant-opt-patch16-384", "g-opt/16", 16, 384, 1536),
    Preset("pe.spatial_t16", "vit_pe_spatial_tiny_patch16_512.fb", "spatial T/16", 16, 512, 192),
    Preset("pe.spatial_s16", "vit_pe_spatial_small_patch16_512.fb", "spatial S/16", 16, 512, 384),
    Preset("pe.spatial_b16", "vit_pe_spatial_base_patch16_512.fb", "spatial B/16", 16, 512, 768),
    Preset("pe.spatial_l14", "vit_pe_spatial_large_patch14_448.fb", "spatial L/14", 14, 448, 1024),
    Preset(
        "pe.spatial_g14", "vit_pe_spatial_gigantic_patch14_448.fb", "spatial G/14", 14, 448, 1536
    ),
    Preset("pe.core_b16", "vit_pe_core_base_patch16_224.fb", "core B/16", 16, 224, 768),
    Preset("pe.core_l14", "vit_pe_core_large_patch14_336.fb", "core L/14", 14, 336, 1024),
    Preset("eva02.vits14", "eva02_small_patch14_224.mim_in22k", "ViT-S/14", 14, 224, 384),
    Preset("eva02.vitb14", "eva02_base_patch14_224.mim_in22k", "ViT-B/14", 14, 224, 768),
    Preset("eva02.vitl14", "eva02_large_patch14_224.mim_m38m", "ViT-L/14", 14, 224, 1024),
    Preset("ibot.vits16", "the teacher's backbone", "ViT-S/16", 16, 224, 384),
    Preset("ibot.vitb16", "the teacher's backbone", "ViT-B/16", 16, 224, 768),
    Preset("ibot.vitl16", "the teacher's backbone", "ViT-L/16", 16, 224, 1024),
    Preset("ibot.vitb16_in22k", "the student's backbone", "ViT-B/16 on ImageNet-22k", 16, 224, 768),
    Preset(
        "ibot.vitl16_in22k", "the student's backbone", "ViT-L/16 on ImageNet-22k", 16, 224, 1024
    ),
    Preset("dune.vits14", "dune_vitsmall14_448.pth", "ViT-S/14", 14, 448, 384),
    Preset("dune.vitb14", "dune_vitbase14_448.pth", "ViT-B/14", 14, 448, 768),
    Preset("dune.vitb14_336", "dune_vitbase14_336.pth", "ViT-B/14 @336", 14, 336, 768),
    Preset("dune.vitb14_paper", "dune_vitbase14_448_paper.pth", "ViT-B/14, paper", 14, 448, 768),
    Preset("vggt.encoder", "facebook/VGGT-1B", "ViT-L/14", 14, 518, 1024),
    Preset("c_radio.v3b", "nvidia/C-RADIOv3-B", "v3 ViT-B/16", 16, 512, 768),
    Preset("c_radio.v3l", "nvidia/C-RADIOv3-L", "v3 ViT-L/16", 16, 512, 1024),
    Preset("c_radio.v3h", "nvidia/C-RADIOv3-H", "v3 ViT-H/16", 16, 512, 1280),
    Preset("c_radio.v4so400m", "nvidia/C-RADIOv4-SO400M", "v4 So400m/16", 16, 512, 1152),
    Preset("c_radio.v4h", "nvidia/C-RADIOv4-H", "v4 ViT-H/16", 16, 512, 1280),
    Preset("am_radio.vitb16", "nvidia/RADIO-B", "ViT-B/16", 16, 768, 768),
    Preset("am_radio.vitl16", "nvidia/RADIO-L", "ViT-L/16", 16, 768, 1024),
    Preset("am_radio.vith16", "nvidia/RADIO-H", "ViT-H/16", 16, 768, 1280),
)
PRESETS = {preset.name: preset for preset in ROWS}


# Of DINO, DINOv2 and DINOv3, whose own modules read upstream's files: what is printed of them.
READ_BY_THEIR_OWN_MODULES = {
    "dino.vits8": "DINO ViT-S/8, keys of block 9, 224 px; Apache-2.0",
    "dino.vits16": "DINO ViT-S/16, keys of block 9, 224 px; Apache-2.0",
    "dino.vitb8": "DINO ViT-B/8, keys of block 9, 224 px; Apache-2.0",
    "dino.vitb16": "DINO ViT-B/16, keys of block 9, 224 px; Apache-2.0",
    "dinov2.vits14": "DINOv2 ViT-S/14, 840 px; Apache-2.0",
    "dinov2.vitb14": "DINOv2 ViT-B/14, 840 px; Apache-2.0",
    "dinov2.vitl14": "DINOv2 ViT-L/14, 840 px; Apache-2.0",
    "dinov2.vitg14": "DINOv2 ViT-g/14, 840 px; Apache-2.0",
    "dinov2.vits14reg": "DINOv2 ViT-S/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitb14reg": "DINOv2 ViT-B/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitl14reg": "DINOv2 ViT-L/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitg14reg": "DINOv2 ViT-g/14 with registers, 840 px; Apache-2.0",
    "dinov3.vits16": "DINOv3 ViT-S/16, 960 px; DINOv3 License, gated",
    "dinov3.vits16plus": "DINOv3 ViT-S+/16, 960 px; DINOv3 License, gated",
    "dinov3.vitb16": "DINOv3 ViT-B/16, 960 px; DINOv3 License, gated",
    "dinov3.vitl16": "DINOv3 ViT-L/16, 960 px; DINOv3 License, gated",
    "dinov3.vith16plus": "DINOv3 ViT-H+/16, 960 px; DINOv3 License, gated",
    "dinov3.vit7b16": "DINOv3 ViT-7B/16, 960 px; DINOv3 License, gated",
}


def lines() -> dict[str, str]:
    """Of published backbones, what `kapbench list models` prints beside the name."""
    return READ_BY_THEIR_OWN_MODULES | {preset.name: preset.line for preset in ROWS}
